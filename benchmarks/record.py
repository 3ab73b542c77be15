"""What every result file says about how its figures came to be."""

import platform
import statistics
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def processor():
    """Name of the processor, as the system tells it."""
    try:
        lines = Path('/proc/cpuinfo').read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.split(':', 1)[1].strip() for line in lines if line.startswith('model name')]
    return names[0] if names else platform.machine()


def commit(*paths):
    """Commit of the checkout, with ``+`` if files below ``paths`` differ from it; None outside of git."""
    commands = (['rev-parse', '--short', 'HEAD'], ['status', '--porcelain', '--', *paths])
    head, status = (
        subprocess.run(['git', *command], cwd=ROOT, capture_output=True, text=True, check=False)
        for command in commands
    )
    if head.returncode:
        return None
    return head.stdout.strip() + ('+' if status.stdout.strip() else '')


def spread(values, digits=4):
    """dict: smallest, median and largest of some figures."""
    shown = (min(values), statistics.median(values), max(values))
    return {name: round(value, digits) for name, value in zip(('min', 'median', 'max'), shown)}
