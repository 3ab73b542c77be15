"""Reports of scores, analyses and checks: tables for the terminal, JSON for programs, markdown for pages."""

import json

from mmdet.utils import printable

from .analysis.oracles import PARTS
from .checks.findings import describe_kind

#: name -> (kind, IoU, area, maxDets) of the official numbers, for the table.
LABELS = {
    'AP': ('AP', 'all', 'all', '100'),
    'AP50': ('AP', '0.50', 'all', '100'),
    'AP75': ('AP', '0.75', 'all', '100'),
    'APs': ('AP', 'all', 'small', '100'),
    'APm': ('AP', 'all', 'medium', '100'),
    'APl': ('AP', 'all', 'large', '100'),
    'AR1': ('AR', 'all', 'all', '1'),
    'AR10': ('AR', 'all', 'all', '10'),
    'AR100': ('AR', 'all', 'all', '100'),
    'ARs': ('AR', 'all', 'small', '100'),
    'ARm': ('AR', 'all', 'medium', '100'),
    'ARl': ('AR', 'all', 'large', '100'),
}

#: Columns of tracking numbers.
TRACKING = ('HOTA', 'DetA', 'AssA', 'IDF1', 'switches', 'fragments')
#: Oracles whose gains are listed for each category.
MAIN = ('detection', 'masks', 'identities')


def show(value):
    """A number for a person: three digits, ``-`` for what is undefined (-1 or None)."""
    if value is None or (isinstance(value, float) and value == -1.0):
        return '-'
    return f'{value:.3f}' if isinstance(value, float) else str(value)


def table(rows, title=None, style='table'):
    """Rows (the first is the head) as a terminal table or in markdown."""
    rows = [[printable(cell) for cell in row] for row in rows]
    if style == 'markdown':
        rows = [[cell.replace('|', '\\|') for cell in row] for row in rows]
        lines = ['| ' + ' | '.join(row) + ' |' for row in rows]
        lines.insert(1, '|' + '---|' * len(rows[0]))
        return '\n'.join(([f'### {title}', ''] if title else []) + lines) + '\n'
    try:
        from terminaltables import AsciiTable
    except ImportError:
        widths = [max(map(len, column)) for column in zip(*rows)]
        lines = ['  '.join(cell.ljust(w) for cell, w in zip(row, widths)).rstrip() for row in rows]
        return '\n'.join(([title] if title else []) + lines) + '\n'
    made = AsciiTable(rows, title)
    for column in range(1, len(rows[0])):
        if all(row[column].lstrip('-').replace('.', '').isdigit() or row[column] == '-' for row in rows[1:]):
            made.justify_columns[column] = 'right'
    return made.table + '\n'


def stats_report(summary, names, style='table', per_category=False):
    """Text for a summary of :func:`evaluate_ytvis`.

    Args:
        summary (dict): its result, with ``analysis`` if there is one.
        names (dict[str, str]): category id -> name.
        style (str): ``'table'``, ``'json'`` or ``'markdown'``.
        per_category (bool): whether to list AP by category.
    """
    if style == 'json':
        return json.dumps(summary, indent=1)
    thresholds = summary['iou_thrs']
    span = f'{thresholds[0]:.2f}:{thresholds[-1]:.2f}' if len(thresholds) > 1 else f'{thresholds[0]:.2f}'
    rows = [['', 'IoU', 'area', 'tracks', summary['iou_type']]]
    for name, value in summary['stats'].items():
        _, iou, area, limit = LABELS[name]
        rows.append([name, span if iou == 'all' else iou, area, limit, show(value)])
    parts = [table(rows, 'Video AP and AR', style)]
    if per_category:
        rows = [['category', 'name', 'AP']]
        rows += [[c, names.get(c, ''), show(v)] for c, v in summary['per_category_AP'].items()]
        parts.append(table(rows, 'AP by category', style))
    if 'analysis' in summary:
        parts += [table(rows, title, style) for title, rows in analysis_tables(summary['analysis'], names)]
    if not summary['has_ground_truth']:
        parts.append('No ground truth: nothing was scored.')
    return '\n'.join(parts).rstrip('\n')


