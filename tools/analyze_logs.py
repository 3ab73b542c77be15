#!/usr/bin/env python
"""Show what trainings logged: python tools/analyze_logs.py WORK_DIR... [--out PLOT.png] [--keys loss lr]."""

import argparse
import json
import sys

import _checkout  # noqa: F401 - before mmdet

from mmdet.evaluation.logs import (
    choose_keys,
    plot_runs,
    points_csv,
    read_run,
    runs_report,
    short_names,
    summarize_run,
)
from mmdet.utils import UserError, atomic_write_text, check_output, cli_main, unit_interval


def parse_args(argv=None):
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='Loss, learning rate and AP of one or several trainings over iterations: a table, and an '
        'image with a panel for each key. Reads runs that still write, too.'
    )
    parser.add_argument(
        'runs',
        nargs='+',
        metavar='RUN',
        help='work dir, or a log file: scalars.json, or .log.json of mmdetection 1 and 2',
    )
    parser.add_argument(
        '--keys', nargs='+', metavar='KEY', help="what to show, such as 'loss*' (loss lr and AP)"
    )
    parser.add_argument('--out', metavar='FILE', help='draw to this png, pdf or svg file')
    parser.add_argument(
        '--smooth',
        type=unit_interval,
        default=0.0,
        metavar='W',
        help='running mean in the image: weight of what came before, from 0 (none) to below 1, such as 0.9',
    )
    parser.add_argument('--names', nargs='+', metavar='NAME', help='of the runs (short ends of their paths)')
    parser.add_argument('--csv', metavar='FILE', help='write every point: run, key, iteration, value')
    parser.add_argument('--json', metavar='FILE', help='write the numbers of the table')
    return parser.parse_args(argv)


@cli_main
def main(argv=None):
    """Read, print, draw and write."""
    args = parse_args(argv)
    if args.smooth == 1:
        raise UserError('--smooth 1: expected less than 1, which would draw the first value only')
    if args.names is not None and len(args.names) != len(args.runs):
        raise UserError(f'--names: expected {len(args.runs)}, one for each run, got {len(args.names)}')
    runs = [read_run(path) for path in args.runs]
    for run, name in zip(runs, args.names or short_names(args.runs)):
        run.name = name
        for note in run.notes:
            print(f'note: {note}', file=sys.stderr)
    keys = choose_keys(runs, args.keys)
    for output in (args.out, args.csv, args.json):
        if output is not None:
            check_output(output)
    summaries = [summarize_run(run, keys) for run in runs]
    print(runs_report(summaries))
    if args.out is not None:
        plot_runs(runs, keys, args.out, args.smooth)
        print(f'drew {args.out}', file=sys.stderr)
    if args.csv is not None:
        atomic_write_text(args.csv, points_csv(runs, keys))
    if args.json is not None:
        atomic_write_text(args.json, json.dumps(summaries, indent=1) + '\n')


if __name__ == '__main__':
    main()
