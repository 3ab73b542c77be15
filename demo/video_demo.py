#!/usr/bin/env python
"""Track objects through a video: python demo/video_demo.py VIDEO CONFIG CHECKPOINT --out out.webm."""

import argparse
import itertools
import json
import os
from pathlib import Path

import _checkout  # noqa: F401 - before mmdet

# A damaged video is reported in one line; lines of the decoder add nothing to that.
os.environ.setdefault('OPENCV_FFMPEG_LOGLEVEL', '-8')

from mmdet.utils import Progress, UserError, add_options, atomic_write_text, cli_main


def parse_args(argv=None):
    """Read the command line."""
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
    add_options(parser, 'cfg-options', 'device', 'trust-checkpoint')
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


def category_ids(model):
    """Category ids for ``--json``: those of the checkpoint, else 1, 2, ..."""
    if not hasattr(model, 'tracker'):
        raise UserError(f'--json: {type(model).__name__} does not track')
    classes = model.dataset_meta.get('classes') or range(model.bbox_head.num_classes)
    return model.dataset_meta.get('cat_ids') or list(range(1, len(classes) + 1))


def track(args, model, reader):
    """Track through the video, draw and write; returns the path of the video and its number of frames."""
    from mmdet.apis import inference_video
    from mmdet.formats.video_tracks import VideoTracks
    from mmdet.media import VideoWriter, write_image
    from mmdet.visualization import draw_instances

    cat_ids = category_ids(model) if args.json else None
    tracks = VideoTracks(1)
    frames = itertools.islice(reader, args.max_frames)
    total = min((count for count in (reader.count, args.max_frames) if count), default=None)
    style = {'score_thr': args.score_thr, 'draw_boxes': args.boxes or None}
    with (
        VideoWriter(Path(args.out or default_out(args.video)), args.fps or reader.fps) as writer,
        Progress(total, 'frames') as progress,
    ):
        predicted = inference_video(model, frames, args.batch_size, with_frames=True)
        for index, (frame, sample) in enumerate(predicted):
            pred = sample.pred_instances
            drawn = draw_instances(frame, pred, model.dataset_meta.get('classes'), **style)
            writer.write(drawn)
            if args.frames:
                write_image(Path(args.frames) / f'{index:05d}.jpg', drawn)
            if args.json:
                tracks.add(index, pred.instance_ids, pred.scores, pred.labels, pred.masks)
            progress.update()
    if args.json:
        atomic_write_text(args.json, json.dumps(tracks.entries(cat_ids)))
    return writer.path, writer.frames


@cli_main
def main(argv=None):
    """Track and draw."""
    args = parse_args(argv)
    import torch

    from mmdet.apis import init_detector
    from mmdet.media import VideoReader

    reader = VideoReader(args.video)  # first, as it is quick to fail
    device = args.device or ('cuda' if torch.cuda.is_available() else 'cpu')
    model = init_detector(args.config, args.checkpoint, device, args.trust_checkpoint, args.cfg_options)
    path, count = track(args, model, reader)
    print(f'{count} frames: {path}' + (f', tracks: {args.json}' if args.json else ''))
    missing = reader.missing() if not args.max_frames else 0
    if missing:
        raise UserError(
            f'{args.video}: only {reader.read} of {reader.count} frames could be read, the file seems cut '
            f'off; {path} holds those'
        )


if __name__ == '__main__':
    main()
