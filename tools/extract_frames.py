"""Write the frames of a video as images: python tools/extract_frames.py VIDEO --out data/frames/NAME.

Frames are numbered from 0, as label tools do it (000000.jpg, ...). The folder appears when it is complete.
"""

import argparse

import _checkout  # noqa: F401 - before mmdet

from mmdet.media import VideoReader, write_image
from mmdet.utils import IMAGE_SUFFIXES, Progress, Scratch, UserError, cli_main


def parse_args(argv=None):
    """Read the command line."""
    parser = argparse.ArgumentParser(description='Write the frames of a video as images.')
    parser.add_argument('video', metavar='VIDEO', help='video file')
    parser.add_argument('--out', required=True, metavar='DIR', help='folder to write, which must be new')
    parser.add_argument('--every', type=int, default=1, metavar='N', help='every N-th frame only (1)')
    parser.add_argument(
        '--suffix',
        choices=IMAGE_SUFFIXES,
        default='.jpg',
        help='kind of the images (.jpg); .png loses nothing, and needs several times the space',
    )
    return parser.parse_args(argv)


@cli_main
def main(argv=None):
    """Write the frames; their names are the numbers of the frames in the video."""
    args = parse_args(argv)
    if args.every < 1:
        raise UserError(f'--every must be at least 1, got {args.every}')
    reader, count, error = VideoReader(args.video), 0, None
    scratch = Scratch(args.out, folder=True)
    if scratch.path.exists() and (not scratch.path.is_dir() or any(scratch.path.iterdir())):
        scratch.discard()
        raise UserError(f'{args.out} exists: choose a new folder, so that frames of two videos do not mix')
    with scratch, Progress(reader.count, 'frames') as progress:
        try:
            for number, image in enumerate(reader):
                if number % args.every == 0:
                    write_image(scratch.temporary / f'{number:06d}{args.suffix}', image, quality=95)
                    count += 1
                progress.update()
        except UserError as damage:  # at its end: the frames before are kept
            if not count:
                raise
            error = damage
    print(f'wrote {args.out}: {count} frames')
    if error is not None:
        raise error


if __name__ == '__main__':
    main()
