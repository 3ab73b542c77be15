#!/usr/bin/env python
"""Many frames of rendered videos on one image: python demo/make_contact_sheet.py DIR --out sheet.jpg."""

import argparse
from pathlib import Path

import _checkout  # noqa: F401 - before mmdet

from mmdet.utils import cli_main


@cli_main
def main(argv=None):
    """Lay out and write."""
    parser = argparse.ArgumentParser(
        description='Put frames of rendered videos on one image, a row per video.'
    )
    parser.add_argument('folder', metavar='SHOW_DIR', help='folder of tools/test_video.py --show-dir')
    parser.add_argument('--out', help='default: SHOW_DIR/contact_sheet.jpg')
    parser.add_argument('--rows', type=int, default=6, help='number of videos')
    parser.add_argument('--columns', type=int, help='frames per video; default: 5, or 3 if images are wide')
    parser.add_argument('--cell-width', type=int, help='width of a frame in pixels; default: by its shape')
    args = parser.parse_args(argv)
    from mmdet.media import write_image
    from mmdet.visualization import sheet_of_folder

    out = Path(args.out or Path(args.folder) / 'contact_sheet.jpg')
    write_image(out, sheet_of_folder(args.folder, args.rows, args.columns, cell_width=args.cell_width))
    print(out)


if __name__ == '__main__':
    main()