def analysis_tables(analysis, names, n_videos=20):
    """Tables for :func:`stats_report`.

    Args:
        analysis (dict): from :func:`analyze`.
        names (dict[str, str]): category id -> name.
        n_videos (int): how many of the worst videos are listed.

    Yields:
        tuple: title and rows, the first of which is the head.
    """
    rows = [['put right', 'AP', 'gain', 'what']]
    for name, oracle in analysis['oracles'].items():
        indent = '  ' if name in PARTS else ''
        rows.append([indent + name, show(oracle['AP']), show(oracle['gain']), oracle['what']])
    yield 'What is lost: AP with one thing put right by ground truth', rows
    if analysis['tracking'] is not None:
        title = f'Tracking, predictions with score >= {analysis["score_thr"]:g}'
        yield title, [[*TRACKING], _tracking(analysis['tracking'])]
    rows = [['category', 'name', 'AP', *(f'+{n}' for n in MAIN), *TRACKING]]
    for c, numbers in analysis['per_category'].items():
        if numbers['AP'] == -1.0 and numbers['tracking'] is None:
            continue
        gains = [show(numbers['gain'][n]) for n in MAIN]
        rows.append([c, names.get(c, ''), show(numbers['AP']), *gains, *_tracking(numbers['tracking'])])
    yield 'By category: AP, gains, tracking', rows
    rows = [['video', 'name', 'objects', 'found', 'missed', 'false', 'track IoU', 'frame IoU', *TRACKING]]
    for v, n in list(analysis['per_video'].items())[:n_videos]:
        counts = [
            n['objects'],
            n['found'],
            n['missed'],
            n['false'],
            show(n['mean_iou']),
            show(n['frame_iou']),
        ]
        rows.append([v, n['name'], *counts, *_tracking(n['tracking'])])
    yield f'Worst {len(rows) - 1} of {len(analysis["per_video"])} videos', rows


def _tracking(numbers):
    return [show((numbers or {}).get(name)) for name in TRACKING]


def findings_report(findings, source, style='table', limit=None):
    """Text for :class:`Findings`.

    Args:
        findings (Findings): outcome of a check.
        source (str): file name.
        style (str): ``'table'``, ``'json'`` or ``'markdown'``.
        limit (int | None): most places shown of a kind; None for all.
    """
    if style == 'json':
        return json.dumps({'source': source, **findings.to_dict()}, indent=1, default=str)
    parts = []
    for title, group in (('problem', findings.problems), ('note', findings.notes)):
        for kind, places in group.items():
            shown = places if limit is None else places[:limit]
            lines = [
                f'{title} {kind}: {describe_kind(kind)} ({len(places)})',
                *(f'  {printable(p)}' for p in shown),
            ]
            if len(shown) < len(places):
                lines.append(f'  ... and {len(places) - len(shown)} more')
            if style == 'markdown':
                lines = ['- ' + lines[0], *('  - ' + line.strip() for line in lines[1:])]
            parts.append('\n'.join(lines))
    rows = [['', 'count'], *([k, v] for k, v in findings.counts.items())]
    rows += [[f'problem: {k}', len(v)] for k, v in findings.problems.items()]
    rows += [[f'note: {k}', len(v)] for k, v in findings.notes.items()]
    parts.append(table(rows, 'Summary', style).rstrip('\n'))
    n = findings.n_problems
    kinds = len(findings.problems)
    verdict = f'{_count(n, "problem")} of {_count(kinds, "kind")}' if n else 'no problems'
    return '\n'.join([*parts, f'{source}: {verdict}'])


def _count(number, word):
    return f'{number} {word}' + ('' if number == 1 else 's')
