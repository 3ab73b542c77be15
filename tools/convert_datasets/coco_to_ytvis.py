"""COCO json of video frames with track ids (CocoVID among them) to a YouTube-VIS annotation file.

    python tools/convert_datasets/coco_to_ytvis.py coco.json --out ytvis.json
    python tools/convert_datasets/coco_to_ytvis.py coco.json --video-from-path --out ytvis.json

Annotations need track_id or instance_id, images video_id and frame_id; with --video-from-path a folder of
images is a video instead.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from mmdet.formats.builder import write_dataset  # noqa: E402
from mmdet.formats.coco_video import coco_to_ytvis  # noqa: E402
from mmdet.formats.ytvis import read_json  # noqa: E402
from mmdet.utils import cli_main  # noqa: E402


def parse_args(argv=None):
    """Read the command line."""
    parser = argparse.ArgumentParser(description='Bring COCO annotations with track ids to YouTube-VIS.')
    parser.add_argument('coco', metavar='COCO', help='json; annotations have track_id or instance_id')
    parser.add_argument('--out', required=True, metavar='JSON', help='annotation file to write')
    parser.add_argument(
        '--video-from-path',
        action='store_true',
        help='a folder of images is a video, in order of the names (9 before 10)',
    )
    return parser.parse_args(argv)


@cli_main
def main(argv=None):
    """Convert and say what was written."""
    args = parse_args(argv)
    content = coco_to_ytvis(read_json(args.coco), args.coco, args.video_from_path)
    print(write_dataset(args.out, content))


if __name__ == '__main__':
    main()
