"""Names of image files: their suffixes and their natural order."""

import re
from pathlib import Path

IMAGE_SUFFIXES = ('.jpg', '.jpeg', '.png', '.bmp', '.webp', '.tif', '.tiff')


def natural_key(name: str | Path) -> tuple:
    """Sort key: ``frame10`` comes after ``frame9``; case counts only among names that are equal otherwise."""
    # Splitting by a group puts the numbers at odd places.
    parts = enumerate(re.split(r'([0-9]+)', str(name)))
    return [(int(part), '') if place % 2 else (-1, part.lower()) for place, part in parts], str(name)
