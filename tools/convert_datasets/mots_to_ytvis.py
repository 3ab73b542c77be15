"""KITTI MOTS or MOTSChallenge, txt files or folders of png, to a YouTube-VIS annotation file.

    python tools/convert_datasets/mots_to_ytvis.py instances_txt/*.txt --images image_02 --out mots.json
    python tools/convert_datasets/mots_to_ytvis.py instances/0002 --images image_02 --out one.json
    python tools/convert_datasets/mots_to_ytvis.py train/*/gt/gt.txt --images train --classes 2=pedestrian \
        --out mots20.json

The name of a file or folder (of NAME/gt/gt.txt: NAME) is that of its folder of images below --images. The
file_names of the result are relative to --images.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from mmdet.formats.builder import write_dataset  # noqa: E402
from mmdet.formats.mots import mots_to_ytvis  # noqa: E402
from mmdet.utils import UserError, cli_main  # noqa: E402


def parse_args(argv=None):
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='Bring KITTI MOTS or MOTSChallenge to YouTube-VIS. '
        'Regions to ignore become crowd tracks of every class.'
    )
    parser.add_argument('sequences', nargs='+', metavar='SEQUENCE', help='txt file, or folder of png')
    parser.add_argument('--images', required=True, metavar='DIR', help='holds a folder for each sequence')
    parser.add_argument('--out', required=True, metavar='JSON', help='annotation file to write')
    parser.add_argument(
        '--classes',
        nargs='+',
        default=['1=car', '2=pedestrian'],
        metavar='ID=NAME',
        help='names of the class ids (1=car 2=pedestrian)',
    )
    return parser.parse_args(argv)


def read_classes(items):
    """dict[int, str]: ``ID=NAME`` as class id and name."""
    classes = {}
    for item in items:
        number, _, name = item.partition('=')
        if not (number.isascii() and number.isdigit()) or not name:
            raise UserError(f'--classes: expected ID=NAME, got {item!r}')
        if int(number) in classes or name in classes.values():
            raise UserError(f'--classes: {item!r} repeats an id or a name')
        classes[int(number)] = name
    return classes


@cli_main
def main(argv=None):
    """Convert and say what was written."""
    args = parse_args(argv)
    print(write_dataset(args.out, mots_to_ytvis(args.sequences, args.images, read_classes(args.classes))))


if __name__ == '__main__':
    main()
