"""Names of image files: their suffixes and their natural order."""

import re
from pathlib import Path

IMAGE_SUFFIXES = ('.jpg', '.jpeg', '.png', '.bmp', '.webp', '.tif', '.tiff')


def natural_key(name: str | Path) -> tuple:
    """Sort key: ``frame10`` comes after ``frame9``; case counts only among names that are equal otherwise."""
    # Splitting by a group puts the numbers at odd places. Of numbers without leading zeros the longer one is
    # greater; int() refuses those of more than 4,300 digits.
    parts = enumerate(re.split(r'([0-9]+)', str(name)))
    keys = [
        (len(part.lstrip('0')), part.lstrip('0')) if place % 2 else (-1, part.lower())
        for place, part in parts
    ]
    return keys, str(name)
