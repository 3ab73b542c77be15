#!/usr/bin/env python
"""Check an annotation file in YouTube-VIS format: python tools/check_dataset.py ANN [--images DIR]."""

import argparse
import sys

import _checkout  # noqa: F401 - before mmdet

from mmdet.evaluation.checks import check_annotations
from mmdet.evaluation.report import findings_report
from mmdet.utils import cli_main


def parse_args(argv=None):
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='Name every problem of an annotation file in YouTube-VIS format with its place.',
        epilog='Exit status: 0 without problems, 1 with problems, 2 if the file cannot be read at all.',
    )
    parser.add_argument('ann', metavar='ANN', help='annotation file (json)')
    parser.add_argument(
        '--images', metavar='DIR', help='folder that "file_names" are relative to; reads them all'
    )
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
    findings = check_annotations(args.ann, args.images)
    print(findings_report(findings, args.ann, args.format, args.limit))
    sys.exit(1 if findings.problems else 0)


if __name__ == '__main__':
    main()
