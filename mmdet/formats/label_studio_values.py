"""Values of regions of Label Studio: brush strokes, and boxes that move through a video."""

from collections.abc import Sequence

import numpy as np

from mmdet.structures.rle import MAX_PIXELS

#: Numbers of a key frame.
BOX = ('x', 'y', 'width', 'height', 'rotation')


def brush_to_patch(codes: Sequence[int], height: int, width: int) -> np.ndarray:
    """Decode the run-length code of a brush.

    The bits are: 32 for the number of values, 5 for the bits of a value less one, four times 4 for lengths of
    numbers less one (thi.ng/rle-pack). Then come runs: 1 bit is 1 for a repeated value or 0 for single ones,
    2 choose the length of the number that follows, which is that of the run less one; then the values. They
    are red, green, blue and alpha of each pixel, row by row; where alpha is not 0 the brush was.

    Args:
        codes (Sequence[int]): bytes, 0 to 255.
        height, width (int): size of the image in pixels.

    Returns:
        np.ndarray: bool (height, width).

    Raises:
        ValueError: the code is damaged, or has another number of values.
    """
    if height < 1 or width < 1 or height * width > MAX_PIXELS:
        raise ValueError(f'expected an image of 1 to {MAX_PIXELS} pixels, got {width}x{height}')
    if not isinstance(codes, list) or not all(type(code) is int and 0 <= code < 256 for code in codes):
        raise ValueError('the rle of the brush is not a list of bytes')
    bits = np.unpackbits(np.array(codes, np.uint8))
    place = 0

    def number(length):
        nonlocal place
        if place + length > len(bits):
            raise ValueError('the rle of the brush ends too early')
        place += length
        return int.from_bytes(np.packbits(bits[place - length : place]).tobytes(), 'big') >> (-length % 8)

    count, size = number(32), number(5) + 1
    if count != height * width * 4:
        raise ValueError(f'the rle of the brush has {count} values, but {width}x{height} pixels need 4 each')
    lengths = [number(4) + 1 for _ in range(4)]
    alpha, at = np.zeros(height * width, bool), 0
    while at < count:
        repeated = number(1)
        end = min(at + number(lengths[number(2)]) + 1, count)
        if repeated:
            if number(size):
                alpha[at // 4 : (end + 3) // 4] |= _whose_alpha(at, end)
        elif place + size * (end - at) > len(bits):
            raise ValueError('the rle of the brush ends too early')
        else:
            values = bits[place : place + size * (end - at)].reshape(-1, size).any(1)
            place += size * (end - at)
            first = (3 - at) % 4  # the first of them that is an alpha
            chosen = values[first::4]
            start = (at + first) // 4
            alpha[start : start + len(chosen)] |= chosen
        at = end
    return alpha.reshape(height, width)


def _whose_alpha(at, end):
    """For the pixels that the values from ``at`` to ``end`` touch: whether their alpha is among these."""
    pixels = np.arange(at // 4, (end + 3) // 4) * 4 + 3
    return (pixels >= at) & (pixels < end)


def boxes_of_sequence(sequence: list[dict], length: int) -> dict[int, list[float]]:
    """Boxes of a ``videorectangle`` in every frame, as Label Studio shows them.

    Between two key frames a box moves evenly; it stays after the last one, and is hidden after one that is
    not ``enabled``.

    Args:
        sequence (list[dict]): key frames: ``frame`` (1 for the first of the video), ``enabled``, and x, y,
            width, height in percent, and rotation in degrees.
        length (int): number of frames of the video.

    Returns:
        dict[int, list[float]]: index of a frame (from 0) -> [x, y, width, height, rotation].
    """
    keys = sorted(sequence, key=lambda key: key['frame'])
    boxes = {}
    for key, after in zip(keys, [*keys[1:], None]):
        start = [key.get(name, 0) for name in BOX]
        boxes[key['frame'] - 1] = start
        if key.get('enabled', True):
            last = length if after is None else after['frame'] - 1
            for frame in range(key['frame'] + 1, last + 1):
                part = 0 if after is None else (frame - key['frame']) / (after['frame'] - key['frame'])
                end = start if after is None else [after.get(name, 0) for name in BOX]
                boxes[frame - 1] = [a + (b - a) * part for a, b in zip(start, end)]
    return boxes
