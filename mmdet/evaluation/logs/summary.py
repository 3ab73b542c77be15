"""Tables of trainings: last and best values, speed, and where a loss was not finite."""

import csv
import fnmatch
import io
import math
import statistics

from mmdet.evaluation.report import table
from mmdet.utils import UserError, format_seconds, suggest


def choose_keys(runs, wanted=None):
    """Return the keys to show.

    Args:
        runs (Sequence[Run]): their keys are known.
        wanted (Sequence[str] | None): names, or patterns such as ``loss*``. By default the loss, the learning
            rate and the mean AP of each validation.

    Returns:
        list[str]: each once.

    Raises:
        UserError: no run has a key; lists what there is.
    """
    known = list(dict.fromkeys(key for run in runs for key in run.points))
    if wanted is None:
        scores = [key for key in known if key.endswith(('_AP', '_mAP'))]
        return [key for key in ('loss', 'lr') if key in known] + scores or known
    chosen = []
    for name in wanted:
        found = [name] if name in known else fnmatch.filter(known, name)
        if not found:
            raise UserError(f'no log has {name!r}{suggest(name, known)}; there are: {", ".join(known)}')
        chosen += found
    return list(dict.fromkeys(chosen))


def better(key):
    """``max`` or ``min`` where one value of a key is better than another, else None."""
    last = key.rpartition('/')[2]
    if 'loss' in last or last in ('time', 'data_time'):
        return min
    scores = ('AP', 'AR', 'HOTA', 'IDF1', 'MOTA', 'acc')
    return max if any(part.startswith(scores) for part in last.replace('mAP', 'AP').split('_')) else None


def summarize_run(run, keys):
    """Return what is worth knowing of a run.

    Args:
        run (Run): the training.
        keys (Sequence[str]): those to look at; any that the run lacks are left out.

    Returns:
        dict: ``iterations``, ``epochs``, ``sessions``, ``seconds_per_iteration`` (median), ``seconds`` (of
        training, without validation; both None if no time was logged), and ``keys``: for each ``points``,
        ``last``, ``best`` and ``best_iteration`` (None where neither high nor low is good), ``not_finite``
        (iterations).
    """
    times = {i: t for i, t in run.points.get('time', {}).items() if math.isfinite(t)}
    spans = [i - before for before, i in zip([0, *times], times)]
    trained = [i for key, points in run.points.items() if key not in run.scores for i in points]
    return {
        'run': run.name,
        'path': str(run.path),
        'iterations': max(trained),
        'epochs': run.epochs,
        'sessions': run.sessions,
        'seconds_per_iteration': statistics.median(times.values()) if times else None,
        'seconds': sum(map(math.prod, zip(spans, times.values()))) if times else None,
        'keys': {key: _summarize(key, run.points[key]) for key in keys if key in run.points},
    }


def _summarize(key, points):
    finite = {i: v for i, v in points.items() if math.isfinite(v)}
    choose = better(key)
    best = choose(finite, key=finite.get) if choose and finite else None
    return {
        'points': len(points),
        'last': list(finite.values())[-1] if finite else None,
        'best': None if best is None else finite[best],
        'best_iteration': best,
        'not_finite': [i for i in points if i not in finite],
    }


def runs_report(summaries):
    """Text for summaries of :func:`summarize_run`: a line for each run, and a table of its keys."""
    lines = []
    rows = [['run', 'key', 'points', 'last', 'best', 'at iteration']]
    for summary in summaries:
        parts = [f'{summary["iterations"]} iterations']
        if summary['epochs']:
            parts[0] += f', epoch {summary["epochs"]}'
        if summary['seconds'] is not None:
            parts.append(f'{summary["seconds_per_iteration"]:.3g} s an iteration')
            parts.append(f'{format_seconds(summary["seconds"])} of training, validation not counted')
        if summary['sessions'] > 1:
            parts.append(f'started {summary["sessions"]} times')
        lines.append(f'{summary["run"]}: {"; ".join(parts)}')
        for key, value in summary['keys'].items():
            best = [_number(value['best']), _number(value['best_iteration'])]
            rows.append([summary['run'], key, value['points'], _number(value['last']), *best])
        for key, value in summary['keys'].items():
            if value['not_finite']:
                lines.append(f'  {key} is not finite at iteration {_some(value["not_finite"])}')
    return table(rows) + '\n'.join(lines)


def _some(numbers, most=5):
    shown = ', '.join(map(str, numbers[:most]))
    return shown if len(numbers) <= most else f'{shown} and {len(numbers) - most} later ones'


def _number(value):
    if value is None:
        return '-'
    return str(value) if isinstance(value, int) else f'{value:.4g}'


def points_csv(runs, keys):
    """Text of a csv file with every point: ``run,key,iteration,value``."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator='\n')
    writer.writerow(['run', 'key', 'iteration', 'value'])
    for run in runs:
        for key in keys:
            writer.writerows([run.name, key, i, repr(v)] for i, v in run.points.get(key, {}).items())
    return out.getvalue()
