#!/usr/bin/env python
"""Track objects through a video: python demo/video_demo.py VIDEO CONFIG CHECKPOINT --out out.webm."""

import argparse
import contextlib
import itertools
import json
import os
import signal
import sys
from pathlib import Path
from urllib.parse import urlsplit

import _checkout  # noqa: F401 - before mmdet

from mmdet.utils import (
    Interrupted,
    Progress,
    UserError,
    add_options,
    atomic_write_text,
    check_output,
    cli_main,
    exclusive,
    uninterrupted,
)


def parse_args(argv=None):
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='Detect, segment and track the objects of a video file or of a folder of frames. '
        'The video streams through: its length does not matter for memory.'
    )
    parser.add_argument(
        'video', help='video file, folder of images in the order of their names, or address (rtsp://...)'
    )
    parser.add_argument('config', help='config file, also one of 2019')
    parser.add_argument('checkpoint', help='weights')
    parser.add_argument(
        '--out',
        metavar='FILE',
        help='video to write (.mp4, .webm, .mkv, .mov, .avi, .gif); default: VIDEO_tracks.webm',
    )
    parser.add_argument(
        '--json', metavar='FILE', help='write the tracks too, as YouTube-VIS results of video 1'
    )
    parser.add_argument('--frames', metavar='DIR', help='write the images too, DIR/00000.jpg, ...')
    parser.add_argument(
        '--score-thr', type=float, default=0.3, metavar='S', help='draw objects of at least S (0.3)'
    )
    parser.add_argument('--boxes', action='store_true', help='draw boxes too')
    parser.add_argument(
        '--fps', type=float, metavar='F', help='of the output; default: as the input (folder: 6)'
    )
    parser.add_argument('--max-frames', type=int, metavar='N', help='stop after N frames')
    parser.add_argument(
        '--batch-size', type=int, default=1, metavar='N', help='frames that go through together'
    )
    add_options(parser, 'cfg-options', 'device', 'trust-checkpoint')
    args = parser.parse_args(argv)
    for name in ('batch_size', 'max_frames', 'fps'):
        value = getattr(args, name)
        if value is not None and value <= 0:
            parser.error(f'--{name.replace("_", "-")} must be above 0')
    return args


def default_out(video):
    """``clip.mp4`` gives ``clip_tracks.webm``, the folder ``clip/`` too; an address a file in this folder."""
    from mmdet.media import is_address

    if is_address(video):
        name = Path(urlsplit(video).path).stem or 'stream'
        return Path(f'{name}_tracks.webm')
    path = Path(os.path.abspath(video))
    return path.with_name(f'{path.stem if path.is_file() else path.name}_tracks.webm')


def category_ids(model):
    """Category ids for ``--json``: those of the checkpoint, else 1, 2, ..."""
    if model.tracker is None:
        raise UserError(
            f'--json: {type(model).__name__} does not track: --cfg-options model.tracker.type=IoUTracker'
        )
    classes = model.dataset_meta.get('classes') or range(model.bbox_head.num_classes)
    return model.dataset_meta.get('cat_ids') or list(range(1, len(classes) + 1))


def open_writer(args, reader):
    """Writer of the video; None if frames have several sizes and only --json or --frames was asked for."""
    from mmdet.media import VideoWriter

    try:
        reader.check_size()
    except UserError as error:
        if args.out or not (args.json or args.frames):
            raise UserError(f'{error}, or use --json or --frames without --out') from None
        print(f'no video is written: {error}', file=sys.stderr)
        return None
    return VideoWriter(args.out or default_out(args.video), args.fps or reader.fps)


class Outputs:
    """What is written: the video, images and tracks, all of the same frames."""

    def __init__(self, args, model, writer):
        from mmdet.formats.video_tracks import VideoTracks

        self.args, self.writer, self.count, self.found = args, writer, 0, 0
        self.classes = model.dataset_meta.get('classes')
        self.cat_ids = category_ids(model) if args.json else None
        self.tracks = VideoTracks(1, box_offset=model.bbox_head.bbox_coder.offset if args.json else 1)

    def add(self, frame, pred):
        """Draw and write one frame."""
        from mmdet.media import write_image
        from mmdet.visualization import draw_instances

        args, index = self.args, self.count
        self.found += int((pred.scores >= args.score_thr).sum())
        drawn = draw_instances(
            frame, pred, self.classes, score_thr=args.score_thr, draw_boxes=args.boxes or None
        )
        if self.writer:
            self.writer.write(drawn)
        if args.frames:
            write_image(Path(args.frames) / f'{index:05d}.jpg', drawn)
        if args.json:
            places = {key: pred[key] for key in (['masks'] if 'masks' in pred else ['bboxes'])}
            self.tracks.add(index, pred.instance_ids, pred.scores, pred.labels, **places)
        self.count += 1

    def finish(self):
        """Complete the files and say what they hold."""
        if not self.count:
            return
        written = [self.args.frames] if self.args.frames else []
        if self.args.json:
            atomic_write_text(self.args.json, json.dumps(self.tracks.entries(self.cat_ids)))
            written.append(f'tracks: {self.args.json}')
        if self.writer:
            self.writer.close()
            written.insert(0, str(self.writer.path))
        print(f'{self.count} frames: {", ".join(written)}')
        if not self.found:
            print(
                f'note: no object reached --score-thr {self.args.score_thr:g} in any frame', file=sys.stderr
            )


def track(args, model, reader, outputs):
    """Track through the video. However it ends, the outputs hold the frames that were done."""
    from mmdet.apis import inference_video

    frames = itertools.islice(reader, args.max_frames)
    total = min((count for count in (reader.count, args.max_frames) if count), default=None)
    try:
        with Progress(total, 'frames') as progress:
            for frame, sample in inference_video(model, frames, args.batch_size, with_frames=True):
                with uninterrupted():
                    outputs.add(frame, sample.pred_instances)
                progress.update()
    except KeyboardInterrupt as error:
        message = f'interrupted before frame {outputs.count} of {args.video}'
        raise Interrupted(message, getattr(error, 'number', signal.SIGINT)) from None
    finally:
        with uninterrupted():
            outputs.finish()


@cli_main
def main(argv=None):
    """Track and draw."""
    args = parse_args(argv)
    import torch

    from mmdet.apis import init_detector
    from mmdet.media import VideoReader

    reader = VideoReader(args.video)  # first, as it is quick to fail
    writer = open_writer(args, reader)
    outputs = [os.path.realpath(path) for path in (args.json, writer and writer.path) if path]
    if len(outputs) > len(set(outputs)):
        raise UserError(f'--out and --json are both {args.json}')
    if args.frames and reader.files and os.path.realpath(args.frames) == os.path.realpath(args.video):
        raise UserError(f'--frames {args.frames} is the folder to be read: choose another')
    device = args.device or ('cuda' if torch.cuda.is_available() else 'cpu')
    model = init_detector(args.config, args.checkpoint, device, args.trust_checkpoint, args.cfg_options)
    if args.json:  # before the work; config and checkpoint were read
        check_output(args.json)
    with contextlib.ExitStack() as stack:
        for path in outputs:
            stack.enter_context(exclusive(f'{path}.lock', f'{path} is being written by another command'))
        track(args, model, reader, Outputs(args, model, writer))


if __name__ == '__main__':
    main()
