"""What the tools print: tables for people, json for programs, markdown for pages."""

import json

from .analysis_report import analysis_tables
from .text_table import show, table

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
