"""COCO run-length encoding (RLE): encoding, decoding and measuring. Needs numpy and pycocotools only.

An RLE lists the lengths of alternating runs of 0 and 1, beginning with 0, of a mask read column by column.
Its compressed form packs them into a string: 5 bits a character, and from the fourth run on the difference
to the run before last. pycocotools trusts such strings and reads or writes out of bounds on damaged ones, so
everything that comes from a file goes through :func:`rle_counts` first.
"""

from collections.abc import Sequence
from numbers import Integral

import numpy as np
from pycocotools import mask as coco_mask

from .polygons import polygon_fault, rasterize

#: Largest mask in pixels, so that a short run-length code cannot fill the memory: pycocotools reserves six
#: bytes a pixel for what it packs.
MAX_PIXELS = 2**28


def encode_mask(mask):
    """Encode a binary mask.

    Args:
        mask (np.ndarray): (H, W), non-zero is foreground.

    Returns:
        dict: COCO RLE ``{'size': [H, W], 'counts': str}``.

    Raises:
        ValueError: if ``mask`` is not two-dimensional.
    """
    mask = np.asarray(mask)
    if mask.ndim != 2:
        raise ValueError(f'encode_mask: expected a mask of shape (H, W), got {mask.shape}')
    if mask.dtype != np.uint8 or (mask.size and mask.max() > 1):
        mask = (mask != 0).astype(np.uint8)
    rle = coco_mask.encode(np.asfortranarray(mask))
    return {'size': [int(side) for side in mask.shape], 'counts': rle['counts'].decode('ascii')}


def pack_counts(counts, height, width):
    """Compress run lengths.

    Args:
        counts (Sequence[int]): alternating runs of 0 and 1, column-major, that add up to ``height * width``.
        height, width (int): size of the mask.

    Returns:
        dict: COCO RLE with ``counts`` as str.
    """
    size = [int(height), int(width)]
    packed = coco_mask.frPyObjects({'size': size, 'counts': counts}, *size)
    return {'size': size, 'counts': packed['counts'].decode('ascii')}


def decode_counts(text: bytes | np.ndarray) -> tuple[np.ndarray, str | None]:
    """Run lengths of a compressed string, which may be damaged: what can be read is read.

    Args:
        text (bytes | np.ndarray): compressed COCO counts; an array has dtype uint8.

    Returns:
        tuple: run lengths (m,) int64, which may be negative or too long if the string is damaged; and what is
        wrong with the string, or None. Reading ends at a number that is cut off or has more than 35 bits.
    """
    text = np.frombuffer(text, np.uint8)
    code = (text.astype(np.int64) - 48) & 0xFF
    last = np.flatnonzero((code & 0x20) == 0)
    begin = np.concatenate([[0], last[:-1] + 1]) if len(last) else np.zeros(0, np.int64)
    length = last - begin + 1
    long = np.flatnonzero((length > 7) | ((length == 7) & ((code[last] & 0x10) != 0)))
    fault = None
    if len(code) and code.max() > 63:
        at = int(np.argmax(code > 63))
        fault = f'hold the invalid character {chr(text[at])!r} at position {at}'
    elif len(code) and (not len(last) or last[-1] != len(code) - 1):
        fault = 'end inside a number'
    elif len(long):
        fault = 'hold a number of more than 35 bits'
    if len(long):
        last, begin, length = last[: long[0]], begin[: long[0]], length[: long[0]]
    if not len(last):
        return np.zeros(0, np.int64), fault
    code = code[: last[-1] + 1]
    position = np.arange(len(code)) - np.repeat(begin, length)
    counts = np.add.reduceat((code & 0x1F) << (5 * position), begin)
    counts -= np.where(code[last] & 0x10, np.int64(1) << (5 * length), 0)
    # From the fourth run on a value is the difference to the run two places before it.
    counts[1::2] = np.cumsum(counts[1::2])
    counts[2::2] = np.cumsum(counts[2::2])
    return counts, fault


