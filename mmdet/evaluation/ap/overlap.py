"""Spatio-temporal IoU: which tracks are compared, and how much they share over all frames."""

from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from mmdet.structures.packed_masks import ABSENT, ZERO_RUNS, intersect_canonical, intersect_walk, read_counts


@dataclass
class Groups:
    """The tracks that may match: those of one video and category; sorted by category, then by video.

    Attributes:
        keys (list[tuple]): (n,) pairs (video id, category id; -1 when categories are not used).
        cat (ndarray): (n,) int64, index of the category.
        gt, dt (ndarray): tracks of all groups one after the other; predictions by falling score, the best
            ``max_det`` of a group.
        gt_ptr, dt_ptr, iou_ptr (ndarray): (n + 1,) int64, where each group begins.
        iou (ndarray): float64, IoU of all groups, each (n_dt, n_gt) row-major.
    """

    keys: list
    cat: np.ndarray
    gt: np.ndarray
    dt: np.ndarray
    gt_ptr: np.ndarray
    dt_ptr: np.ndarray
    iou_ptr: np.ndarray
    iou: np.ndarray = None

    def iou_of(self, n):
        """IoU (n_dt, n_gt) of group ``n``."""
        shape = (self.dt_ptr[n + 1] - self.dt_ptr[n], self.gt_ptr[n + 1] - self.gt_ptr[n])
        return self.iou[self.iou_ptr[n] : self.iou_ptr[n + 1]].reshape(shape)


def group_tracks(truth, predictions, params):
    """Sort tracks into :class:`Groups` (without IoU).

    Annotations that share an id are all replaced by the last of them, as in the official code.

    Args:
        truth, predictions (Tracks): checked tables.
        params (Params): ``vidIds``, ``catIds``, ``useCats``, ``maxDets``.
    """
    order = {v: i for i, v in enumerate(params.vidIds)}
    cats = {c: i for i, c in enumerate(params.catIds)}
    last = {id_: i for i, id_ in enumerate(truth.id)}
    gts, dts = defaultdict(list), defaultdict(list)
    by_video = sorted((order[v], i) for i, v in enumerate(truth.video) if v in order)
    for _, i in by_video:
        if not params.useCats or truth.category[i] in cats:
            i = last[truth.id[i]]
            if truth.video[i] in order and (truth.category[i] in cats):
                gts[_key(truth, i, order, cats)].append(i)
    for i, video in enumerate(predictions.video):
        if video in order and predictions.category[i] in cats:
            dts[_key(predictions, i, order, cats)].append(i)
    if not params.useCats:
        gts, dts = _drop_categories(gts), _drop_categories(dts)
    keys = sorted(set(gts) | set(dts))
    limit = max(params.maxDets)
    flat_gt, flat_dt, gt_ptr, dt_ptr, iou_ptr = [], [], [0], [0], [0]
    for key in keys:
        inds = np.array(dts.get(key, []), np.int64)
        ranked = inds[np.argsort(-predictions.score[inds], kind='mergesort')][:limit]
        flat_dt.append(ranked)
        flat_gt.append(np.array(gts.get(key, []), np.int64))
        gt_ptr.append(gt_ptr[-1] + len(flat_gt[-1]))
        dt_ptr.append(dt_ptr[-1] + len(ranked))
        iou_ptr.append(iou_ptr[-1] + len(ranked) * len(flat_gt[-1]))
    names = [(params.vidIds[v], params.catIds[c] if params.useCats else -1) for c, v in keys]
    none = [np.zeros(0, np.int64)]
    return Groups(
        names,
        np.array([c for c, _ in keys], np.int64),
        np.concatenate(none + flat_gt),
        np.concatenate(none + flat_dt),
        *(np.array(ptr, np.int64) for ptr in (gt_ptr, dt_ptr, iou_ptr)),
    )


def _key(tracks, i, order, cats):
    return cats[tracks.category[i]], order[tracks.video[i]]


def _drop_categories(groups):
    """Groups of whole videos, tracks by category and then in order, as the official code lists them."""
    merged = defaultdict(list)
    for cat, video in sorted(groups):
        merged[0, video] += groups[cat, video]
    return merged


