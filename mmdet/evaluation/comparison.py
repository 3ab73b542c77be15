"""Numbers that others can compare with: what a table reports, AP by length of the video, several runs."""

import copy
import itertools
import json
import math
import statistics

from mmdet.utils import UserError

from .analysis.breakdown import tracking_numbers
from .ap.evaluate import run_evaluation, summarize
from .report import show, table

#: Official numbers of a table, as docs/protocol.md asks for them.
REPORTED = ('AP', 'AP50', 'AP75', 'AR1', 'AR10')
#: Frames of the longest video of YouTube-VIS 2019; longer ones are "long".
SHORT_FRAMES = 36


def scores_by_length(evaluation, bounds=(SHORT_FRAMES,), backend='auto'):
    """Score videos of different lengths apart: each group as if the dataset had no other videos.

    The length of a video is the number of its frames in the annotation file, also of those without objects.

    Args:
        evaluation (Evaluation): of all videos.
        bounds (Sequence[int]): frames of the longest video of each group but the last.
        backend (str): see :func:`~mmdet.evaluation.ap.backend.get_core`.

    Returns:
        list[dict]: ``frames`` [least, most] (None for no limit), ``videos``, ``objects`` (tracks of ground
        truth that count) and ``stats``, the twelve official numbers; -1 where a group has no ground truth.

    Raises:
        UserError: a bound below 1, or a video without a length.
    """
    bounds = sorted(set(bounds))
    if not bounds or bounds[0] < 1:
        raise UserError(f'lengths of videos are numbers of frames of at least 1, got {bounds}')
    lengths = {v: evaluation.dataset.videos[v][2] for v in evaluation.params.vidIds}
    unknown = [v for v, frames in lengths.items() if frames is None]
    if unknown:
        raise UserError(f'the annotation file does not say how many frames these videos have: {unknown[:20]}')
    groups = []
    for low, high in itertools.pairwise([0, *bounds, math.inf]):
        params = copy.copy(evaluation.params)
        params.vidIds = [v for v, frames in lengths.items() if low < frames <= high]
        part = summarize(
            run_evaluation(
                evaluation.dataset, evaluation.truth, evaluation.predictions, params, backend=backend
            )
        )
        groups.append(
            {
                'frames': [low + 1, None if math.isinf(high) else high],
                'videos': len(params.vidIds),
                'objects': part['counts']['counted_ground_truth_tracks'],
                'stats': part['stats'],
            }
        )
    return groups


def length_name(group):
    """``37+`` or ``1-36``: frames of a group of :func:`scores_by_length`."""
    least, most = group['frames']
    return f'{least}+' if most is None else f'{least}-{most}'


def length_table(groups, style='table'):
    """Text for :func:`scores_by_length`."""
    rows = [['frames', 'videos', 'objects', *REPORTED]]
    for group in groups:
        numbers = [show(group['stats'][name]) for name in REPORTED]
        rows.append([length_name(group), group['videos'], group['objects'], *numbers])
    return table(rows, 'By length of the video', style)


def run_scores(evaluation, tracking=('HOTA',), score_thr=0.5, backend='auto'):
    """What a table has of one run.

    Args:
        evaluation (Evaluation): of iou_type 'segm', or of boxes.
        tracking (Sequence[str]): names of tracking numbers; boxes have none.
        score_thr (float): tracking numbers look at predictions with this score and above.
        backend (str): see :func:`~mmdet.evaluation.ap.backend.get_core`.

    Returns:
        dict: name -> float; -1.0 is undefined, None means that the library ``trackeval`` is missing.
    """
    stats = summarize(evaluation)['stats']
    found = tracking_numbers(evaluation, score_thr, backend) if tracking else None
    return {**{k: stats[k] for k in REPORTED}, **{k: (found or {}).get(k) for k in tracking}}


def mean_and_range(values):
    """dict: mean, smallest and largest of one score over several runs."""
    return {'mean': statistics.fmean(values), 'min': min(values), 'max': max(values)}


def summarize_runs(rows):
    """Mean and range of every score that all runs have.

    Args:
        rows (list[dict]): name -> number of each run, as from :func:`run_scores`; None is left out.

    Returns:
        dict: name -> :func:`mean_and_range`.
    """
    columns = {name: [row.get(name) for row in rows] for name in rows[0]}
    return {name: mean_and_range(values) for name, values in columns.items() if None not in values}


def runs_table(names, rows, style='table', title=None):
    """Several runs side by side, and their mean, smallest and largest score.

    Args:
        names (list[str]): of the runs.
        rows (list[dict]): see :func:`summarize_runs`.
        style (str): ``'table'`` or ``'markdown'``.
        title (str | None): of the table.
    """
    summary, columns = summarize_runs(rows), list(rows[0])
    lines = [['run', *columns]]
    lines += [[name, *(show(row[c]) for c in columns)] for name, row in zip(names, rows)]
    for kind in ('mean', 'min', 'max'):
        lines.append([kind, *(show(summary.get(c, {}).get(kind)) for c in columns)])
    return table(lines, title, style)


def runs_report(runs, style='table'):
    """Text for several result files.

    Args:
        runs (list[dict]): ``results`` (the file), ``scores`` and the summary of each.
        style (str): ``'table'``, ``'json'`` or ``'markdown'``.
    """
    rows = [run['scores'] for run in runs]
    if style == 'json':
        return json.dumps({'runs': runs, 'summary': summarize_runs(rows)}, indent=1)
    names = [str(run['results']) for run in runs]
    return runs_table(names, rows, style, f'{len(runs)} runs').rstrip('\n')
