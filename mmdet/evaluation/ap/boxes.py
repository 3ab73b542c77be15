"""Spatio-temporal IoU of box tracks: plain numpy, as there are four numbers a frame."""

import math

import numpy as np

from mmdet.formats.mask_checks import check_content, mean_mask_area
from mmdet.formats.ytvis_tables import is_finite
from mmdet.structures.packed_masks import ABSENT, COUNTS, OTHER, TEXT, read_counts
from mmdet.structures.rle import counts_to_box

from .overlap import pair_indices


def _is_box(box):
    return (
        isinstance(box, (list, tuple, np.ndarray))
        and len(box) == 4
        and all(isinstance(v, bool) or is_finite(v) for v in box)
        and box[2] >= 0
        and box[3] >= 0
    )


def mask_boxes(masks, core=None):
    """Read all masks (fills areas and flags): boxes (n, 4) float64 x, y, w, h; zeros without pixels."""
    boxes = np.zeros((len(masks), 4))
    if core is not None:
        core.mask_boxes(masks, boxes)
        return boxes
    for m in np.flatnonzero((masks.kind == TEXT) | (masks.kind == COUNTS)).tolist():
        box = counts_to_box(read_counts(masks, m)[0], int(masks.size[m, 0]))
        if box is not None:
            boxes[m] = box
    return boxes


def _boxes_of(tracks, i, around, report):
    """Boxes (n, 4) float64 of track ``i``, nan where absent; around its masks if it has none."""
    given = tracks.boxes[i]
    if given is None:
        begin, end = tracks.span[i].tolist()
        boxes = around[begin:end].copy()
        kind = tracks.masks.kind[begin:end]
        boxes[(kind == ABSENT) | (kind == OTHER) | (boxes[:, 2] == 0)] = math.nan
        return boxes
    boxes = np.full((len(given), 4), math.nan)
    for t, box in enumerate(given):
        if box is None or (isinstance(box, (list, tuple)) and not box):
            continue
        if _is_box(box):
            boxes[t] = box
        else:
            report.add('bad_box', tracks.source, tracks.place(i, t))
    return boxes


def _mean_box_area(boxes):
    area = boxes[:, 2] * boxes[:, 3]
    area = area[area > 0]
    return float(area.mean()) if len(area) else 0.0


def box_track_iou(a, b):
    """Sum of common areas over sum of joint areas of two box tracks (n, 4), (m, 4), nan where absent.

    Returns:
        tuple: intersection, union (floats); frames beyond the shorter track do not count.
    """
    n = min(len(a), len(b))
    a, b = a[:n], b[:n]
    both = np.minimum(a[:, :2] + a[:, 2:], b[:, :2] + b[:, 2:]) - np.maximum(a[:, :2], b[:, :2])
    common = np.nan_to_num(np.clip(both, 0, None).prod(axis=1))
    areas = np.nan_to_num(a[:, 2] * a[:, 3]) + np.nan_to_num(b[:, 2] * b[:, 3])
    return common.sum(), (areas - common).sum()


def measure_boxes(truth, predictions, groups, dataset, report, core=None):
    """Fill ``groups.iou`` and the areas of tracks from boxes.

    The area of ground truth is the json's "areas" as for masks; that of a prediction is its boxes' area, or
    its masks' where it has no boxes (as COCO does it). Lengths are compared with those of the videos.

    Returns:
        ndarray: (m,) bool, entries of ``iou`` whose union is empty.
    """
    every = {}
    for tracks in (truth, predictions):
        needed = any(boxes is None for boxes in tracks.boxes)
        around = mask_boxes(tracks.masks, core) if needed else None
        every[tracks is truth] = boxes = [_boxes_of(tracks, i, around, report) for i in range(len(tracks))]
        for i, track in enumerate(boxes):
            length = dataset.videos.get(tracks.video[i], (None,) * 3)[2]
            if length is not None and len(track) != length:
                report.add(
                    'length', tracks.source, f'{tracks.place(i)} has {len(track)} boxes, its video {length}'
                )
        check_content(tracks, report)
        masks = mean_mask_area(tracks)
        own = np.array(
            [_mean_box_area(b) if tracks.boxes[i] is not None else masks[i] for i, b in enumerate(boxes)]
        )
        tracks.area = np.where(tracks.no_area, own, tracks.area) if len(tracks) else np.zeros(0)
    pair_dt, pair_gt = pair_indices(groups)
    sums = [
        box_track_iou(every[False][d], every[True][g]) for d, g in zip(pair_dt.tolist(), pair_gt.tolist())
    ]
    sums = np.array(sums, np.float64).reshape(-1, 2)
    groups.iou = np.divide(sums[:, 0], sums[:, 1], out=np.zeros(len(sums)), where=sums[:, 1] > 0)
    return ~(sums[:, 1] > 0)