def pair_indices(groups):
    """For every entry of ``Groups.iou``: prediction (m,) and ground truth (m,)."""
    n_gt, n_dt = np.diff(groups.gt_ptr), np.diff(groups.dt_ptr)
    size = n_gt * n_dt
    group = np.repeat(np.arange(len(size)), size)
    k = np.arange(len(group)) - np.repeat(groups.iou_ptr[:-1], size)
    width = np.maximum(n_gt[group], 1)
    return groups.dt[groups.dt_ptr[:-1][group] + k // width], groups.gt[groups.gt_ptr[:-1][group] + k % width]


def measure_masks(truth, predictions, groups, params, core=None):
    """Read every mask of the chosen videos once, frame by frame, and fill ``groups.iou``.

    Also fills area and flag of the masks. At any time the runs of one frame of one video are in memory.

    Returns:
        ndarray: (m,) bool, entries of ``iou`` whose union is empty.
    """
    pair_dt, pair_gt = pair_indices(groups)
    inter, union = np.zeros(len(pair_dt)), np.zeros(len(pair_dt))
    plan = _plan_videos(truth, predictions, pair_dt, params)
    if core is not None:
        core.measure(
            truth.masks,
            truth.span,
            predictions.masks,
            predictions.span,
            *plan,
            pair_dt,
            pair_gt,
            inter,
            union,
        )
    else:
        _measure(truth, predictions, plan, pair_dt, pair_gt, inter, union)
    groups.iou = np.divide(inter, union, out=np.zeros(len(inter)), where=union > 0)
    return ~(union > 0)


def _plan_videos(truth, predictions, pair_dt, params):
    """Tracks and pairs by video: three times (indices in order of their video, (n_videos + 1,) pointers)."""
    order = {v: i for i, v in enumerate(params.vidIds)}
    plan = []
    for tracks in (truth, predictions):
        video = np.array([order.get(v, -1) for v in tracks.video], np.int64)
        plan.append(video)
    pair_video = plan[1][pair_dt]
    return [item for video in (*plan, pair_video) for item in _by_video(video, len(order))]


def _by_video(video, n):
    inds = np.argsort(video, kind='stable')
    ptr = np.searchsorted(video[inds], np.arange(n + 1))
    return inds, ptr


def _measure(truth, predictions, plan, pair_dt, pair_gt, inter, union):
    """Plain-Python twin of ``_ytvis_core.measure``."""
    gts, gt_ptr, dts, dt_ptr, pairs, pair_ptr = plan
    for v in range(len(gt_ptr) - 1):
        members = [(truth, i) for i in gts[gt_ptr[v] : gt_ptr[v + 1]].tolist()]
        members += [(predictions, i) for i in dts[dt_ptr[v] : dt_ptr[v + 1]].tolist()]
        todo = pairs[pair_ptr[v] : pair_ptr[v + 1]].tolist()
        frames = max((int(t.span[i, 1] - t.span[i, 0]) for t, i in members), default=0)
        for frame in range(frames):
            runs = {}
            for tracks, i in members:
                begin, end = tracks.span[i]
                m = int(begin) + frame
                if m < end and tracks.masks.kind[m] != ABSENT:
                    runs[tracks is truth, i] = (*read_counts(tracks.masks, m), m)
            for p in todo:
                d, g = int(pair_dt[p]), int(pair_gt[p])
                if frame < min(np.ptp(predictions.span[d]), np.ptp(truth.span[g])):
                    left, right = runs.get((False, d)), runs.get((True, g))
                    i, u = frame_overlap(predictions.masks, left, truth.masks, right)
                    inter[p] += i
                    union[p] += u


def frame_overlap(masks_a, a, masks_b, b):
    """Intersection and union of one frame; ``a`` and ``b`` are ``(counts, canonical, index)`` or None."""
    if a is None or b is None:
        area = 0
        if a is not None:
            area = int(masks_a.area[a[2]])
        elif b is not None:
            area = int(masks_b.area[b[2]])
        return 0, area
    if (masks_a.size[a[2]] != masks_b.size[b[2]]).any():
        return 0, 0
    if a[1] and b[1]:
        common = intersect_canonical(a[0], b[0])
        return common, int(masks_a.area[a[2]]) + int(masks_b.area[b[2]]) - common
    common, joint, early = intersect_walk(a[0], b[0])
    if early:
        masks_a.flag[a[2]] |= ZERO_RUNS
        masks_b.flag[b[2]] |= ZERO_RUNS
    return common, joint
