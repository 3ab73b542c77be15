#!/usr/bin/env python
"""COCO json with track ids to YouTube-VIS: python tools/convert_datasets/coco_to_ytvis.py COCO --out JSON."""

import argparse
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from mmdet.datasets.convert.coco import coco_to_ytvis  # noqa: E402
from mmdet.structures.ytvis import read_json  # noqa: E402
from mmdet.utils import atomic_write_text, cli_main  # noqa: E402


@cli_main
def main(argv=None):
    """Convert."""
    parser = argparse.ArgumentParser(description='Bring COCO annotations with track ids to YouTube-VIS.')
    parser.add_argument('coco', metavar='COCO', help='json; annotations have track_id or instance_id')
    parser.add_argument('--out', required=True, metavar='JSON')
    parser.add_argument(
        '--video-from-path',
        action='store_true',
        help='a folder of pictures is a video, in order of the names',
    )
    args = parser.parse_args(argv)
    root = coco_to_ytvis(read_json(args.coco), args.coco, args.video_from_path)
    atomic_write_text(args.out, json.dumps(root))
    print(f'{args.out}: {len(root["videos"])} videos, {len(root["annotations"])} tracks')


if __name__ == '__main__':
    main()
