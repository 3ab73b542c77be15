"""A YouTube-VIS annotation file, or results for it, to PNG masks with a palette, one a frame.

    python tools/convert_datasets/ytvis_to_masks.py ANN --out masks
    python tools/convert_datasets/ytvis_to_masks.py ANN --results results.json --score-thr 0.3 --out masks

A mask is named as its frame is; objects.json in the folder says what the numbers mean. Objects of an
annotation file that overlap go to further images in _layer1, ...; of results a pixel goes to the one
of higher score.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from mmdet.formats.export_masks import export_masks  # noqa: E402
from mmdet.formats.ytvis import load_ytvis  # noqa: E402
from mmdet.utils import cli_main  # noqa: E402


def parse_args(argv=None):
    """Read the command line."""
    parser = argparse.ArgumentParser(description='Write annotations or results as PNG masks.')
    parser.add_argument('ann', metavar='ANN', help='annotation file in YouTube-VIS format')
    parser.add_argument('--out', required=True, metavar='DIR', help='folder to write to')
    parser.add_argument('--results', metavar='JSON', help='take the objects from results')
    parser.add_argument(
        '--score-thr', type=float, default=0.0, metavar='S', help='leave out results below (0)'
    )
    parser.add_argument('--flatten', action='store_true', help='one image a frame; small objects on top')
    parser.add_argument('--csv', metavar='FILE', help='also write the table video,object,category,iscrowd')
    return parser.parse_args(argv)


@cli_main
def main(argv=None):
    """Convert and say what was written."""
    args = parse_args(argv)
    count = export_masks(
        load_ytvis(args.ann), args.out, args.results, args.score_thr, flatten=args.flatten, csv=args.csv
    )
    print(f'wrote {args.out}: {count["frames"]} frames, {count["objects"]} objects')
    if count['layers'] > 1:
        print(f'note: objects overlap and are spread over {count["layers"]} layers', file=sys.stderr)
    if count['hidden']:
        print(f'note: {count["hidden"]} pixels of objects lie under another object', file=sys.stderr)
    if count['empty']:
        print(f'note: {count["empty"]} objects without a pixel are left out', file=sys.stderr)


if __name__ == '__main__':
    main()
