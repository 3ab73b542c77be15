"""Put what the steps of tools/gpu_check.sh left in a folder into one table and one json.

python tools/gpu_check/report.py FOLDER
"""

import argparse
import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / 'benchmarks')]


FAILURES = ('FAILED', 'too slow')
#: What a line of the table shows of a dict: the first of these keys.
TELLING = ('waits', 'last_loss', 'box_px', 'median')


def last_line(path):
    """Last line of a log that says something."""
    lines = [line for line in path.read_text(errors='replace').splitlines() if line.strip()]
    return lines[-1].strip()[:100] if lines else ''


def tail(path, lines=40, most=6000):
    """The end of a log: what went wrong."""
    return '\n'.join(path.read_text(errors='replace').splitlines()[-lines:])[-most:]


def in_words(found):
    """The values of a step in one line; of a benchmark what its first row says."""
    if 'skipped' in found:
        return found['skipped']
    if 'cases' in found:
        first = found['cases'][0]
        parts = [f'x{first["over_floor"]["median"]} of its floor']
        parts += [f'{first["fps"]["median"]} frames/s'] if 'fps' in first else []
        return ', '.join([*parts, f'peak {first["peak_mb"]} MB'] if 'peak_mb' in first else parts)
    words = []
    for key, value in found.items():
        if isinstance(value, dict):
            value = value.get('frames_a_second', value)
            value = next((value[key] for key in TELLING if key in value), len(value))
        if isinstance(value, list):
            value = len(value)
        words.append(f'{key} {value:.3g}' if isinstance(value, float) else f'{key} {value}')
    return ', '.join(words)[:100]


def collect(folder):
    """Result of every step: exit status, seconds, and what it found."""
    from record import commit

    steps = {}
    for line in (folder / 'steps.tsv').read_text().splitlines():
        name, status, seconds = line.split('\t')
        result, log = folder / f'{name}.json', folder / f'{name}.log'
        steps[name] = {'status': int(status), 'seconds': int(seconds), 'log': log.name}
        if result.is_file():
            steps[name]['found'] = json.loads(result.read_text())
        steps[name]['result'] = verdict(steps[name])
        if log.is_file():
            steps[name]['last_line'] = last_line(log)
            if steps[name]['result'] in FAILURES:
                steps[name]['log_tail'] = tail(log)
    device = steps.get('device', {}).get('found', {})
    return {
        'commit': commit('mmdet', 'tools', 'benchmarks', 'tests'),
        'gpu': device.get('gpu'),
        'steps': steps,
    }


def verdict(step):
    """``ok``, ``skipped``, ``too slow`` or ``FAILED``."""
    if 'skipped' in step.get('found', {}) or step['status'] == 77:
        return 'skipped'
    return {0: 'ok', 124: 'too slow', 137: 'too slow'}.get(step['status'], 'FAILED')


def main():
    """Print the table, write gpu_check.json; exit 1 if a step failed."""
    from mmdet.utils import atomic_write_text

    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('folder', type=Path)
    folder = parser.parse_args().folder
    record = collect(folder)
    atomic_write_text(folder / 'gpu_check.json', json.dumps(record, indent=1) + '\n')
    from mmdet.evaluation.report import table

    rows = [('step', 'result', 's', 'found')]
    for name, step in record['steps'].items():
        found = in_words(step['found']) if step.get('found') else step.get('last_line', '')
        rows.append((name, step['result'], step['seconds'], found))
    print(table(rows))
    print(f'GPU: {record["gpu"] or "none: torch sees no GPU, so only what the CPU can tell was run"}')
    print(f'written: {folder / "gpu_check.json"}')
    return int(any(step['result'] in FAILURES for step in record['steps'].values()))


if __name__ == '__main__':
    sys.exit(main())
