"""What results would be worth if one thing about them were right: ground truth swapped in by factors."""

from dataclasses import dataclass

import numpy as np

from mmdet.structures.packed_masks import ABSENT, read_counts

from ..ap.overlap import frame_overlap

#: IoU from which on a prediction counts as having found an object, and as having anything to do with it.
FOUND, TOUCHED = 0.5, 0.1


@dataclass
class Video:
    """One video, as numbers of pixels that its masks share; D predictions, G ground truths, T frames.

    Attributes:
        common (ndarray): (D + G, G, T) float64, pixels that a mask (of a prediction, then of a ground truth)
            shares with that of a ground truth.
        area (ndarray): (D + G, T) float64, pixels; 0 where absent.
        gt_category (ndarray), crowd (ndarray): (G,) index of the category; ignored in scoring.
        gts, dts (ndarray): indices of the tracks in the tables.
    """

    common: np.ndarray
    area: np.ndarray
    gt_category: np.ndarray
    crowd: np.ndarray
    gts: np.ndarray
    dts: np.ndarray


@dataclass
class Results:
    """Predictions of one video, real or improved.

    Attributes:
        source (ndarray): (N, T) int64, the mask of a track in a frame: a row of ``Video.area``, or -1.
        category (ndarray): (N,) int64, index of the category.
        score (ndarray): (N,) float64.
    """

    source: np.ndarray
    category: np.ndarray
    score: np.ndarray

    def take(self, kept):
        """The predictions ``kept`` (mask or indices)."""
        return Results(self.source[kept], self.category[kept], self.score[kept])


def load_video(evaluation, gts, dts, core=None):
    """Measure one video.

    Args:
        evaluation (Evaluation): of masks.
        gts, dts (ndarray): int64, tracks of the video.
        core (module | None): compiled core.
    """
    truth, predictions = evaluation.truth, evaluation.predictions
    spans = np.concatenate([predictions.span[dts], truth.span[gts]])
    n_frames = int(np.diff(spans, axis=1).max(initial=0))
    common = np.zeros((len(dts) + len(gts), len(gts), n_frames))
    area = np.zeros((len(dts) + len(gts), n_frames))
    if core is not None:
        tables = (truth.masks, truth.span, predictions.masks, predictions.span)
        core.frame_overlaps(*tables, gts, dts, common, area)
    else:
        _frame_overlaps(truth, predictions, gts, dts, common, area)
    index = {c: k for k, c in enumerate(evaluation.params.catIds)}
    category = np.array([index.get(truth.category[i], -1) for i in gts.tolist()], np.int64)
    return Video(common, area, category, truth.ignore[gts], gts, dts)


def _frame_overlaps(truth, predictions, gts, dts, common, area):
    """Fill ``Video.common`` and ``Video.area``."""
    tracks = [(predictions, i) for i in dts.tolist()] + [(truth, i) for i in gts.tolist()]
    for t in range(area.shape[1]):
        masks = []
        for table, i in tracks:
            m = int(table.span[i, 0]) + t
            present = m < table.span[i, 1] and table.masks.kind[m] != ABSENT
            masks.append((*read_counts(table.masks, m), m) if present else None)
        for k, (table, _) in enumerate(tracks):
            if masks[k] is None:
                continue
            area[k, t] = table.masks.area[masks[k][2]]
            for g in range(len(gts)):
                other = masks[len(dts) + g]
                if other is not None:
                    common[k, g, t] = frame_overlap(table.masks, masks[k], truth.masks, other)[0]


def as_predicted(video, category, score):
    """The predictions as they are."""
    n, n_frames = len(video.dts), video.area.shape[1]
    source = np.repeat(np.arange(n), n_frames).reshape(n, n_frames)
    return Results(np.where(video.area[:n] > 0, source, -1), category, score)


def _gather(video, results):
    """Shared pixels (N, G, T) and areas (N, T) of results."""
    n_frames = video.area.shape[1]
    frames = np.arange(n_frames)
    present = results.source >= 0
    row = np.where(present, results.source, 0)
    if not len(video.area):
        return np.zeros((0, 0, n_frames)), np.zeros((0, n_frames))
    common = video.common[row, :, frames] * present[..., None]
    return common.transpose(0, 2, 1), video.area[row, frames] * present


def track_ious(video, results):
    """IoU (N, G) of results and ground truth over all frames."""
    common, area = _gather(video, results)
    own = video.area[len(video.dts) :].sum(axis=1)
    inter = common.sum(axis=2)
    union = area.sum(axis=1)[:, None] + own[None] - inter
    return np.divide(inter, union, out=np.zeros_like(inter), where=union > 0)


def frame_ious(video, results):
    """IoU (N, G, T) frame by frame."""
    common, area = _gather(video, results)
    union = area[:, None] + video.area[len(video.dts) :][None] - common
    return np.divide(common, union, out=np.zeros_like(common), where=union > 0)


def mean_areas(video, results):
    """Mean area (N,) of results over the frames where they have any."""
    _, area = _gather(video, results)
    count = (area > 0).sum(axis=1)
    return np.divide(area.sum(axis=1), count, out=np.zeros(len(area)), where=count > 0)


def targets(video, results, least):
    """For each result its best ground truth (no crowd, same category), -1 below ``least``; and its IoU."""
    ious = track_ious(video, results)
    ious = np.where((results.category[:, None] == video.gt_category[None]) & ~video.crowd[None], ious, 0.0)
    if not ious.size:
        return np.full(len(ious), -1), np.zeros(len(ious))
    best = ious.argmax(axis=1)
    value = ious[np.arange(len(ious)), best]
    return np.where(value >= least, best, -1), value


