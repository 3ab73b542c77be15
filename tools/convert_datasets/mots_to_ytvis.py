#!/usr/bin/env python
"""MOTS to YouTube-VIS: python tools/convert_datasets/mots_to_ytvis.py TXT... --images DIR --out JSON."""

import argparse
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from mmdet.datasets.convert.mots import mots_to_ytvis  # noqa: E402
from mmdet.utils import UserError, atomic_write_text, cli_main  # noqa: E402


@cli_main
def main(argv=None):
    """Convert."""
    parser = argparse.ArgumentParser(
        description='Bring KITTI MOTS or MOTSChallenge txt files to YouTube-VIS.'
    )
    parser.add_argument(
        'txt',
        nargs='+',
        help='a file, or a folder of png, per sequence; its stem names the folder of pictures',
    )
    parser.add_argument('--images', required=True, metavar='DIR', help='holds a folder for each sequence')
    parser.add_argument('--out', required=True, metavar='JSON')
    parser.add_argument('--classes', nargs='+', default=['1=car', '2=pedestrian'], metavar='ID=NAME')
    args = parser.parse_args(argv)
    classes = {}
    for item in args.classes:
        number, _, name = item.partition('=')
        if not number.isdigit() or not name:
            raise UserError(f'--classes: expected ID=NAME, got {item!r}')
        classes[int(number)] = name
    root = mots_to_ytvis(args.txt, args.images, classes)
    atomic_write_text(args.out, json.dumps(root))
    print(f'{args.out}: {len(root["videos"])} videos, {len(root["annotations"])} tracks')


if __name__ == '__main__':
    main()
