"""Make a synthetic dataset in YouTube-VIS format.

python tools/make_synthetic_dataset.py data/synthetic --train-videos 40 --val-videos 8 --seed 0
"""

import argparse

import _checkout  # noqa: F401 - before mmdet

from mmdet.synthetic import SHAPES, generate_dataset
from mmdet.utils import cli_main


def parse_args(argv=None):
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='Make a synthetic dataset in YouTube-VIS format.',
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument('out', help='folder to create')
    parser.add_argument('--train-videos', type=int, default=40)
    parser.add_argument('--val-videos', type=int, default=8)
    parser.add_argument('--frames', type=int, default=12, help='frames per video')
    parser.add_argument('--size', type=int, nargs=2, default=(160, 96), metavar=('WIDTH', 'HEIGHT'))
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--difficulty', type=float, default=0.4, help='from 0 (easy) to 1 (hard)')
    parser.add_argument(
        '--categories', type=int, default=5, help=f'number of categories, up to {len(SHAPES)}'
    )
    parser.add_argument('--quality', type=int, default=95, help='of the JPEG files')
    parser.add_argument('--overwrite', action='store_true', help='replace a folder with other content')
    return parser.parse_args(argv)


@cli_main
def main(argv=None):
    """Make the dataset."""
    args = parse_args(argv)
    out = generate_dataset(**vars(args))
    print(f'wrote {out}: {args.train_videos} training and {args.val_videos} validation videos')


if __name__ == '__main__':
    main()
