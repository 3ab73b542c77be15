"""Names of image files: their endings, and the order in which people number them."""

import re

IMAGE_SUFFIXES = ('.jpg', '.jpeg', '.png', '.bmp', '.webp', '.tif', '.tiff')


def natural_key(name):
    """Sort key in which ``frame10`` comes after ``frame9``, in upper or lower case; ties go by the text."""
    # A split by a group puts the numbers at the odd places.
    parts = enumerate(re.split(r'([0-9]+)', str(name)))
    return [(int(part), '') if place % 2 else (-1, part.lower()) for place, part in parts], str(name)
