"""Why the score is what it is: lost to detection, masks and identities; per category and per video."""

import numpy as np

from mmdet.formats.ytvis_tables import Tracks
from mmdet.utils import UserError

from ..ap.backend import get_core
from ..ap.matching import accumulate_matches, match_groups
from ..ap.overlap import group_tracks
from ..ap.params import category_ap, summarize_one
from .oracles import (
    FOUND,
    ORACLES,
    as_predicted,
    found_first,
    frame_ious,
    load_video,
    mean_areas,
    targets,
    track_ious,
)
from .tracking import combine, identity_numbers, tracking_library


class _Variant:
    """Predictions of all videos under one oracle, collected video by video, then scored."""

    def __init__(self):
        self.video, self.category, self.score, self.area, self.rows = [], [], [], [], []

    def add(self, video_id, categories, video, results):
        """Take the results of one video."""
        ious = track_ious(video, results)
        place = {g: k for k, g in enumerate(video.gts.tolist())}
        self.video += [video_id] * len(results.score)
        self.category += [categories[c] for c in results.category.tolist()]
        self.score += results.score.tolist()
        self.area += mean_areas(video, results).tolist()
        self.rows += [(place, row) for row in ious]

    def evaluate(self, truth, params, core):
        """Precision and recall."""
        tracks = Tracks('results', None, video=self.video, category=self.category)
        tracks.score, tracks.area = np.array(self.score, np.float64), np.array(self.area, np.float64)
        groups = group_tracks(truth, tracks, params)
        parts = [np.zeros(0)]
        for n in range(len(groups.keys)):
            gts = groups.gt[groups.gt_ptr[n] : groups.gt_ptr[n + 1]].tolist()
            for d in groups.dt[groups.dt_ptr[n] : groups.dt_ptr[n + 1]].tolist():
                place, row = self.rows[d]
                parts.append(row[[place[g] for g in gts]] if gts else np.zeros(0))
        groups.iou = np.concatenate(parts)
        matches = match_groups(groups, truth, tracks, params, core)
        precision, recall, _ = accumulate_matches(groups, matches, tracks, params, core)
        return {'precision': precision, 'recall': recall}


def analyze(evaluation, score_thr=0.5, backend='auto'):
    """Break an evaluation of masks down.

    Each oracle puts one thing right in all predictions and leaves the rest; the gain is what it costs.
    Gains do not add up to 1 - AP: errors hide behind each other. Tracking numbers (HOTA and its like) look at
    predictions with a score of at least ``score_thr``, as they know no ranking.

    Args:
        evaluation (Evaluation): of iou_type 'segm' with categories.
        score_thr (float): for the tracking numbers.
        backend (str): see :func:`get_core`.

    Returns:
        dict: ``oracles`` (name -> what, AP, gain, per_category gains), ``tracking`` (all; None without the
        library ``trackeval``), ``per_category`` (by id), ``per_video`` (by id, worst first), ``ious`` and
        ``scores`` for histograms, ``notes`` (list of str).

    Raises:
        UserError: for boxes, or without categories.
    """
    params = evaluation.params
    if params.iouType != 'segm' or not params.useCats:
        raise UserError('analyze needs an evaluation of masks (iou_type segm) that uses categories')
    core, library = get_core(backend), tracking_library()
    variants, sequences, found = _walk_videos(evaluation, score_thr, core, library)
    results = {name: variant.evaluate(evaluation.truth, params, core) for name, variant in variants.items()}
    found |= {'score_thr': score_thr, 'oracles': _gains(results, params), 'notes': []}
    if library is None:
        found['notes'].append('HOTA and identity switches need the package trackeval: pip install trackeval')
    found['tracking'] = combine(sequences.values(), library)
    videos = found['per_video']
    for v in videos:
        videos[v]['tracking'] = combine([n for (w, _), n in sequences.items() if w == v], library)
    ap = category_ap(results['as predicted'], params)
    found['per_category'] = {
        str(c): {
            'AP': ap[k],
            'gain': {n: o['per_category'][str(c)] for n, o in found['oracles'].items()},
            'tracking': combine([n for (_, d), n in sequences.items() if d == c], library),
        }
        for k, c in enumerate(params.catIds)
    }
    worst = sorted(videos, key=lambda v: (not videos[v]['objects'], videos[v]['mean_iou'] or 0.0))
    found['per_video'] = {str(v): videos[v] for v in worst}
    return found


