"""HOTA, identity switches and their like, by the library ``trackeval``, loaded only when asked for."""

import contextlib
import io

import numpy as np

from .oracles import frame_ious

#: Our names -> where the library has them (metric, field); means over thresholds for HOTA's arrays.
FIELDS = {
    'HOTA': ('HOTA', 'HOTA'),
    'DetA': ('HOTA', 'DetA'),
    'AssA': ('HOTA', 'AssA'),
    'LocA': ('HOTA', 'LocA'),
    'IDF1': ('Identity', 'IDF1'),
    'switches': ('CLEAR', 'IDSW'),
    'fragments': ('CLEAR', 'Frag'),
}


def tracking_library():
    """dict[str, metric] of ``trackeval``, or None if it is not installed."""
    try:
        from trackeval import metrics
    except ImportError:
        return None
    quiet = {'PRINT_CONFIG': False, 'THRESHOLD': 0.5}
    with contextlib.redirect_stdout(io.StringIO()):
        return {'HOTA': metrics.HOTA(), 'CLEAR': metrics.CLEAR(quiet), 'Identity': metrics.Identity(quiet)}


def sequence_of(ious, areas, gt_areas):
    """One video and category as the library wants it.

    Args:
        ious (ndarray): (N, G, T) IoU frame by frame.
        areas (ndarray): (N, T), gt_areas (ndarray): (G, T), pixels; 0 where absent.

    Returns:
        dict: ids, counts and similarities by frame.
    """
    kept, gt_kept = np.flatnonzero(areas.any(axis=1)), np.flatnonzero(gt_areas.any(axis=1))
    ious, areas, gt_areas = ious[kept][:, gt_kept], areas[kept], gt_areas[gt_kept]
    frames = range(areas.shape[1])
    there = [np.flatnonzero(areas[:, t] > 0) for t in frames]
    gt_there = [np.flatnonzero(gt_areas[:, t] > 0) for t in frames]
    return {
        'num_timesteps': len(there),
        'num_gt_ids': len(gt_kept),
        'num_tracker_ids': len(kept),
        'num_gt_dets': sum(map(len, gt_there)),
        'num_tracker_dets': sum(map(len, there)),
        'gt_ids': gt_there,
        'tracker_ids': there,
        'similarity_scores': [ious[d][:, g, t].T for t, (d, g) in enumerate(zip(there, gt_there))],
    }


def identity_numbers(video, results, score_thr, library):
    """The library's numbers of one video, category by category.

    Returns:
        dict[int, dict]: index of the category -> metric name -> fields. Crowd objects are left out.
    """
    kept = results.take(results.score >= score_thr)
    ious = frame_ious(video, kept)
    n, found = len(video.dts), {}
    areas = np.where(
        kept.source >= 0, video.area[np.maximum(kept.source, 0), np.arange(video.area.shape[1])], 0
    )
    for k in sorted({*kept.category.tolist(), *video.gt_category[~video.crowd].tolist()} - {-1}):
        mine, gts = kept.category == k, (video.gt_category == k) & ~video.crowd
        data = sequence_of(ious[mine][:, gts], areas[mine], video.area[n:][gts])
        with np.errstate(divide='ignore', invalid='ignore'):
            found[k] = {name: metric.eval_sequence(data) for name, metric in library.items()}
    return found


def combine(sequences, library):
    """The library's numbers of several sequences taken together, or None without sequences or library.

    Returns:
        dict | None: :data:`FIELDS` to float or int.
    """
    sequences = list(sequences)
    if not sequences or library is None:
        return None
    parts = {}
    with np.errstate(divide='ignore', invalid='ignore'):
        for name, metric in library.items():
            parts[name] = metric.combine_sequences({str(i): s[name] for i, s in enumerate(sequences)})
    found = {}
    for name, (metric, key) in FIELDS.items():
        value = parts[metric][key]
        found[name] = int(value) if name in ('switches', 'fragments') else float(np.mean(value))
    return found