def rle_counts(rle):
    """Checked run lengths of an RLE, compressed or not.

    Args:
        rle (dict): ``size`` [H, W] and ``counts`` (str, bytes or list of int).

    Returns:
        np.ndarray: int64 run lengths, non-negative, that add up to H * W.

    Raises:
        ValueError: naming what is wrong.
    """
    if not isinstance(rle, dict) or 'size' not in rle or 'counts' not in rle:
        raise ValueError(f'expected an RLE with keys size and counts, got {_short(rle)}')
    height, width = _checked_size(rle['size'])
    counts = rle['counts']
    if isinstance(counts, str | bytes):
        if isinstance(counts, str):
            counts = counts.partition('\0')[0]  # where C stops reading
            if not counts.isascii():
                raise ValueError('RLE counts hold characters outside ASCII')
            counts = counts.encode('ascii')
        counts, fault = decode_counts(counts)
        if fault:
            raise ValueError(f'RLE counts {fault}')
    elif not isinstance(counts, list | tuple | np.ndarray):
        raise ValueError(f'RLE counts must be a string or a list of integers, got {type(counts).__name__}')
    counts = _checked_runs(counts, height * width)
    if int(counts.sum()) != height * width:
        raise ValueError(
            f'RLE counts add up to {int(counts.sum())} pixels, but {height} x {width} are {height * width}'
        )
    return counts


def _checked_runs(counts, pixels):
    """Runs as int64, none of which is negative or longer than the mask, so that their sum cannot overflow."""
    if isinstance(counts, np.ndarray):  # no loop: datasets keep their run lengths as arrays
        integers, bounds = counts.ndim == 1 and counts.dtype.kind in 'iu', (np.min, np.max)
    else:
        integers, bounds = (
            all(isinstance(c, Integral) and not isinstance(c, bool) for c in counts),
            (min, max),
        )
    if not integers:
        raise ValueError(f'RLE counts must be integers, got {_short(counts)}')
    shortest, longest = (bound(counts) for bound in bounds) if len(counts) else (0, 0)
    if shortest < 0:
        raise ValueError(f'RLE counts hold the negative run {shortest}')
    if longest > pixels:
        raise ValueError(f'RLE counts hold a run of more than the {pixels} pixels of the mask')
    return np.array(counts, dtype=np.int64)


def decode_rle(rle):
    """Decode an RLE, compressed or not.

    Args:
        rle (dict): COCO RLE.

    Returns:
        np.ndarray: uint8 (H, W) of 0 and 1, column-major in memory.

    Raises:
        ValueError: if the RLE is damaged.
    """
    return _expand(rle_counts(rle), *rle['size'])


def decode_rle_box(rle: dict) -> tuple[np.ndarray, int, int]:
    """Decode the tightest box around the foreground of an RLE, which is faster than all of a large image.

    Args:
        rle (dict): COCO RLE.

    Returns:
        tuple: uint8 (h, w) of 0 and 1; x and y of its first pixel. (0, 0) pixels of an empty mask.

    Raises:
        ValueError: if the RLE is damaged.
    """
    counts, height = rle_counts(rle), int(rle['size'][0])
    x, y, w, h = counts_to_box(counts, height) or (0, 0, 0, 0)
    inside = np.clip(np.cumsum(counts), x * height, (x + w) * height)
    columns = _expand(np.diff(inside, prepend=x * height), height, w)
    return np.ascontiguousarray(columns[y : y + h]), x, y


def decode_segm(segm, height, width):
    """Decode any COCO segmentation.

    Args:
        segm (dict | list): compressed RLE, uncompressed RLE, or a list of polygons [x0, y0, x1, y1, ...].
        height, width (int): size of the image it belongs to.

    Returns:
        np.ndarray: uint8 (height, width) of 0 and 1, column-major in memory.

    Raises:
        ValueError: as :func:`segm_to_rle`.
    """
    if not isinstance(segm, dict):
        return decode_rle(segm_to_rle(segm, height, width))
    return _expand(_counts_of_size(segm, height, width), height, width)


def _expand(counts, height, width):
    values = np.zeros(len(counts), np.uint8)
    values[1::2] = 1
    return np.repeat(values, counts).reshape(int(width), int(height)).T


def _counts_of_size(rle, height, width):
    """Checked run lengths of an RLE that must have the size of its image; looked at before the counts."""
    if 'size' in rle and _checked_size(rle['size']) != (height, width):
        raise ValueError(f'RLE has size {list(rle["size"])}, but the image has [{height}, {width}]')
    return rle_counts(rle)


def rle_area(rle):
    """Number of foreground pixels of an RLE (int). Raises ValueError if it is damaged."""
    return int(rle_counts(rle)[1::2].sum())


def rle_overlaps(rles1: Sequence[dict], rles2: Sequence[dict]) -> np.ndarray:
    """Overlaps (intersection over union) of two sets of masks.

    Args:
        rles1 (Sequence[dict]): n compressed RLEs, known to be whole (see the module).
        rles2 (Sequence[dict]): m compressed RLEs.

    Returns:
        np.ndarray: (n, m) float64; 0 for two empty masks.

    Raises:
        ValueError: if the masks do not all have one size.
    """
    sizes = sorted({tuple(rle['size']) for rle in (*rles1, *rles2)})
    if len(sizes) > 1:
        raise ValueError(f'rle_overlaps: masks of one size expected, got {sizes[0]} and {sizes[1]}')
    if not len(rles1) or not len(rles2):
        return np.zeros((len(rles1), len(rles2)))
    return np.asarray(coco_mask.iou(list(rles1), list(rles2), [0] * len(rles2)), np.float64)


