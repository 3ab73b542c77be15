"""Masks as polygons that people can edit: exact outlines along the edges of the pixels."""

import numpy as np

from mmdet.utils import LazyModule

cv2 = LazyModule('cv2', 'opencv-python', 'writing masks as polygons')


def mask_outlines(mask: np.ndarray, tolerance: float = 0.0) -> list[list[float]]:
    """The outlines of a mask as polygons, one for each part.

    Holes are joined to the outline of their part by lines without width: there and back along the same
    pixels, which neither the rasterizer of pycocotools nor label tools fill. With tolerance 0 ``rasterize``
    gives back the same pixels.

    Args:
        mask (np.ndarray): bool or uint8 (H, W).
        tolerance (float): pixels by which an outline may lie off, for fewer points.

    Returns:
        list[list[float]]: [x0, y0, x1, y1, ...] in pixels; pixel (x, y) covers x to x + 1 and y to y + 1.
    """
    return [outline.astype(float).ravel().tolist() for outline in _outlines(mask, tolerance)]


def mask_outline(mask: np.ndarray, tolerance: float = 0.0) -> list[float]:
    """The outline of a mask with at least one pixel as a single polygon.

    As :func:`mask_outlines`; parts are joined by lines without width, too.
    """
    outline, *others = _outlines(mask, tolerance)
    for other in others:
        outline = _joined(outline, other)
    return outline.astype(float).ravel().tolist()


def _outlines(mask, tolerance):
    # Pixels that touch at a corner only are separate parts, so that no outline crosses itself.
    count, labels, boxes, _ = cv2.connectedComponentsWithStats(np.uint8(mask > 0), connectivity=4)
    found = []
    for number in range(1, count):
        x, y, w, h = boxes[number, :4]
        rings = _trace(labels[y : y + h, x : x + w] == number)
        rings.sort(key=_signed_area, reverse=True)  # the one around the part first, its holes turn left
        outline, *holes = [_simple(ring + (x, y), tolerance) for ring in rings]
        for hole in holes:
            outline = _joined(outline, hole)
        found.append(outline)
    return found


def _simple(ring, tolerance):
    if tolerance > 0:
        less = cv2.approxPolyDP(ring.astype(np.int32), tolerance, True)[:, 0]
        return less if len(less) >= 3 else ring
    return ring


def _trace(part):
    """Outlines of one connected part, with corners only, and the part always on the right of the way."""
    padded = np.pad(part.astype(np.int8), 1)
    # Where a row of pixels begins or ends downward, and a column across: edges of the part with a direction.
    down, across = np.diff(padded, axis=1)[1:-1], np.diff(padded, axis=0)[:, 1:-1]
    ways = {}
    for step, lines, sign in (
        ((1, 0), across, 1),
        ((-1, 0), across, -1),
        ((0, -1), down, 1),
        ((0, 1), down, -1),
    ):
        for y, x in np.argwhere(lines == sign).tolist():
            start = (x + (step[0] < 0), y + (step[1] < 0))
            ways.setdefault(start, []).append(step)
    rings = []
    while ways:
        start = next(iter(ways))
        rings.append(_follow(ways, start))
    return rings


def _follow(ways, start):
    ring, place, step = [], start, None
    while True:
        steps = ways[place]
        if step is None or len(steps) == 1:
            turn = steps[0]
        else:  # two pixels touch at this corner: stay with the one that we go around
            turn = next(s for s in steps if s == (-step[1], step[0]))
        steps.remove(turn)
        if not steps:
            del ways[place]
        if turn != step:
            ring.append(place)
        place, step = (place[0] + turn[0], place[1] + turn[1]), turn
        if place == start:
            return np.array(ring)


def _signed_area(ring):
    x, y = ring[:, 0].astype(np.int64), ring[:, 1].astype(np.int64)
    return int(np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y))


def _joined(outline, ring):
    """One polygon of two, joined at the corners that are close to each other."""
    # All pairs cost too much memory for long outlines: from one corner of the ring to the nearest, and back.
    near = int(np.argmin(np.abs(outline - ring[0]).sum(1)))
    start = int(np.argmin(np.abs(ring - outline[near]).sum(1)))
    turned = np.roll(ring, -start, axis=0)
    return np.concatenate([outline[: near + 1], turned, turned[:1], outline[near:]])
