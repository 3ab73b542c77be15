#!/usr/bin/env python
"""Folders of indexed PNG masks to YouTube-VIS: masks_to_ytvis.py MASKS OUT.json --category NAME."""

import argparse
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from mmdet.datasets.convert.masks import video_from_masks  # noqa: E402
from mmdet.utils import UserError, atomic_write_text, cli_main  # noqa: E402


@cli_main
def main(argv=None):
    """Convert every folder of MASKS as one video of objects of one category."""
    parser = argparse.ArgumentParser(description='Indexed PNG masks to YouTube-VIS; 0 and 255 are no object.')
    parser.add_argument('masks', help='folder with one folder of PNG masks per video')
    parser.add_argument('out', help='annotation file to write')
    parser.add_argument('--category', required=True, help='name of the category of all objects')
    args = parser.parse_args(argv)
    if not Path(args.masks).is_dir():
        raise UserError(f'{args.masks}: no such folder')
    root = dict(videos=[], categories=[dict(id=1, name=args.category)], annotations=[])
    for number, folder in enumerate(sorted(p for p in Path(args.masks).iterdir() if p.is_dir()), 1):
        first = len(root['annotations']) + 1
        video, tracks = video_from_masks(args.masks, folder.name, number, lambda identity: 1, first)
        root['videos'].append(video)
        root['annotations'] += tracks
    if not root['annotations']:
        raise UserError(f'{args.masks}: expected a folder of PNG masks for each video, found no object')
    atomic_write_text(args.out, json.dumps(root))
    print(f'wrote {args.out}: {len(root["videos"])} videos, {len(root["annotations"])} objects')


if __name__ == '__main__':
    main()
