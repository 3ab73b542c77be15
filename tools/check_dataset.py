#!/usr/bin/env python
"""Check an annotation file in YouTube-VIS format: python tools/check_dataset.py ANN [--images DIR]."""

import argparse
import sys
from pathlib import Path

import _checkout  # noqa: F401 - before mmdet

from mmdet.evaluation.checks import check_annotations
from mmdet.evaluation.report import findings_report
from mmdet.utils import Progress, UserError, cli_main


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


def check_images(root, folder, findings):
    """Read every frame: is it there, whole, and of the size the file says?"""
    from mmdet.media import read_image

    folder = Path(folder)
    if not folder.is_dir():
        raise UserError(f'--images {folder}: no such folder')
    frames = [
        (row, video, name)
        for row, video in enumerate(root['videos'])
        if isinstance(video, dict) and isinstance(video.get('file_names'), list)
        for name in video['file_names']
        if isinstance(name, str)
    ]
    with Progress(len(frames), 'images') as progress:
        for row, video, name in frames:
            place = f'videos[{row}] (id {video.get("id")!r}) {name}'
            progress.update()
            if not (folder / name).is_file():
                findings.add('missing_image', place)
                continue
            try:
                height, width = read_image(folder / name).shape[:2]
            except UserError as error:
                findings.add('unreadable_image', f'{place}: {error}')
                continue
            if (height, width) != (video.get('height'), video.get('width')):
                expected = f'{video.get("height")}x{video.get("width")}'
                findings.add('image_size', f'{place} is {height}x{width}, the file says {expected}')
    findings.counts['images'] = len(frames)


@cli_main
def main(argv=None):
    """Check, print, and tell by the exit status."""
    args = parse_args(argv)
    findings, root = check_annotations(args.ann)
    if args.images is not None:
        check_images(root, args.images, findings)
    print(findings_report(findings, args.ann, args.format, args.limit))
    sys.exit(1 if findings.problems else 0)


if __name__ == '__main__':
    main()
