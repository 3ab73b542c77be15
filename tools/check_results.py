#!/usr/bin/env python
"""Check results before they are scored or sent: python tools/check_results.py ANN RESULTS."""

import argparse
import sys

import _checkout  # noqa: F401 - before mmdet

from mmdet.evaluation.checks import check_predictions
from mmdet.evaluation.report import findings_report
from mmdet.utils import cli_main


def parse_args(argv=None):
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='Name every problem of results in YouTube-VIS format with its place. '
        'ANN may be the file of a test set: annotations are not needed.',
        epilog='Exit status: 0 without problems, 1 with problems, 2 if a file cannot be read at all.',
    )
    parser.add_argument('ann', metavar='ANN', help='annotation file (json)')
    parser.add_argument('results', metavar='RESULTS', help='json, or the zip with results.json')
    parser.add_argument(
        '--limit', type=int, metavar='N', help='show at most N places of each kind (all of them)'
    )
    parser.add_argument(
        '--format', choices=['table', 'json', 'markdown'], default='table', help='what is printed'
    )
    return parser.parse_args(argv)


@cli_main
def main(argv=None):
    """Check, print, and tell by the exit status."""
    args = parse_args(argv)
    findings = check_predictions(args.ann, args.results)
    print(findings_report(findings, args.results, args.format, args.limit))
    sys.exit(1 if findings.problems else 0)


if __name__ == '__main__':
    main()
