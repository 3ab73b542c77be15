#!/usr/bin/env python
"""Rendered frames as an animation for a web page: python demo/make_animation.py DIR --out x.webp."""

import argparse
from pathlib import Path

import _checkout  # noqa: F401 - before mmdet

from mmdet.utils import UserError, atomic_open, cli_main


@cli_main
def main(argv=None):
    """Crop, scale and write."""
    parser = argparse.ArgumentParser(
        description='Make an animation (.webp or .gif) of the frames that tools/test_video.py --show-dir '
        'and tools/visualize.py write.'
    )
    parser.add_argument('folder', metavar='DIR', help='folder of .jpg frames')
    parser.add_argument('--out', required=True, metavar='FILE', help='.webp is far smaller than .gif')
    parser.add_argument('--width', type=int, default=800, help='in pixels (800)')
    parser.add_argument('--height', type=int, help='of the upper part to keep, in pixels of the frames')
    parser.add_argument('--fps', type=float, default=6.0, help='frames per second (6)')
    parser.add_argument('--quality', type=int, default=60, help='of .webp, 0 to 100 (60)')
    args = parser.parse_args(argv)
    from PIL import Image

    files = sorted(Path(args.folder).glob('*.jpg'))
    if not files:
        raise UserError(f'{args.folder}: no .jpg frames')
    kind = Path(args.out).suffix.lower()
    if kind not in ('.webp', '.gif'):
        raise UserError(f'--out {args.out}: expected a name that ends in .webp or .gif')
    images = []
    for file in files:
        with Image.open(file) as frame:
            image = frame.crop((0, 0, frame.width, min(args.height or frame.height, frame.height)))
        size = args.width, max(1, round(image.height * args.width / image.width))
        images.append(image.resize(size, Image.Resampling.LANCZOS))
    style = {'quality': args.quality, 'method': 6} if kind == '.webp' else {}
    duration = round(1000 / args.fps)
    with atomic_open(args.out, 'wb') as file:
        images[0].save(
            file, kind[1:], save_all=True, append_images=images[1:], duration=duration, loop=0, **style
        )
    print(
        f'{args.out}: {len(images)} frames, {size[0]}x{size[1]}, {Path(args.out).stat().st_size / 1e6:.1f} MB'
    )


if __name__ == '__main__':
    main()
