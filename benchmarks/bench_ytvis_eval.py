"""CPU time and peak memory of scoring, against the reference and against the floor.

    python benchmarks/make_ytvis_set.py DIR
    python benchmarks/bench_ytvis_eval.py DIR/gt.json DIR/res.json [--repeat 5] [--out FILE.json]

Each measurement runs in a separate process, in turns; ratios are those of one turn. "floor" is what the
compiled core needs to read every mask once and intersect the pairs, without json, matching and curves.
"""

import argparse
import json
import platform
import resource
import subprocess
import sys
import time

import _checkout  # noqa: F401 - before mmdet
from record import commit, processor, spread

from mmdet.utils import Progress, UserError, atomic_write_text, cli_main

KEYS = ('load', 'evaluate', 'total', 'process', 'peak_mb')


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
    from mmdet.evaluation.ap.evaluate import load_tables, make_params, run_evaluation, summarize

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

    from mmdet.evaluation import STATS, YTVOS, YTVOSeval

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
    from mmdet.evaluation.ap.backend import get_core
    from mmdet.evaluation.ap.evaluate import load_tables, make_params
    from mmdet.evaluation.ap.overlap import group_tracks, measure_masks

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


def child(name, ann, results):
    """Run one measurement and print it as json."""
    times, stats = RUNS[name](ann, results)
    whole = resource.getrusage(resource.RUSAGE_SELF)
    times['process'] = whole.ru_utime + whole.ru_stime
    print(json.dumps({**times, 'peak_mb': whole.ru_maxrss / 1024, 'stats': stats}))


def measure(ann, results, repeat):
    """Run everything ``repeat`` times by turns.

    Returns:
        dict: name -> list of figures, one a turn.
    """
    turns = {name: [] for name in RUNS}
    with Progress(repeat * len(RUNS), 'runs') as progress:
        for _ in range(repeat):
            for name in RUNS:
                command = [sys.executable, __file__, ann, results, '--child', name]
                done = subprocess.run(command, capture_output=True, text=True, check=False)
                if done.returncode:
                    raise UserError(f'{name} failed: {done.stderr.strip()[-500:]}')
                turns[name].append(json.loads(done.stdout))
                turns[name][-1]['total'] = turns[name][-1]['load'] + turns[name][-1]['evaluate']
                progress.update()
    for name, runs in turns.items():
        if runs[0]['stats'] not in (None, turns['reference'][0]['stats']):
            raise UserError(f'{name}: other numbers than the reference')
    return turns


def ratios(turns):
    """How many times the reference costs what each other run of the same turn does; times the floor."""
    found = {}
    for name in ('cython', 'python', 'classes'):
        pairs = list(zip(turns['reference'], turns[name]))
        for key in ('evaluate', 'total'):
            found[f'{key}: reference / {name}'] = spread([base[key] / ours[key] for base, ours in pairs], 2)
    pairs = zip(turns['cython'], turns['floor'])
    found['evaluate: cython / floor'] = spread([a['evaluate'] / b['evaluate'] for a, b in pairs], 2)
    return found


def report(figures, ratio):
    """Print the medians and the ratios."""
    print('median CPU s' + ''.join(f'{key:>10}' for key in KEYS))
    for name, row in figures.items():
        print(
            f'{name:12}' + ''.join(f'{row[key]["median"]:10.{0 if key == "peak_mb" else 3}f}' for key in KEYS)
        )
    for name, row in ratio.items():
        print(f'{name}: {row["median"]} ({row["min"]} to {row["max"]})')


@cli_main
def main():
    """Measure by turns, print, write the figures."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('ann')
    parser.add_argument('results')
    parser.add_argument('--repeat', type=int, default=5, help='turns (5)')
    parser.add_argument('--out', metavar='FILE.json')
    parser.add_argument('--data', metavar='TEXT', help='what the files are, for the record')
    parser.add_argument('--child', choices=sorted(RUNS), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        child(args.child, args.ann, args.results)
        return
    turns = measure(args.ann, args.results, args.repeat)
    figures = {
        name: {key: spread([run[key] for run in runs]) for key in KEYS} for name, runs in turns.items()
    }
    ratio = ratios(turns)
    report(figures, ratio)
    if args.out:
        record = {
            'config': 'bench_ytvis_eval.py ANN RESULTS; ' + (args.data or 'data not named'),
            'commit': commit('mmdet/evaluation', 'benchmarks'),
            'seed': 'nothing is drawn',
            'hardware': f'{processor()}, CPU seconds of one thread',
            'python': platform.python_version(),
            'repeat': args.repeat,
            'ratios': ratio,
            'figures': figures,
        }
        atomic_write_text(args.out, json.dumps(record, indent=1) + '\n')


if __name__ == '__main__':
    main()
