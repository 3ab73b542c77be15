"""What the checking tools print."""

import json

from .checks.findings import describe_kind
from .text_table import table


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
            lines = [f'{title} {kind}: {describe_kind(kind)} ({len(places)})', *(f'  {p}' for p in shown)]
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
    verdict = f'{n} problems of {len(findings.problems)} kinds' if n else 'no problems'
    return '\n'.join([*parts, f'{source}: {verdict}'])
