#!/usr/bin/env python
"""Track objects through a video: python demo/video_demo.py INPUT --out tracked.mp4."""

import argparse
import glob
import os
import sys
from pathlib import Path
from urllib.parse import urlsplit

import _checkout  # noqa: F401 - before mmdet

from mmdet.apis.model_zoo import add_model_options, choose_model
from mmdet.utils import ListAction, UserError, add_options, cli_main, unit_interval

DEFAULT_MODEL = 'maskrcnn_r50_fpn_v2_coco'  # 80 classes of COCO


def parse_args(argv=None):
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='Detect, segment and track the objects of a video. The video streams through: its length '
        'does not matter for memory. After Ctrl-C the outputs hold the frames that were done.'
    )
    parser.add_argument(
        'input',
        help='video file; folder or pattern ("frames/*.jpg") of images, in the order of their names; address '
        '(https://..., rtsp://...); or number of a camera (0)',
    )
    parser.add_argument('config', nargs='?', help='config file, also one of 2019')
    parser.add_argument('checkpoint', nargs='?', help=f'weights; default: --model {DEFAULT_MODEL}')
    add_model_options(parser)
    _add_outputs(parser)
    _add_choices(parser)
    add_options(parser, 'cfg-options', 'device', 'speed', 'trust-checkpoint')
    args = parser.parse_intermixed_args(argv)  # INPUT --out FILE CONFIG CHECKPOINT, too
    for name in ('batch_size', 'max_frames', 'fps', 'stride'):
        value = getattr(args, name)
        if value is not None and not 0 < value < float('inf'):
            parser.error(f'--{name.replace("_", "-")} must be above 0')
    for name in ('start', 'end', 'trails'):
        if (getattr(args, name) or 0) < 0:
            parser.error(f'--{name} must not be negative')
    if args.end is not None and args.end <= args.start:
        parser.error('--end must be above --start')
    if args.config is None and args.model is None:
        args.model = DEFAULT_MODEL
    choose_model(args, parser)
    return args


def _add_outputs(parser):
    group = parser.add_argument_group('outputs')
    group.add_argument(
        '--out',
        metavar='FILE',
        help='video to write (.mp4, .webm, .gif, .mkv, .mov, .avi); default: INPUT_tracks.webm',
    )
    group.add_argument(
        '--json',
        metavar='FILE',
        help='tracks with masks, boxes and scores, as YouTube-VIS results of video 1',
    )
    group.add_argument(
        '--masks', metavar='DIR', help='an indexed PNG for each frame; values are the numbers of the objects'
    )
    group.add_argument('--frames', metavar='DIR', help='the drawn images, DIR/00000.jpg, ...')
    group.add_argument('--boxes', action='store_true', help='draw boxes too')
    group.add_argument(
        '--trails', type=int, default=0, metavar='N', help='draw the ways of the last N frames'
    )
    group.add_argument(
        '--opacity', type=unit_interval, default=0.45, metavar='A', help='of the colors over objects (0.45)'
    )
    group.add_argument(
        '--fps', type=float, metavar='F', help='of the output; default: the times of the input (images: 6)'
    )


def _add_choices(parser):
    group = parser.add_argument_group('what is tracked')
    group.add_argument('--classes', action=ListAction, metavar='NAME', help='keep these classes only')
    group.add_argument(
        '--score-thr',
        type=unit_interval,
        metavar='S',
        help='keep objects of at least S in all outputs. Without it video and masks show those of 0.3 and '
        'more, and --json has all, as the results of tools/test_video.py',
    )
    group.add_argument('--start', type=int, default=0, metavar='N', help='first frame, from 0')
    group.add_argument('--end', type=int, metavar='N', help='frame to stop before')
    group.add_argument('--stride', type=int, default=1, metavar='N', help='take every N-th frame')
    group.add_argument('--max-frames', type=int, metavar='N', help='stop after N frames')
    group.add_argument(
        '--batch-size', type=int, default=1, metavar='N', help='frames that go through together'
    )
    group.add_argument(
        '--resume', action='store_true', help='continue an interrupted run with the same arguments'
    )


def default_out(source):
    """``clip.mp4`` gives ``clip_tracks.webm``, the folder ``clip/`` too; others a file in this folder."""
    from mmdet.media import is_address

    if is_address(source):
        name = Path(urlsplit(source).path).stem or 'stream'
        return Path(f'{name}_tracks.webm')
    if not os.path.exists(source):  # a camera or a pattern
        if glob.has_magic(source):
            folder = Path(os.path.abspath(source)).parent
            return Path('images_tracks.webm') if glob.has_magic(str(folder)) else default_out(str(folder))
        return Path(f'camera{source}_tracks.webm')
    path = Path(os.path.abspath(source))
    return path.with_name(f'{path.stem if path.is_file() else path.name}_tracks.webm')


def video_out(args, reader):
    """Path of the video; None if frames have several sizes and only other outputs were asked for."""
    from mmdet.media.video_reader import SizesDiffer

    try:
        reader.check_size()
    except SizesDiffer as error:
        if args.out or not (args.json or args.frames or args.masks):
            raise UserError(f'{error}, or use --json, --masks or --frames without --out') from None
        print(f'note: no video is written: {error}', file=sys.stderr)
        return None
    return Path(args.out) if args.out else default_out(args.input)


def options_of(args, out):
    """The options of :func:`mmdet.apis.track_video`."""
    from mmdet.apis import VideoOptions

    ends = [args.end] if args.end is not None else []
    if args.max_frames is not None:
        ends.append(args.start + (args.max_frames - 1) * args.stride + 1)
    json, masks, frames = (Path(path) if path else None for path in (args.json, args.masks, args.frames))
    return VideoOptions(
        out=out,
        json=json,
        masks=masks,
        frames=frames,
        fps=args.fps,
        classes=tuple(args.classes) if args.classes else None,
        score_thr=args.score_thr,
        start=args.start,
        end=min(ends, default=None),
        stride=args.stride,
        batch_size=args.batch_size,
        boxes=args.boxes,
        trails=args.trails,
        opacity=args.opacity,
    )


def check_folders(args, reader):
    """Refuse folders of outputs that hold the images to be read."""
    folders = {os.path.realpath(file.parent) for file in reader.files or ()}
    for name in ('masks', 'frames'):
        if getattr(args, name) and os.path.realpath(getattr(args, name)) in folders:
            raise UserError(f'--{name} {getattr(args, name)} is the folder to be read: choose another')


@cli_main
def main(argv=None):
    """Track and draw."""
    args = parse_args(argv)
    import torch

    from mmdet.apis import init_detector, track_video
    from mmdet.media import VideoReader
    from mmdet.media.video_writer import check_suffix

    reader = VideoReader(args.input)  # first, as it is quick to fail
    out = video_out(args, reader)
    if out:
        check_suffix(out)
    check_folders(args, reader)
    device = args.device or ('cuda' if torch.cuda.is_available() else 'cpu')
    model = init_detector(
        args.config,
        args.checkpoint,
        device,
        args.trust_checkpoint,
        args.cfg_options,
        precision=args.precision,
        compile=args.compile,
    )
    track_video(model, reader, options_of(args, out), args.resume)


if __name__ == '__main__':
    main()
