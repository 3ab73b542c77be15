"""Giving predictions the colors of the objects they stand for, to compare images side by side."""

from pycocotools import mask as coco_mask


def _area(rle):
    return float(coco_mask.area(rle))


def track_iou(first, second):
    """Overlap of two tracks in space and time: intersections over unions, each summed over the frames.

    Args:
        first, second (Sequence[dict | None]): an RLE a frame, or None.

    Returns:
        float: 0..1.
    """
    shared = union = 0.0
    for a, b in zip(first, second):
        if a and b:
            common = _area(coco_mask.merge([a, b], intersect=True))
            shared += common
            union += _area(a) + _area(b) - common
        elif a or b:
            union += _area(a or b)
    return shared / union if union else 0.0


def match_colors(predicted, expected, threshold=0.1):
    """Colors for predicted tracks: that of the object each covers best, new ones for the rest.

    Args:
        predicted (Sequence[Sequence[dict | None]]): masks of the predicted tracks, the surest first.
        expected (Sequence[Sequence[dict | None]]): masks of the objects; object ``k`` has color ``k``.
        threshold (float): overlap below which a track stands for no object.

    Returns:
        list[int]: an integer for :func:`~mmdet.visualization.track_color` for each predicted track. An object
        gives its color to one track only: a second one on it, such as after an identity switch, looks new.
    """
    pairs = [
        (track_iou(track, target), -number, -index)
        for number, track in enumerate(predicted)
        for index, target in enumerate(expected)
    ]
    colors, used = {}, set()
    for overlap, number, index in sorted(pairs, reverse=True):
        if overlap >= threshold and -number not in colors and -index not in used:
            colors[-number] = -index
            used.add(-index)
    fresh = iter(range(len(expected), len(expected) + len(predicted)))
    return [colors[number] if number in colors else next(fresh) for number in range(len(predicted))]
