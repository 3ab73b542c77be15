"""Masks in any form that the official evaluator reads: polygons, boxes, lists of RLE."""

import numpy as np

from .packed_masks import WRAP
from .polygons import TOO_FEW, polygon_fault, rasterize
from .rle import MAX_PIXELS, decode_counts


def resolve_mask(mask, height, width):
    """Counts of one mask of kind OTHER.

    Args:
        mask (object): what stood in ``segmentations``.
        height (int | None), width (int | None): of the video, for polygons.

    Returns:
        tuple: ``(counts, height, width)`` or None for an absent object, and a set of defect kinds.
    """
    if isinstance(mask, dict):
        return _resolve_dict(mask)
    if isinstance(mask, (list, tuple)) and any(part is None for part in mask):
        mask = [part for part in mask if part is not None]
    if isinstance(mask, (list, tuple)) and not any(part or part == 0 for part in mask):
        return None, {'polygon_remains'}  # nothing but empty parts
    if not isinstance(mask, (list, tuple)) or not height or not width or height * width > MAX_PIXELS:
        return None, {'unreadable_mask'}
    if all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in mask):
        # A single polygon without the list around it.
        result, kinds = _resolve_polygons([mask], height, width)
        return result, kinds | {'unreadable_mask'}
    if all(isinstance(part, dict) for part in mask):
        return _merge_dicts(mask)
    if all(isinstance(part, (list, tuple)) for part in mask):
        return _resolve_polygons(mask, height, width)
    return None, {'unreadable_mask'}


def _resolve_dict(mask):
    """Sizes and counts that become integers although they are none, as the official code takes them."""
    size, counts = mask.get('size'), mask.get('counts')
    try:
        height, width = (int(v) for v in size)
        if height < 0 or width < 0 or max(height, width) >= 2**31:
            raise ValueError(mask)
        if isinstance(counts, (str, bytes)):
            found, fault = decode_counts(counts.encode('ascii') if isinstance(counts, str) else counts)
            return ((found & WRAP).astype(np.uint32), height, width), {'bad_counts' if fault else 'odd_mask'}
        if counts is None:
            return None, {'empty_counts'}
        if not isinstance(counts, list):
            raise ValueError(mask)
        values = np.array(counts, np.float64)
        if values.ndim != 1 or not (np.isfinite(values) & (values >= 0) & (values < 2**32)).all():
            raise ValueError(mask)
    except (TypeError, ValueError, OverflowError):
        return None, {'unreadable_mask'}
    return (values.astype(np.uint32), height, width), {'odd_mask'}


def _merge_dicts(parts):
    """Union of uncompressed RLE of one size: the official code accepts a list of them."""
    from pycocotools import mask as coco

    first = None
    for part in parts:
        result = _resolve_dict(part)[0] if isinstance(part.get('counts'), list) else None
        if result is None or (first is not None and result[1:] != first[1:]):
            return None, {'unreadable_mask'}
        pixels = result[1] * result[2]
        if int(result[0].sum(dtype=np.int64)) != pixels or not 0 < len(result[0]) <= pixels + 1:
            return None, {'rle_sum'}
        if pixels > MAX_PIXELS:
            return None, {'unreadable_mask'}
        first = first or result
    _, height, width = first
    rles = [coco.frPyObjects({'size': [height, width], 'counts': p['counts']}, height, width) for p in parts]
    return (decode_counts(coco.merge(rles)['counts'])[0], height, width), set()


def _resolve_polygons(polygons, height, width):
    """Rasterize what can be used, as the official code does where it can."""
    kinds, usable = set(), []
    official = bool(polygons) and len(polygons[0]) > 4
    for polygon in polygons:
        fault = polygon_fault(polygon)
        if fault is None:
            usable.append(polygon)
        elif fault == TOO_FEW and len(polygon) == 4 and not official:
            kinds.add('box_polygon')
            x, y, w, h = polygon
            usable.append([x, y, x, y + h, x + w, y + h, x + w, y])
        else:
            kinds.add('polygon_remains' if fault == TOO_FEW and len(polygon) in (0, 2, 4) else 'bad_polygon')
            if fault == TOO_FEW and len(polygon) >= (2 if official else 6):
                usable.append(polygon)
    # pycocotools looks at the length of the first polygon only to tell polygons from boxes.
    usable.sort(key=lambda polygon: len(polygon) < 5)
    if not usable or len(usable[0]) < 5:
        return None, kinds or {'bad_polygon'}
    return (decode_counts(rasterize(usable, height, width).encode())[0], height, width), kinds
