"""What makes predictions comparable by eye: the colors of the ground truth, and no stacked duplicates."""

from pycocotools import mask as coco_mask


def _area(rle):
    return float(coco_mask.area(rle))


def track_iou(first, second):
    """Spatio-temporal IoU of two tracks: intersections over unions, both summed over the frames.

    Args:
        first, second (Sequence[dict | None]): an RLE for each frame, or None.

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


def hide_duplicates(masks, scores, threshold=0.5):
    """Tracks that no better track lies on, whatever their class: non-maximum suppression for images.

    Args:
        masks (Sequence[Sequence[dict | None]]): masks of the tracks of a video, an RLE or None a frame.
        scores (Sequence[float]): of the tracks.
        threshold (float): IoU of two tracks from which on the one with the lower score is hidden.

    Returns:
        list[int]: indices of the tracks to show, ascending.
    """
    kept = []
    for index in sorted(range(len(masks)), key=lambda index: -scores[index]):
        if all(track_iou(masks[index], masks[better]) < threshold for better in kept):
            kept.append(index)
    return sorted(kept)


def match_colors(predicted, expected, threshold=0.1):
    """Colors of predicted tracks: the color of the object that each covers best, new colors for the rest.

    Args:
        predicted (Sequence[Sequence[dict | None]]): masks of the predicted tracks, highest score first.
        expected (Sequence[Sequence[dict | None]]): masks of the ground truth; object ``k`` has color ``k``.
        threshold (float): minimum IoU of a track and its object.

    Returns:
        list[int]: for each predicted track the argument of :func:`~mmdet.visualization.track_color`. An
        object gives its color to one track only: the second track after an identity switch has a new color.
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
