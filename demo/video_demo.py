#!/usr/bin/env python
"""Track objects through your own video: python demo/video_demo.py VIDEO CONFIG CHECKPOINT --out out.webm."""

import argparse
import json
import os
import sys
from pathlib import Path

import _checkout  # noqa: F401 - before mmdet

# A damaged video is reported in one line; the decoder's own lines say nothing more to a person.
os.environ.setdefault('OPENCV_FFMPEG_LOGLEVEL', '-8')

from mmdet.utils import Progress, UserError, atomic_open, cli_main


def parse_args(argv=None):
    """Read the command line."""
    from mmengine.config import DictAction

    parser = argparse.ArgumentParser(
        description='Detect, segment and track the objects of a video file or of a folder of frames. '
        'The video streams through: its length does not matter for memory.'
    )
    parser.add_argument('video', help='video file, or folder of images in the order of their names')
    parser.add_argument('config', help='config file, also one of 2019')
    parser.add_argument('checkpoint', help='weights')
    parser.add_argument(
        '--out',
        metavar='FILE',
        help='video to write; default: VIDEO_tracks.webm; .webm plays in browsers, .mp4 is quicker to write',
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
    parser.add_argument('--device', default=None, help='cpu, cuda, cuda:1; default: a GPU if there is one')
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=DictAction,
        default={},
        metavar='KEY=VALUE',
        help='change the config',
    )
    parser.add_argument(
        '--trust-checkpoint', action='store_true', help='unpickle the checkpoint even if that can run code'
    )
    args = parser.parse_args(argv)
    for name in ('batch_size', 'max_frames', 'fps'):
        value = getattr(args, name)
        if value is not None and value <= 0:
            parser.error(f'--{name.replace("_", "-")} must be above 0')
    return args


def default_out(video):
    """``clip.mp4`` gives ``clip_tracks.webm``, the folder ``clip/`` too."""
    path = Path(video)
    return path.with_name(f'{path.stem if path.is_file() else path.name}_tracks.webm')


class TrackCollector:
    """Tracks of one video whose length is known at its end only, for ``--json``."""

    def __init__(self, model):
        from mmdet.formats.results import VideoTracks

        if not hasattr(model, 'tracker'):
            raise UserError(f'--json: {type(model).__name__} does not track')
        # More frames than any video has; set right when it ends.
        self.tracks = VideoTracks(1, sys.maxsize)
        classes = model.dataset_meta.get('classes') or range(model.bbox_head.num_classes)
        self.cat_ids = model.dataset_meta.get('cat_ids') or list(range(1, len(classes) + 1))

    def add(self, index, pred):
        """Take a frame."""
        self.tracks.add(index, pred.instance_ids, pred.scores, pred.labels, pred.masks)

    def write(self, path, length):
        """Write the json."""
        self.tracks.length = length
        with atomic_open(path) as file:
            json.dump(self.tracks.entries(self.cat_ids), file)


def track(args, model, reader, frames):
    """Walk through the video; returns the path of the video written and the number of frames."""
    from mmdet.apis import inference_video
    from mmdet.media import VideoWriter, write_image
    from mmdet.visualization import draw_instances

    collector = TrackCollector(model) if args.json else None
    classes = model.dataset_meta.get('classes')
    out = Path(args.out or default_out(args.video))
    total = min(reader.count or sys.maxsize, args.max_frames or sys.maxsize)
    with (
        VideoWriter(out, args.fps or reader.fps) as writer,
        Progress(total if total < sys.maxsize else None, 'frames') as progress,
    ):
        for index, (frame, sample) in enumerate(
            inference_video(model, frames, args.batch_size, with_frames=True)
        ):
            pred = sample.pred_instances
            style = {'score_thr': args.score_thr, 'draw_boxes': args.boxes or None}
            image = draw_instances(frame, pred, classes, **style)
            writer.write(image)
            if args.frames:
                write_image(Path(args.frames) / f'{index:05d}.jpg', image)
            if collector is not None:
                collector.add(index, pred)
            progress.update()
    if collector is not None:
        collector.write(args.json, writer.frames)
    return writer.path, writer.frames


@cli_main
def main(argv=None):
    """Track and draw."""
    args = parse_args(argv)
    from itertools import islice

    import torch

    from mmdet.apis import init_detector
    from mmdet.media import VideoReader

    reader = VideoReader(args.video)  # first, as it is quick to fail
    device = args.device or ('cuda' if torch.cuda.is_available() else 'cpu')
    model = init_detector(args.config, args.checkpoint, device, args.trust_checkpoint, args.cfg_options)
    frames = islice(reader, args.max_frames) if args.max_frames else reader
    path, count = track(args, model, reader, frames)
    print(f'{count} frames: {path}' + (f', tracks: {args.json}' if args.json else ''))
    missing = reader.missing() if not args.max_frames else 0
    if missing:
        raise UserError(
            f'{args.video}: only {reader.read} of {reader.count} frames could be read, the file seems cut '
            f'off; {path} holds those'
        )


if __name__ == '__main__':
    main()
