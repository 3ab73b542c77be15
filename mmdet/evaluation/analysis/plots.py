"""Images of an evaluation: curves, histograms, what is lost, and the worst videos."""

from pathlib import Path

import numpy as np

from mmdet.utils import UserError, atomic_open, printable

from .oracles import PARTS

#: Colors that differ in lightness too, so that they survive print and color blindness.
BLUE, ORANGE, GRAY = '#1f5f99', '#e08a1e', '#b5b5b5'


def plot_evaluation(evaluation, summary, folder):
    """Draw all images.

    Args:
        evaluation (Evaluation): what was found.
        summary (dict): of :func:`summarize`, with ``analysis`` for all images but the curves.
        folder (str | Path): is made if it is missing.

    Returns:
        list[Path]: the files, png.

    Raises:
        UserError: matplotlib is not installed, or the folder cannot be made.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise UserError('plots need matplotlib: pip install matplotlib') from None
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f'--plot {folder}: {error.strerror}') from None
    figures = {'pr_curves': (_curves, evaluation)}
    if summary['per_category_AP']:
        names = {str(c): name for c, name in evaluation.dataset.categories.items()}
        figures['categories'] = (_categories, (summary['per_category_AP'], names))
    analysis = summary.get('analysis')
    if analysis:
        figures['iou_histogram'] = (_ious, analysis['ious'])
        figures['score_histogram'] = (_scores, analysis['scores'])
        figures['losses'] = (_losses, analysis['oracles'])
        figures['worst_videos'] = (_worst, analysis['per_video'])
    written = []
    for name, (draw, content) in figures.items():
        figure = Figure(figsize=(7, 4.5), layout='constrained')
        draw(figure.add_subplot(), content)
        written.append(folder / f'{name}.png')
        with atomic_open(written[-1], 'wb') as file:
            figure.savefig(file, dpi=110)
    return written


def _plain(name):
    """A name as matplotlib shows it: on one line, dollars not taken for formulas."""
    return printable(name).replace('$', r'\$')


def _bare(axes, title, x, y):
    axes.set_title(title, loc='left', fontsize=11)
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.spines[['top', 'right']].set_visible(False)
    if y in ('objects', 'predictions'):
        axes.yaxis.get_major_locator().set_params(integer=True)  # there are no half objects


def _curves(axes, evaluation):
    """Precision over recall, mean over the categories that have ground truth."""
    params, precision = evaluation.params, evaluation.result['precision'][:, :, :, 0, -1]
    known = (precision > -1).all(axis=(0, 1))
    thresholds = np.asarray(params.iouThrs, np.float64)
    if known.any():
        shades = np.linspace(0.15, 1, len(thresholds))
        for t, threshold in enumerate(thresholds):
            curve = precision[t][:, known].mean(axis=1)
            label = f'IoU {threshold:.2f}: {curve.mean():.3f}' if t % 2 == 0 or len(thresholds) < 6 else None
            axes.plot(params.recThrs, curve, color=BLUE, alpha=1.15 - shades[t], lw=1.5, label=label)
        mean = precision[:, :, known].mean(axis=(0, 2))
        axes.plot(params.recThrs, mean, color=ORANGE, lw=2.5, label=f'mean: {mean.mean():.3f}')
        axes.legend(frameon=False, fontsize=8)
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1.02)
    _bare(axes, f'Precision and recall, {int(known.sum())} categories', 'recall', 'precision')


def _categories(axes, content):
    """AP by category, best first."""
    ap, names = content
    rows = sorted(((v, _plain(names.get(c, c))) for c, v in ap.items() if v > -1), reverse=True)
    axes.bar(range(len(rows)), [v for v, _ in rows], color=BLUE)
    axes.set_xticks(range(len(rows)), [n for _, n in rows], rotation=90, fontsize=7)
    axes.set_xlim(-0.6, len(rows) - 0.4)
    axes.set_ylim(0, 1)
    _bare(axes, 'AP by category', '', 'AP')


def _ious(axes, ious):
    """How well each object is covered by its best prediction."""
    axes.hist(ious, bins=np.linspace(0, 1, 21), color=BLUE)
    axes.axvline(0.5, color=GRAY, ls='--', lw=1)
    _bare(axes, f'Best track IoU of {len(ious)} objects (same category)', 'IoU over all frames', 'objects')


def _scores(axes, scores):
    """Scores of predictions that found an object, and of those that did not."""
    values = [*scores['found'], *scores['false'], 0.0, 1.0]
    bins = np.linspace(min(values), max(values), 26)
    axes.hist(
        [scores['found'], scores['false']],
        bins=bins,
        stacked=True,
        color=[BLUE, ORANGE],
        label=[f'found an object ({len(scores["found"])})', f'nothing, or repeated ({len(scores["false"])})'],
    )
    axes.legend(frameon=False, fontsize=8)
    _bare(axes, 'Scores of the predictions (IoU 0.5)', 'score', 'predictions')


def _losses(axes, oracles):
    """Gain of each oracle."""
    rows = [(name, o['gain'] or 0.0) for name, o in oracles.items()][::-1]
    colors = [GRAY if name in PARTS else BLUE for name, _ in rows]
    bars = axes.barh(
        [f'{name} alone' if name in PARTS else name for name, _ in rows],
        [gain for _, gain in rows],
        color=colors,
    )
    axes.bar_label(bars, fmt='%.3f', padding=3, fontsize=8)
    axes.margins(x=0.12)
    _bare(axes, 'AP gained if one thing were right', 'gain in AP', '')


def _worst(axes, videos, n=20):
    """The videos whose objects are covered worst."""
    rows = [(_plain(numbers['name'] or v), numbers) for v, numbers in videos.items() if numbers['objects']]
    rows = rows[:n][::-1]
    axes.barh(range(len(rows)), [numbers['mean_iou'] for _, numbers in rows], color=BLUE)
    for y, (_, numbers) in enumerate(rows):
        text = f'{numbers["found"]} of {numbers["objects"]} found, {numbers["false"]} false'
        axes.text(numbers['mean_iou'] + 0.01, y, text, va='center', fontsize=7)
    axes.set_yticks(range(len(rows)), [name for name, _ in rows])
    axes.set_xlim(0, 1.25)
    axes.tick_params(axis='y', labelsize=7)
    _bare(axes, f'The {len(rows)} worst videos', 'mean track IoU of their objects', 'video')