def found_first(video, results):
    """For each result whether it is the best-scored one that finds its ground truth."""
    target, _ = targets(video, results, FOUND)
    first, seen = np.zeros(len(target), bool), set()
    for i in np.argsort(-results.score, kind='mergesort').tolist():
        if target[i] >= 0 and target[i] not in seen:
            seen.add(target[i])
            first[i] = True
    return first


def right_masks(video, results):
    """Where a prediction covers some of its object, it covers exactly the object."""
    target, _ = targets(video, results, TOUCHED)
    common, _ = _gather(video, results)
    source = results.source.copy()
    for i in np.flatnonzero(target >= 0).tolist():
        source[i, common[i, target[i]] > 0] = len(video.dts) + target[i]
    return Results(source, results.category, results.score)


def right_frames(video, results):
    """A prediction is there exactly when its object is."""
    target, _ = targets(video, results, TOUCHED)
    source = results.source.copy()
    for i in np.flatnonzero(target >= 0).tolist():
        row = len(video.dts) + target[i]
        there = video.area[row] > 0
        source[i, ~there] = -1
        source[i, there & (source[i] < 0)] = row
    return Results(source, results.category, results.score)


def right_categories(video, results):
    """A prediction that finds an object of another category gets that category."""
    ious = np.where(video.crowd[None], 0.0, track_ious(video, results))
    _, own = targets(video, results, FOUND)
    category = results.category.copy()
    if ious.size:
        best = ious.argmax(axis=1)
        wrong = (ious.max(axis=1) >= FOUND) & (own < FOUND)
        category[wrong] = video.gt_category[best[wrong]]
    return Results(results.source, category, results.score)


def right_scores(video, results):
    """Predictions are ranked by how well they fit."""
    return Results(results.source, results.category, targets(video, results, 0.0)[1])


def without_false(video, results):
    """Predictions that find nothing, or fit an object worse than another one does, are gone."""
    target, value = targets(video, results, FOUND)
    order = np.lexsort((-results.score, -value))
    _, best = np.unique(target[order], return_index=True)
    kept = np.sort(order[best])
    return results.take(kept[target[kept] >= 0])


def with_missed(video, results):
    """Add the missed objects, exactly and with full confidence."""
    target, _ = targets(video, results, FOUND)
    missed = np.setdiff1d(np.flatnonzero(~video.crowd & (video.gt_category >= 0)), target)
    row = len(video.dts) + missed
    there = video.area[row] > 0
    source = np.where(there, row[:, None], -1)
    top = max(1.0, results.score[np.isfinite(results.score)].max(initial=0.0))
    return Results(
        np.concatenate([results.source, source]),
        np.concatenate([results.category, video.gt_category[missed]]),
        np.concatenate([results.score, np.full(len(missed), top)]),
    )


def right_identities(video, results):
    """Masks stay, but those on one object belong to one track.

    In each frame the predictions, best score first, claim the object of their category on which their mask
    lies (IoU of at least 0.5, one mask an object). The prediction with most claims on an object gets all
    masks that were claimed for it; what was claimed from others is taken away.
    """
    ious = frame_ious(video, results)
    same = (results.category[:, None] == video.gt_category[None]) & ~video.crowd[None]
    ious = np.where(same[..., None], ious, 0.0)
    n, n_gt, n_frames = ious.shape
    claim = np.full((n_gt, n_frames), -1)
    claimed = np.full((n, n_frames), -1)
    order = np.argsort(-results.score, kind='mergesort').tolist()
    for t in range(n_frames):
        for i in order:
            free = np.where(claim[:, t] < 0, ious[i, :, t], 0.0)
            if n_gt and free.max() >= FOUND:
                g = int(free.argmax())
                claim[g, t], claimed[i, t] = i, g
    owner = _owners(claim, order)
    source = np.where(claimed >= 0, -1, results.source)
    for g, i in owner.items():
        frames = np.flatnonzero(claim[g] >= 0)
        source[i, frames] = results.source[claim[g, frames], frames]
    kept = (source >= 0).any(axis=1) | (results.source < 0).all(axis=1)
    return Results(source, results.category, results.score).take(kept)


def _owners(claim, order):
    """ground truth -> the prediction that claimed it most often, one object each; ties by score."""
    rank = {i: r for r, i in enumerate(order)}
    votes = [
        (-int((claim[g] == i).sum()), rank[i], g, i)
        for g in range(len(claim))
        for i in set(claim[g].tolist()) - {-1}
    ]
    owner, taken = {}, set()
    for _, _, g, i in sorted(votes):
        if g not in owner and i not in taken:
            owner[g] = i
            taken.add(i)
    return owner


#: name -> (what is put right, steps). ``PARTS`` are those of detection, which stands before them.
ORACLES = {
    'detection': (
        'objects found or missed, frames included',
        (right_frames, right_categories, without_false, with_missed),
    ),
    'missed objects': ('objects that no prediction finds', (with_missed,)),
    'false positives': ('predictions of nothing, and repetitions', (without_false,)),
    'frames': (
        'frames in which an object is predicted though absent, or not though present',
        (right_frames,),
    ),
    'categories': ('category of predictions that find an object', (right_categories,)),
    'masks': ('outlines of the masks that lie on their object', (right_masks,)),
    'identities': ('which masks belong to one track', (right_identities,)),
    'scores': ('order of the predictions', (right_scores,)),
}
PARTS = ('missed objects', 'false positives', 'frames', 'categories')
