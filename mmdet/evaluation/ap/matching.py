"""Which prediction gets which ground truth, and what precision and recall follow."""

from dataclasses import dataclass

import numpy as np

from mmdet.formats.ytvis_tables import is_zero_id


@dataclass
class Matches:
    """Result of matching; A area ranges, T thresholds, tracks in the order of ``Groups.dt`` / ``Groups.gt``.

    Attributes:
        dt_gt (ndarray): (A, T, n_dt) int32, matched ground truth as index into the group, -1 for none.
        gt_dt (ndarray): (A, T, n_gt) int32, the last prediction that took it (index into the group), or -1.
        dt_hit (ndarray): (A, T, n_dt) uint8, matched to a ground truth whose id is not 0.
        dt_ignore (ndarray): (A, T, n_dt) uint8, neither true nor false positive.
        gt_ignore (ndarray): (A, n_gt) uint8, not to be found.
    """

    dt_gt: np.ndarray
    gt_dt: np.ndarray
    dt_hit: np.ndarray
    dt_ignore: np.ndarray
    gt_ignore: np.ndarray


def match_groups(groups, truth, predictions, params, core=None):
    """Match all groups for every area range and IoU threshold.

    Args:
        groups (Groups): with IoU.
        truth, predictions (Tracks): with ``area``.
        params (Params): ``areaRng``, ``iouThrs``.
        core (module | None): compiled core.

    Returns:
        Matches: see there.
    """
    thresholds = np.minimum(np.asarray(params.iouThrs, np.float64).ravel(), 1 - 1e-10)
    ranges = np.array(params.areaRng, np.float64).reshape(-1, 2)
    n_area, n_thr, n_dt, n_gt = len(ranges), len(thresholds), len(groups.dt), len(groups.gt)
    gt_area, dt_area = truth.area[groups.gt], predictions.area[groups.dt]
    low, high = ranges[:, :1], ranges[:, 1:]
    gt_ignore = truth.ignore[groups.gt] | (gt_area < low) | (gt_area > high)
    dt_outside = (dt_area < low) | (dt_area > high)
    crowd = truth.crowd[groups.gt]
    zero = np.array([is_zero_id(truth.id[i]) for i in groups.gt.tolist()], bool)
    matches = Matches(
        np.full((n_area, n_thr, n_dt), -1, np.int32),
        np.full((n_area, n_thr, n_gt), -1, np.int32),
        np.zeros((n_area, n_thr, n_dt), np.uint8),
        np.zeros((n_area, n_thr, n_dt), np.uint8),
        gt_ignore.astype(np.uint8),
    )
    match = core.match if core is not None else _match
    match(
        groups,
        thresholds,
        crowd.astype(np.uint8),
        zero.astype(np.uint8),
        dt_outside.astype(np.uint8),
        matches,
    )
    return matches


def _match(groups, thresholds, crowd, zero, dt_outside, matches):
    """Plain-Python twin of ``_ytvis_core.match``."""
    for n in range(len(groups.keys)):
        g0, g1, d0, d1 = groups.gt_ptr[n], groups.gt_ptr[n + 1], groups.dt_ptr[n], groups.dt_ptr[n + 1]
        ious = groups.iou_of(n).tolist()
        for a in range(len(matches.gt_ignore)):
            ignore = matches.gt_ignore[a, g0:g1]
            order = np.argsort(ignore, kind='mergesort').tolist()
            for t, threshold in enumerate(thresholds.tolist()):
                taken = matches.gt_dt[a, t, g0:g1]
                for d in range(d1 - d0):
                    g = _best(ious[d], threshold, order, ignore, taken, crowd[g0:g1])
                    if g >= 0:
                        taken[g] = d
                        matches.dt_gt[a, t, d0 + d] = g
                        matches.dt_hit[a, t, d0 + d] = not zero[g0 + g]
                        matches.dt_ignore[a, t, d0 + d] = ignore[g]
            hit = matches.dt_hit[a, :, d0:d1]
            matches.dt_ignore[a, :, d0:d1] |= dt_outside[a, d0:d1] & (1 - hit)


def _best(row, threshold, order, ignore, taken, crowd):
    """Ground truth for one prediction: the best IoU, the last among equals, ignored ones last."""
    best, found = threshold, -1
    for g in order:
        if taken[g] >= 0 and not crowd[g]:
            continue
        if found >= 0 and not ignore[found] and ignore[g]:
            break
        if row[g] < best:
            continue
        best, found = row[g], g
    return found


def accumulate_matches(groups, matches, predictions, params, core=None):
    """Precision, recall and scores over pooled videos.

    Returns:
        tuple: precision (T, R, K, A, M), recall (T, K, A, M), scores (T, R, K, A, M), float64; -1 where
        there is no ground truth to be found.
    """
    recalls = np.asarray(params.recThrs, np.float64).ravel()
    n_cat = len(params.catIds) if params.useCats else 1
    shape = (len(matches.dt_hit[0]) if len(matches.dt_hit) else 0, len(recalls), n_cat)
    shape += (len(matches.gt_ignore), len(params.maxDets))
    precision, scores = -np.ones(shape), -np.ones(shape)
    recall = -np.ones((shape[0], *shape[2:]))
    score = predictions.score[groups.dt]
    rank = np.arange(len(groups.dt)) - np.repeat(groups.dt_ptr[:-1], np.diff(groups.dt_ptr))
    curves = core.curves if core is not None else _curves
    first = np.searchsorted(groups.cat, np.arange(n_cat + 1))
    for k in range(n_cat):
        begin, end = groups.dt_ptr[first[k]], groups.dt_ptr[first[k + 1]]
        ignore = matches.gt_ignore[:, groups.gt_ptr[first[k]] : groups.gt_ptr[first[k + 1]]]
        npig = np.count_nonzero(ignore == 0, axis=1)
        if not npig.any():
            continue
        order = begin + np.argsort(-score[begin:end], kind='mergesort')
        for m, limit in enumerate(params.maxDets):
            chosen = order[rank[order] < limit]
            for a in np.flatnonzero(npig).tolist():
                flags = (matches.dt_hit[a], matches.dt_ignore[a], chosen, float(npig[a]), recalls, score)
                curves(*flags, precision[:, :, k, a, m], recall[:, k, a, m], scores[:, :, k, a, m])
    return precision, recall, scores


def _curves(hit, skip, chosen, npig, recalls, score, precision, recall, scores):
    """Plain-Python twin of ``_ytvis_core.curves``: flags (T, n_dt) in, (T, R), (T,), (T, R) out in place."""
    hit, skip, score = hit[:, chosen], skip[:, chosen], score[chosen]
    true = np.cumsum((hit != 0) & (skip == 0), axis=1).astype(np.float64)
    false = np.cumsum((hit == 0) & (skip == 0), axis=1).astype(np.float64)
    n = true.shape[1]
    for t in range(len(true)):
        reached = true[t] / npig
        found = true[t] / (false[t] + true[t] + np.spacing(1))
        found = np.maximum.accumulate(found[::-1])[::-1]
        recall[t] = reached[-1] if n else 0
        at = np.searchsorted(reached, recalls, side='left')
        # The official loop ends at the first recall that is not reached.
        usable = np.logical_and.accumulate(at < n)
        precision[t] = 0
        scores[t] = 0
        precision[t][usable] = found[at[usable]]
        scores[t][usable] = score[at[usable]]
