"""CPU time and peak memory of scoring, against the reference and against the floor.

    python benchmarks/bench_ytvis_eval.py ANN RESULTS [--repeat 3] [--out FILE.json]

Each measurement runs in a process of its own, by turns; the minimum counts. "floor" is what the compiled core
needs to read every mask once and intersect the pairs, without json, matching and curves.
"""

import argparse
import json
import platform
import resource
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / 'benchmarks')]


def clock():
    """CPU seconds of this process, all threads."""
    return time.process_time()


def run_reference(ann, results):
    """The steps of the pycocotools-based reference."""
    import ytvis_reference as reference

    t = [clock()]
    videos, categories, annotations = reference.load_truth(ann)
    found = reference.load_results(results)
    t.append(clock())
    matched, _ = reference.evaluate(videos, categories, annotations, found)
    stats = reference.summarize(*reference.accumulate(matched, categories))
    t.append(clock())
    return {'load': t[1] - t[0], 'evaluate': t[2] - t[1]}, stats


def run_ours(ann, results, backend):
    """The same steps by this package."""
    from mmdet.evaluation.evaluate import load_tables, make_params, run_evaluation, summarize

    t = [clock()]
    dataset, truth, predictions, report = load_tables(ann, results, backend=backend)
    t.append(clock())
    stats = summarize(run_evaluation(dataset, truth, predictions, make_params(dataset), report, backend))[
        'stats'
    ]
    t.append(clock())
    return {'load': t[1] - t[0], 'evaluate': t[2] - t[1]}, stats


def run_classes(ann, results):
    """The same steps by way of the classes of the pycocotools interface, over dicts."""
    import contextlib
    import io

    from mmdet.evaluation import YTVOS, YTVOSeval
    from mmdet.evaluation.params import STATS

    t = [clock()]
    truth = YTVOS(ann)
    found = truth.loadRes(results)
    t.append(clock())
    evaluation = YTVOSeval(truth, found)
    evaluation.evaluate()
    evaluation.accumulate()
    t.append(clock())
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation.summarize()
    return {'load': t[1] - t[0], 'evaluate': t[2] - t[1]}, dict(zip(STATS, evaluation.stats.tolist()))


def run_floor(ann, results):
    """Only the reading of all masks and their intersections, in the compiled core."""
    from mmdet.evaluation.backend import get_core
    from mmdet.evaluation.evaluate import load_tables, make_params
    from mmdet.evaluation.overlap import group_tracks, measure_masks

    dataset, truth, predictions, _ = load_tables(ann, results, backend='cython')
    params = make_params(dataset)
    groups = group_tracks(truth, predictions, params)
    t = clock()
    measure_masks(truth, predictions, groups, params, get_core('cython'))
    return {'load': 0.0, 'evaluate': clock() - t}, None


RUNS = {
    'reference': run_reference,
    'cython': lambda a, r: run_ours(a, r, 'cython'),
    'python': lambda a, r: run_ours(a, r, 'python'),
    'classes': run_classes,
    'floor': run_floor,
}


def cpu_name():
    """Model of the processor, for the record."""
    try:
        lines = Path('/proc/cpuinfo').read_text().splitlines()
        return next(line.split(':')[1].strip() for line in lines if line.startswith('model name'))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def child(name, ann, results):
    """Run one measurement and print it as json."""
    times, stats = RUNS[name](ann, results)
    whole = resource.getrusage(resource.RUSAGE_SELF)
    times['process'] = whole.ru_utime + whole.ru_stime
    print(json.dumps({**times, 'peak_mb': whole.ru_maxrss / 1024, 'stats': stats}))


def main():
    """Measure by turns, print a table, write the figures."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('ann')
    parser.add_argument('results')
    parser.add_argument('--repeat', type=int, default=3)
    parser.add_argument('--out')
    parser.add_argument('--child', choices=sorted(RUNS))
    args = parser.parse_args()
    if args.child:
        child(args.child, args.ann, args.results)
        return
    figures = {name: [] for name in RUNS}
    for _ in range(args.repeat):
        for name in RUNS:
            command = [sys.executable, __file__, args.ann, args.results, '--child', name]
            made = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            figures[name].append(json.loads(made))
    best = {}
    for name, runs in figures.items():
        best[name] = {k: min(r[k] for r in runs) for k in ('load', 'evaluate', 'process', 'peak_mb')}
        best[name]['total'] = min(r['load'] + r['evaluate'] for r in runs)
        if runs[0]['stats'] not in (None, figures['reference'][0]['stats']):
            raise SystemExit(f'{name}: other numbers than the reference')
    base = best['reference']
    columns = ('load', 'evaluate', 'total', 'process', 'peak_mb')
    print('CPU seconds ' + ''.join(f'{c:>10}' for c in columns))
    for name, b in best.items():
        shown = ''.join(f'{b[c]:10.3f}' if c != 'peak_mb' else f'{b[c]:10.0f}' for c in columns)
        if name not in ('reference', 'floor'):
            evaluate, total = (base[c] / b[c] for c in ('evaluate', 'total'))
            shown += f'   evaluate {evaluate:.1f}x, total {total:.1f}x'
        print(f'{name:12}{shown}')
    print(f'evaluate: {best["cython"]["evaluate"] / best["floor"]["evaluate"]:.2f} times the floor')
    if args.out:
        best['machine'] = {'cpu': cpu_name(), 'python': platform.python_version(), 'repeat': args.repeat}
        Path(args.out).write_text(json.dumps(best, indent=1) + '\n')


if __name__ == '__main__':
    main()