def rle_to_bbox(rle: dict) -> list[int]:
    """Tightest box around the foreground.

    Args:
        rle (dict): COCO RLE.

    Returns:
        list[int]: [x, y, w, h] in pixels; zeros for an empty mask.

    Raises:
        ValueError: if the RLE is damaged.
    """
    return counts_to_box(rle_counts(rle), int(rle['size'][0])) or [0, 0, 0, 0]


def measure_segm(segm: dict | list, height: int, width: int) -> tuple[list[int] | None, int]:
    """Tightest box and area of any COCO segmentation.

    Args:
        segm (dict | list): as for :func:`segm_to_rle`.
        height, width (int): size of the image it belongs to.

    Returns:
        tuple: [x, y, w, h] in pixels, None for an empty mask; number of pixels.

    Raises:
        ValueError: as :func:`segm_to_rle`.
    """
    counts = rle_counts(segm_to_rle(segm, height, width))
    return counts_to_box(counts, height), int(counts[1::2].sum())


def counts_to_box(counts: np.ndarray, height: int) -> list[int] | None:
    """Tightest box around the foreground of run lengths.

    Args:
        counts (np.ndarray): (m,) int64, non-negative.
        height (int): rows of the mask.

    Returns:
        list[int] | None: [x, y, w, h] in pixels; None for an empty mask.
    """
    bounds = np.cumsum(counts)
    starts, ends = bounds[:-1:2], bounds[1::2]
    starts, ends = starts[ends > starts], ends[ends > starts] - 1
    if not len(starts) or not height:
        return None
    x1, x2 = int(starts[0] // height), int(ends[-1] // height)
    if (starts // height != ends // height).any():
        y1, y2 = 0, height - 1  # a run that passes a column's end touches the bottom and the top row
    else:
        y1, y2 = int((starts % height).min()), int((ends % height).max())
    return [x1, y1, x2 - x1 + 1, y2 - y1 + 1]


def mask_extent(mask):
    """Bounding box of a mask in inclusive pixels.

    Args:
        mask (np.ndarray): (H, W), non-zero is foreground.

    Returns:
        tuple[int, int, int, int] | None: first column, first row, last column, last row; None for an empty
        mask.
    """
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        return None
    return int(columns[0]), int(rows[0]), int(columns[-1]), int(rows[-1])


def segm_to_rle(segm, height, width):
    """Bring any COCO segmentation to compressed RLE.

    Args:
        segm (dict | list): compressed RLE, uncompressed RLE, or a list of polygons [x0, y0, x1, y1, ...].
        height, width (int): size of the image it belongs to.

    Returns:
        dict: COCO RLE with ``counts`` as str.

    Raises:
        ValueError: if it is none of these, is damaged, or belongs to an image of another size.
    """
    height, width = int(height), int(width)
    if isinstance(segm, dict):
        counts = _counts_of_size(segm, height, width)
        if isinstance(segm['counts'], str | bytes):
            packed = segm['counts']
            return {
                'size': [height, width],
                'counts': packed if isinstance(packed, str) else packed.decode('ascii'),
            }
        return pack_counts(counts.tolist(), height, width)
    if isinstance(segm, list | tuple):
        if not segm:
            raise ValueError('there are no polygons: a mask is needed, a box is not enough')
        for number, polygon in enumerate(segm):
            if fault := polygon_fault(polygon):
                raise ValueError(f'polygon {number} {fault}, got {_short(polygon)}')
        return {'size': [height, width], 'counts': rasterize(segm, height, width)}
    raise ValueError(f'expected an RLE or a list of polygons, got {_short(segm)}')


def _checked_size(size):
    if not isinstance(size, list | tuple | np.ndarray) or len(size) != 2:
        raise ValueError(f'RLE size must be [height, width], got {_short(size)}')
    if not all(isinstance(side, Integral) and not isinstance(side, bool) and side > 0 for side in size):
        raise ValueError(f'RLE size must be two positive integers, got {_short(size)}')
    if int(size[0]) * int(size[1]) > MAX_PIXELS:
        raise ValueError(f'RLE size {_short(size)} is more than the {MAX_PIXELS} pixels that a mask may have')
    return int(size[0]), int(size[1])


def _short(value):
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + '...'