def tracking_numbers(evaluation, score_thr=0.5, backend='auto'):
    """The tracking numbers of :func:`analyze` alone, which are quick.

    Args:
        evaluation (Evaluation): of iou_type 'segm' with categories.
        score_thr (float): of predictions that count.
        backend (str): see :func:`get_core`.

    Returns:
        dict | None: HOTA and its like of all videos; None without the library ``trackeval``.
    """
    params, library, core = evaluation.params, tracking_library(), get_core(backend)
    if library is None:
        return None
    gts, dts = _by_video(evaluation.truth, params), _by_video(evaluation.predictions, params)
    sequences = []
    for v in params.vidIds:
        video, real = _load(evaluation, gts[v], dts[v], core)
        sequences += identity_numbers(video, real, score_thr, library).values()
    return combine(sequences, library)


def _load(evaluation, gts, dts, core):
    """One video, and its predictions as they are."""
    index = {c: k for k, c in enumerate(evaluation.params.catIds)}
    predictions = evaluation.predictions
    video = load_video(evaluation, gts, dts, core)
    category = np.array([index[predictions.category[i]] for i in dts.tolist()], np.int64)
    return video, as_predicted(video, category, predictions.score[dts])


def _walk_videos(evaluation, score_thr, core, library):
    """Measure the videos one after the other.

    Returns:
        tuple: oracle name -> _Variant; (video, category) -> numbers of the library; and the beginning of the
        analysis: ``per_video``, ``ious`` and ``scores``.
    """
    params, truth, predictions = evaluation.params, evaluation.truth, evaluation.predictions
    variants = {name: _Variant() for name in ('as predicted', *ORACLES)}
    gts, dts = _by_video(truth, params), _by_video(predictions, params)
    found = {'per_video': {}, 'ious': [], 'scores': {'found': [], 'false': []}}
    sequences = {}
    for v in params.vidIds:
        video, real = _load(evaluation, gts[v], dts[v], core)
        variants['as predicted'].add(v, params.catIds, video, real)
        for name, (_, steps) in ORACLES.items():
            improved = real
            for step in steps:
                improved = step(video, improved)
            variants[name].add(v, params.catIds, video, improved)
        row, best = _video_row(video, real)
        found['per_video'][v] = {'name': evaluation.dataset.folder(v), **row}
        found['ious'] += best
        first = found_first(video, real)
        finite = np.isfinite(real.score)
        found['scores']['found'] += real.score[first & finite].tolist()
        found['scores']['false'] += real.score[~first & finite].tolist()
        if library is not None:
            for k, numbers in identity_numbers(video, real, score_thr, library).items():
                sequences[v, params.catIds[k]] = numbers
    return variants, sequences, found


def _by_video(tracks, params):
    """dict: video id -> indices of its tracks of known categories."""
    known, found = set(params.catIds), {v: [] for v in params.vidIds}
    for i, v in enumerate(tracks.video):
        if v in found and tracks.category[i] in known:
            found[v].append(i)
    return {v: np.array(rows, np.int64) for v, rows in found.items()}


def _gains(results, params):
    """AP under each oracle and what it gains."""
    base = summarize_one(results['as predicted'], params, max_dets=params.maxDets[-1])
    base_cats = category_ap(results['as predicted'], params)
    found = {}
    for name, (what, _) in ORACLES.items():
        ap = summarize_one(results[name], params, max_dets=params.maxDets[-1])
        cats = category_ap(results[name], params)
        found[name] = {
            'what': what,
            'AP': ap,
            'gain': ap - base if base >= 0 else None,
            'per_category': {
                str(c): new - old if old >= 0 else None for c, old, new in zip(params.catIds, base_cats, cats)
            },
        }
    return found


def _video_row(video, results):
    """Numbers of one video, and the best IoU of each of its objects."""
    target, value = targets(video, results, FOUND)
    ious = np.where(results.category[:, None] == video.gt_category[None], track_ious(video, results), 0.0)
    real = ~video.crowd
    best = ious.max(axis=0, initial=0.0)[real].tolist()
    frames = frame_ious(video, results)
    on_object = [
        frames[i, target[i]][frames[i, target[i]] > 0]
        for i in np.flatnonzero(found_first(video, results)).tolist()
    ]
    on_object = np.concatenate([*on_object, np.zeros(0)])
    n_found = len(set(target.tolist()) - {-1})
    return {
        'objects': int(real.sum()),
        'predictions': len(results.score),
        'found': n_found,
        'missed': int(real.sum()) - n_found,
        'false': int((~found_first(video, results)).sum()),
        'mean_iou': float(np.mean(best)) if best else None,
        'frame_iou': float(on_object.mean()) if len(on_object) else None,
    }, best
