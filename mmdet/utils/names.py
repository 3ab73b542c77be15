"""Names: of image files, their natural order, and how any name is printed."""

import os
import re
import unicodedata
from pathlib import Path

IMAGE_SUFFIXES = ('.jpg', '.jpeg', '.png', '.bmp', '.webp', '.tif', '.tiff')

#: Categories of Unicode: control characters, surrogates, separators of lines and paragraphs.
_ODD = ('Cc', 'Cs', 'Zl', 'Zp')


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


def printable(text: object) -> str:
    """Text on one line: control characters, line breaks and halves of surrogate pairs as escapes.

    Names from files go through this before they are drawn or put into a table.
    """
    return ''.join(
        char.encode('unicode_escape').decode() if unicodedata.category(char) in _ODD else char
        for char in str(text)
    )


def is_text(value: object) -> bool:
    """Whether a value from a file is a text that is not blank and can be written to a file."""
    try:
        return isinstance(value, str) and bool(value.strip()) and bool(value.encode())
    except UnicodeEncodeError:  # half of a surrogate pair
        return False


def file_name_fault(name: object) -> str | None:
    """What is expected where a value from a file cannot be the name of a file, else None."""
    if not isinstance(name, str) or not name:
        return 'a file name'
    try:
        return 'a file name without a NUL character' if b'\0' in os.fsencode(name) else None
    except UnicodeEncodeError:
        return 'a file name without halves of surrogate pairs'
