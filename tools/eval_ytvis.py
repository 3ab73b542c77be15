#!/usr/bin/env python
"""Score results in YouTube-VIS format: python tools/eval_ytvis.py ANN RESULTS [--out STATS.json].

Several files of results, such as those of three seeds, make one table with their mean and range.
"""

import argparse
import json
import sys
from pathlib import Path

import _checkout  # noqa: F401 - before mmdet

from mmdet.evaluation import evaluate_tables, summarize
from mmdet.evaluation.comparison import (
    SHORT_FRAMES,
    length_name,
    length_table,
    run_scores,
    runs_report,
    scores_by_length,
)
from mmdet.evaluation.report import stats_report
from mmdet.utils import UserError, atomic_write_text, cli_main, unit_interval


def parse_args(argv=None):
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='Video AP and AR of results in YouTube-VIS format, bit for bit the official ones. '
        'A number of -1 is undefined (no ground truth of that kind), not a score.'
    )
    parser.add_argument('ann', metavar='ANN', help='annotation file (json)')
    parser.add_argument(
        'results',
        nargs='+',
        metavar='RESULTS',
        help='json, or the zip with results.json the servers took; several: mean and range of the runs',
    )
    parser.add_argument('--out', metavar='STATS.json', help='write all numbers at full precision')
    parser.add_argument('--iou-type', choices=['segm', 'bbox'], default='segm', help='compare masks or boxes')
    parser.add_argument(
        '--iou-thrs', type=float, nargs='+', metavar='T', help='IoU thresholds (0.50 to 0.95)'
    )
    parser.add_argument(
        '--max-dets',
        type=int,
        nargs='+',
        metavar='N',
        help='predictions per video and category (1 10 100); the twelve numbers need three, one of them 100',
    )
    parser.add_argument(
        '--by-length',
        type=int,
        nargs='*',
        metavar='N',
        help=f'also score videos of up to N frames and longer ones apart ({SHORT_FRAMES})',
    )
    parser.add_argument('--per-category', action='store_true', help='print AP of every category too')
    parser.add_argument(
        '--analyze', action='store_true', help='also print why: lost to detection, masks, identities'
    )
    parser.add_argument('--plot', metavar='DIR', help='draw curves, histograms and the worst videos')
    parser.add_argument(
        '--images', metavar='DIR', help='with --plot: draw the worst videos over their frames in DIR'
    )
    parser.add_argument(
        '--score-thr', type=unit_interval, default=0.5, metavar='S', help='for HOTA and its like (0.5)'
    )
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument('--strict', action='store_true', help='stop at the first kind of defect (default)')
    mode.add_argument(
        '--lenient', action='store_true', help='warn of defects, and score as the official code does'
    )
    parser.add_argument(
        '--format', choices=['table', 'json', 'markdown'], default='table', help='what is printed'
    )
    parser.add_argument(
        '--backend', choices=['auto', 'cython', 'python'], default='auto', help='both give the same bits'
    )
    args = parser.parse_args(argv)
    if args.by_length == []:
        args.by_length = [SHORT_FRAMES]
    return args


def check_arguments(args):
    """Fail before the work if options do not fit, or a place given for input or output is unusable."""
    if len(args.results) > 1 and (args.analyze or args.plot or args.per_category):
        raise UserError('--analyze, --plot and --per-category are for one file of results')
    if args.out is not None and Path(args.out).is_dir():
        raise UserError(f'--out {args.out} is a folder; a file name is expected')
    if args.images is not None:
        if not args.plot or args.iou_type != 'segm':
            raise UserError(
                '--images needs --plot DIR and masks (--iou-type segm): it draws the worst videos'
            )
        if not Path(args.images).is_dir():
            raise UserError(f'--images {args.images}: no such folder')


def say_drawn(paths):
    """Name images and videos that were written."""
    for path in paths:
        print(f'drew {path}', file=sys.stderr)


def write_out(path, content):
    """Write numbers at full precision."""
    try:
        atomic_write_text(path, json.dumps(content, indent=1) + '\n')
    except OSError as error:
        raise UserError(f'--out {path}: {error.strerror or error}') from None


def score(args, results):
    """Evaluation of one file of results, and its summary; warnings are printed."""
    evaluation = evaluate_tables(
        args.ann,
        results,
        iou_type=args.iou_type,
        strict=not args.lenient,
        iou_thrs=args.iou_thrs,
        max_dets=args.max_dets,
        backend=args.backend,
    )
    summary = summarize(evaluation)
    for warning in summary['warnings']:
        print(f'warning: {warning}', file=sys.stderr)
    if args.by_length:
        summary['by_length'] = scores_by_length(evaluation, args.by_length, args.backend)
    return evaluation, summary


def compare(args):
    """Score several files of results, print one table, and write it."""
    runs = []
    for results in args.results:
        evaluation, summary = score(args, results)
        tracking = ('HOTA',) if args.iou_type == 'segm' else ()
        scores = run_scores(evaluation, tracking, args.score_thr, args.backend)
        scores |= {f'AP {length_name(g)}': g['stats']['AP'] for g in summary.get('by_length', ())}
        runs.append({'results': results, 'scores': scores, **summary})
    if None in runs[0]['scores'].values():
        print('note: HOTA needs the package trackeval: pip install trackeval', file=sys.stderr)
    if args.out:
        write_out(args.out, json.loads(runs_report(runs, 'json')))
    print(runs_report(runs, args.format), flush=True)


def examine(args):
    """Score one file of results, print, write, and on request say why and draw."""
    (results,) = args.results
    evaluation, summary = score(args, results)
    if not summary['has_ground_truth'] and (args.analyze or args.plot):
        print('note: no ground truth: there is nothing to analyze or draw', file=sys.stderr)
        args.analyze, args.plot, args.images = False, None, None
    if args.analyze or (args.plot and args.iou_type == 'segm'):
        from mmdet.evaluation.analysis import analyze

        summary['analysis'] = analyze(evaluation, args.score_thr, args.backend)
        for note in summary['analysis']['notes']:
            print(f'note: {note}', file=sys.stderr)
    if args.plot:
        from mmdet.evaluation.analysis import plot_evaluation

        say_drawn(plot_evaluation(evaluation, summary, args.plot))
    if args.out:
        write_out(args.out, summary)
    names = {str(c): name for c, name in evaluation.dataset.categories.items()}
    print(stats_report(summary, names, args.format, args.per_category), flush=True)
    if args.by_length and args.format != 'json':
        print(length_table(summary['by_length'], args.format).rstrip('\n'), flush=True)
    if args.images:  # last: the numbers are there already if a frame is missing
        from mmdet.visualization import render_worst

        worst, folder = summary['analysis']['per_video'], Path(args.plot) / 'worst_videos'
        say_drawn(render_worst(args.ann, results, worst, args.images, folder))


@cli_main
def main(argv=None):
    """Score, print and write."""
    args = parse_args(argv)
    check_arguments(args)
    if len(args.results) > 1:
        compare(args)
    else:
        examine(args)


if __name__ == '__main__':
    main()
