"""One image of several trainings: a panel for each key, a color for each run."""

import math
from pathlib import Path

from mmdet.utils import UserError, atomic_open, printable

#: The palette of Okabe and Ito without its yellow, which is too light for lines (jfly.uni-koeln.de/color).
COLORS = ('#0072B2', '#E69F00', '#009E73', '#D55E00', '#56B4E9', '#CC79A7', '#000000')
_DASHES = ('-', '--', ':', '-.')  # of further runs; then they repeat
FORMATS = ('.png', '.pdf', '.svg')


def smooth(values, weight):
    """Exponential running mean that does not lean to the first value.

    Args:
        values (Sequence[float]): finite.
        weight (float): of what came before, in [0, 1); 0 changes nothing.

    Returns:
        list[float]: as many.
    """
    total = share = 0.0
    out = []
    for value in values:
        total = weight * total + (1 - weight) * value
        share = weight * share + (1 - weight)
        out.append(total / share)
    return out


def plot_runs(runs, keys, path, weight=0.0):
    """Draw every key over the iterations.

    Scores of validations have a mark for each point. A cross at the lower edge is a value that is not finite.

    Args:
        runs (Sequence[Run]): with names.
        keys (Sequence[str]): a panel each.
        path (str | Path): png, pdf or svg.
        weight (float): of :func:`smooth`, for what training logs but the learning rate; the values themselves
            stay visible behind.

    Raises:
        UserError: matplotlib is not installed, or the kind of file is not known.
    """
    kind = Path(path).suffix.lower()
    if kind not in FORMATS:
        raise UserError(f'{path}: expected a name that ends in {", ".join(FORMATS)}')
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise UserError('plots need matplotlib: pip install matplotlib') from None
    columns = 2 if len(keys) == 4 else min(len(keys), 3)
    rows = math.ceil(len(keys) / columns)
    single = columns == 1
    figure = Figure(
        figsize=(7 if single else 4.6 * columns, 4.2 if single else 3 * rows), layout='constrained'
    )
    grid = figure.subplots(rows, columns, squeeze=False, sharex=True).ravel()
    for axes, key in zip(grid, keys):
        _panel(axes, runs, key, weight)
    for place, axes in enumerate(grid):
        if place >= len(keys):
            axes.set_visible(False)
        elif place + columns >= len(keys):
            axes.set_xlabel('iteration')
            axes.tick_params(labelbottom=True)
    if len(runs) > 1:
        lines = [grid[0].plot([], [], label=_plain(run.name), **_style(n))[0] for n, run in enumerate(runs)]
        width = max(len(run.name) for run in runs) + 6
        across = max(1, min(len(runs), int(figure.get_figwidth() * 11) // width))
        figure.legend(handles=lines, loc='outside upper left', ncols=across, frameon=False, fontsize=9)
    with atomic_open(path, 'wb') as file:
        figure.savefig(file, dpi=110, format=kind[1:])


def _style(number):
    dashes = _DASHES[number // len(COLORS) % len(_DASHES)]
    return {'color': COLORS[number % len(COLORS)], 'linestyle': dashes, 'linewidth': 1.6}


def _panel(axes, runs, key, weight):
    shown = []
    for number, run in enumerate(runs):
        points = run.points.get(key, {})
        finite = [(i, v) for i, v in points.items() if math.isfinite(v)]
        style = _style(number)
        if finite:
            x, y = zip(*finite)
            shown += y
            if key in run.scores:
                style.update(marker='o', markersize=4)
            elif weight and key != 'lr':
                axes.plot(x, y, color=style['color'], linewidth=0.8, alpha=0.3)
                y = smooth(y, weight)
            elif len(x) == 1:
                style.update(marker='o', markersize=4)
            axes.plot(x, y, **style)
        bad = [i for i, v in points.items() if not math.isfinite(v)]
        if bad:
            place = axes.get_xaxis_transform()  # x in iterations, y as a share of the axes
            axes.plot(bad, [0.02] * len(bad), 'x', color=style['color'], transform=place, clip_on=False)
    positive = [value for value in shown if value > 0]
    if key == 'lr' and positive and len(positive) == len(shown) and max(shown) > 30 * min(shown):
        axes.set_yscale('log')
    axes.set_title(_plain(key), loc='left', fontsize=11)
    axes.grid(color='#e6e6e6', linewidth=0.7)
    axes.set_axisbelow(True)
    axes.spines[['top', 'right']].set_visible(False)
    axes.margins(x=0.02)
    axes.set_xlim(left=0)


def _plain(name):
    """A name as matplotlib shows it: on one line, dollars not taken for formulas, underscores kept."""
    text = printable(name).replace('$', r'\$')
    return f' {text}' if text.startswith('_') else text  # a leading underscore hides a label
