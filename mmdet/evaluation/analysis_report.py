"""Tables of an analysis."""

from .analysis.oracles import PARTS
from .text_table import show

TRACKING = ('HOTA', 'DetA', 'AssA', 'IDF1', 'switches', 'fragments')
MAIN = ('detection', 'masks', 'identities')


def _tracking(numbers):
    return [show((numbers or {}).get(name)) for name in TRACKING]


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
