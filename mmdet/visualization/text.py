"""Anti-aliased text: the DejaVu font of matplotlib, drawn by Pillow, blended into BGR arrays."""

import functools
from pathlib import Path

import numpy as np

from mmdet.utils import printable


@functools.lru_cache(maxsize=32)
def _font(size):
    import matplotlib
    from PIL import ImageFont

    return ImageFont.truetype(str(Path(matplotlib.get_data_path(), 'fonts/ttf/DejaVuSans-Bold.ttf')), size)


@functools.lru_cache(maxsize=4096)
def _glyphs(text, size):
    """Coverage of a line of text, float32 (h, w) in 0..1; h is the line height of the font."""
    from PIL import Image, ImageDraw

    font, text = _font(size), printable(text)
    ascent, descent = font.getmetrics()
    width = max(1, int(np.ceil(font.getlength(text))) + 1)
    canvas = Image.new('L', (width, ascent + descent))
    ImageDraw.Draw(canvas).text((0, 0), text, fill=255, font=font)
    return np.asarray(canvas, dtype=np.float32) / 255


def text_size(text, size):
    """(width, height) of a line of text in pixels."""
    height, width = _glyphs(text, size).shape
    return width, height


def _paint(image, x, y, coverage, color):
    """Blend ``color`` into ``image`` with the top left of ``coverage`` at (x, y), clipped at the borders."""
    height, width = image.shape[:2]
    left, top = max(x, 0), max(y, 0)
    right, bottom = min(x + coverage.shape[1], width), min(y + coverage.shape[0], height)
    if left >= right or top >= bottom:
        return
    alpha = coverage[top - y : bottom - y, left - x : right - x, None]
    region = image[top:bottom, left:right]
    region[...] = (region + alpha * (np.array(color, np.float32) - region) + 0.5).astype(np.uint8)


def draw_label(image, text, corner, size, color, background, opacity=0.88):
    """Draw a line of text on a filled plate, in place.

    Args:
        image (np.ndarray): uint8 (H, W, 3) BGR.
        text (str): one line.
        corner (tuple[int, int]): x, y of the plate's top left corner; parts outside the image are clipped.
        size (int): font size in pixels.
        color, background (tuple[int, int, int]): BGR of text and plate.
        opacity (float): of the plate.

    Returns:
        tuple[int, int, int, int]: the plate as left, top, right, bottom (exclusive).
    """
    width, height = text_size(text, size)
    pad = max(2, size // 4)
    x, y = int(corner[0]), int(corner[1])
    plate = np.full((height, width + 2 * pad), opacity, np.float32)
    _paint(image, x, y, plate, background)
    _paint(image, x + pad, y, _glyphs(text, size), color)
    return x, y, x + plate.shape[1], y + plate.shape[0]


def plate_size(text, size):
    """(width, height) in pixels of the plate that :func:`draw_label` draws."""
    width, height = text_size(text, size)
    return width + 2 * max(2, size // 4), height
