"""Folders of PNG masks (DAVIS, palette or gray), one folder a video, to a YouTube-VIS annotation file.

    python tools/convert_datasets/masks_to_ytvis.py masks --images frames --objects objects.csv --out all.json
    python tools/convert_datasets/masks_to_ytvis.py DAVIS/Annotations/480p --images DAVIS/JPEGImages/480p \
        --videos-file DAVIS/ImageSets/2017/train.txt --category object --out davis_train.json

A pixel holds the number of its object, 0 is background, 255 belongs to nobody. Masks that ytvis_to_masks.py
wrote become the annotation file they came from again, by objects.json beside them; with --objects or
--category they are masks like any others.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from mmdet.formats.builder import write_dataset  # noqa: E402
from mmdet.formats.files import check_images, read_name_list  # noqa: E402
from mmdet.formats.manifest import has_manifest  # noqa: E402
from mmdet.formats.mask_folders import mask_folders_to_ytvis  # noqa: E402
from mmdet.formats.object_table import ObjectTable  # noqa: E402
from mmdet.formats.restore import contradictions, restore_dataset  # noqa: E402
from mmdet.utils import UserError, cli_main  # noqa: E402


def parse_args(argv=None):
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='Turn folders of PNG masks into a YouTube-VIS annotation file.'
    )
    parser.add_argument('masks', metavar='MASKS', help='folder with a folder of PNG files for each video')
    parser.add_argument('json', nargs='?', metavar='JSON', help='annotation file to write (or --out)')
    parser.add_argument('--out', metavar='JSON', help='annotation file to write')
    parser.add_argument('--images', metavar='DIR', help='images under the same names; checked to be there')
    parser.add_argument(
        '--objects',
        metavar='FILE',
        help='csv (video,object,category[,iscrowd]) or json; without it and --category: MASKS/objects.json',
    )
    parser.add_argument('--category', metavar='NAME', help='category of objects that the table lacks')
    parser.add_argument('--classes', metavar='A,B,...', help='order of the category ids (alphabetical)')
    parser.add_argument('--videos-file', metavar='FILE', help='take these videos only, one name to a line')
    parser.add_argument('--void', default='255', metavar='N', help='number of no object, or "none" (255)')
    parser.add_argument('--image-suffix', default='.jpg', metavar='.EXT', help='without --images (.jpg)')
    args = parser.parse_args(argv)
    if bool(args.out) == bool(args.json):
        parser.error('name one annotation file to write, by --out')
    args.out = args.out or args.json
    return args


def restore(args):
    """Make the annotation file again that masks came from."""
    if not has_manifest(args.masks):
        raise UserError('give --objects FILE or --category NAME: masks do not say what they show')
    for name in ('classes', 'videos_file'):
        if getattr(args, name):
            option = name.replace('_', '-')
            raise UserError(f'--{option} needs --objects or --category; objects.json has classes and videos')
    content = restore_dataset(args.masks)
    if args.images:
        check_images(args.images, content['videos'])
    print(write_dataset(args.out, content))


@cli_main
def main(argv=None):
    """Convert and say what was written."""
    args = parse_args(argv)
    if not args.objects and not args.category:
        restore(args)
        return
    if args.void != 'none' and not args.void.isdigit():
        raise UserError(f'--void must be a number or "none", got {args.void!r}')
    table = ObjectTable.read(args.objects, args.category) if args.objects else ObjectTable(args.category)
    content, notes = mask_folders_to_ytvis(
        args.masks,
        table,
        images=args.images,
        classes=[name.strip() for name in args.classes.split(',')] if args.classes else None,
        videos=read_name_list(args.videos_file) if args.videos_file else None,
        void=None if args.void == 'none' else int(args.void),
        image_suffix=args.image_suffix,
    )
    if has_manifest(args.masks):
        notes += contradictions(args.masks, table)
    for note in notes:
        print(f'note: {note}', file=sys.stderr)
    print(write_dataset(args.out, content))


if __name__ == '__main__':
    main()
