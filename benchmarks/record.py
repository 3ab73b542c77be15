"""What every result file says about how its figures came to be."""

import platform
import shutil
import statistics
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
OFFICIAL = ('AP', 'AP50', 'AP75', 'AR10')


def processor():
    """Name of the processor, as the system tells it."""
    try:
        lines = Path('/proc/cpuinfo').read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.split(':', 1)[1].strip() for line in lines if line.startswith('model name')]
    return names[0] if names else platform.machine()


def commit(*paths):
    """Commit of the checkout, with ``+`` if files below ``paths`` differ from it; None without git."""
    if shutil.which('git') is None:
        return None
    commands = (['rev-parse', '--short', 'HEAD'], ['status', '--porcelain', '--', *paths])
    head, status = (
        subprocess.run(['git', *command], cwd=ROOT, capture_output=True, text=True, check=False)
        for command in commands
    )
    if head.returncode:
        return None
    return head.stdout.strip() + ('+' if status.stdout.strip() else '')


def machine(device=None):
    """Versions and hardware; ``device`` (torch.device | None) is where the work was done, None a CPU."""
    import torch

    on_gpu = device is not None and device.type == 'cuda'
    return {
        'torch': torch.__version__,
        'cuda': torch.version.cuda,
        'python': platform.python_version(),
        'hardware': torch.cuda.get_device_name(device) if on_gpu else processor(),
    }


def track_scores(ann_file, results, tracking, score_thr=0.5):
    """Official and tracking numbers of the results of videos.

    Args:
        ann_file (str): annotation file.
        results (str | list): result file, or what it contains.
        tracking (Sequence[str]): names of tracking numbers, such as ``'HOTA'``.
        score_thr (float): tracking numbers look at tracks with this score and above.

    Raises:
        UserError: the library that tracking numbers need is not installed.
    """
    from mmdet.evaluation import evaluate_tables
    from mmdet.evaluation.comparison import run_scores
    from mmdet.utils import UserError

    evaluation = evaluate_tables(str(ann_file), results, strict=False)
    found = run_scores(evaluation, tracking, score_thr)
    if None in found.values():
        raise UserError('HOTA needs the package trackeval: pip install trackeval')
    return {name: found[name] for name in (*OFFICIAL, *tracking)}


def spread(values, digits=4):
    """dict: smallest, median and largest of some figures."""
    shown = (min(values), statistics.median(values), max(values))
    return {name: round(value, digits) for name, value in zip(('min', 'median', 'max'), shown)}


def shown(value, digits=2, factor=1):
    """Median and range of a spread, times a factor, for a table; a dash for what was not measured."""
    if value is None:
        return '-'
    low, middle, high = (f'{factor * value[key]:.{digits}f}' for key in ('min', 'median', 'max'))
    return f'{middle} ({low}-{high})'
