#!/usr/bin/env python
"""Track objects through the videos of a dataset: python tools/test_video.py CONFIG CHECKPOINT --out OUT."""

import argparse
import os
import sys
from pathlib import Path

import _checkout  # noqa: F401 - before mmdet

from mmdet.apis.model_zoo import add_model_options, choose_model
from mmdet.utils import UserError, add_options, cli_main, unit_interval


def parse_args(argv=None):
    """Read the command line; the spellings of 2019 work as well."""
    parser = argparse.ArgumentParser(
        description='Track objects through the videos of the test dataset of a config. The results json is '
        'always written, at the original resolution, and OUT.zip with it as results.json.'
    )
    parser.add_argument('config', nargs='?', help='config file, also one of 2019')
    parser.add_argument('checkpoint', nargs='?', help='weights; not needed with --load-result')
    add_model_options(parser)
    parser.add_argument(
        '--out', help='results are written to OUT.json; a trailing .json, .pkl or .pickle of OUT is removed'
    )
    parser.add_argument(
        '--eval', nargs='*', choices=['segm', 'bbox'], help='score the results (default: segm)'
    )
    parser.add_argument('--show', action='store_true', help='render the tracks, to --show-dir or OUT_show')
    parser.add_argument(
        '--show-dir',
        '--show_dir',
        '--save_path',
        '--save-path',
        metavar='DIR',
        help='render each video to DIR/<video>/00000.jpg, ... and DIR/<video>.webm; DIR/contact_sheet.jpg',
    )
    parser.add_argument('--show-gt', action='store_true', help='draw the ground truth beside the predictions')
    parser.add_argument(
        '--show-score-thr',
        '--score-thr',
        type=unit_interval,
        default=0.3,
        metavar='S',
        help='draw tracks of at least this score (0.3)',
    )
    parser.add_argument('--show-fps', type=float, default=6.0, metavar='F', help='frames per second (6)')
    parser.add_argument(
        '--load-result', '--load_result', action='store_true', help='read OUT.json, do not run the model'
    )
    parser.add_argument('--resume', action='store_true', help='continue an interrupted run')
    add_options(parser, 'cfg-options', 'device', 'speed', 'trust-checkpoint', 'launcher')
    parser.add_argument('--gpus', type=int, default=1, help='number of processes to start')
    parser.add_argument('--proc_per_gpu', '--proc-per-gpu', type=int, default=1, help='times --gpus')
    args = parser.parse_args(argv)
    if args.eval == []:
        args.eval = ['segm']
    if min(args.gpus, args.proc_per_gpu) < 1:
        parser.error('--gpus and --proc_per_gpu must be at least 1')
    choose_model(args, parser, weights=not args.load_result)
    if args.load_result and not args.out:
        parser.error('--load-result needs --out, the results to read')
    return args


def relaunch(args, argv):
    """Start ``--gpus`` times ``--proc_per_gpu`` processes of this tool by torchrun, and become them."""
    count = args.gpus * args.proc_per_gpu
    command = [sys.executable, '-m', 'torch.distributed.run', '--standalone', f'--nproc_per_node={count}']
    command += [os.path.abspath(__file__), *argv, '--gpus=1', '--proc_per_gpu=1', '--launcher=pytorch']
    print(f'starting {count} processes', file=sys.stderr, flush=True)
    os.environ.setdefault('OMP_NUM_THREADS', '1')  # as torchrun would, with a notice
    os.execv(sys.executable, command)


def out_path(args, config):
    """Path of the json; without ``--out`` in the config's work dir, named after the checkpoint."""
    from mmdet.apis.training import default_work_dir
    from mmdet.formats.results import result_path

    if args.out:
        return result_path(args.out)
    folder = Path(config.get('work_dir') or default_work_dir(config))
    return result_path(str(folder / f'{Path(args.checkpoint).stem}_results.json'))


def make_renderer(args, dataset, json_path):
    """The renderer for ``--show`` and ``--show-dir``, or None."""
    if not (args.show or args.show_dir):
        return None
    from mmdet.visualization import ResultRenderer

    truth = None
    if args.show_gt:
        truth = {video['id']: tracks for video, tracks in zip(dataset.videos, dataset.tracks)}
    return ResultRenderer(
        args.show_dir or f'{json_path.with_suffix("")}_show',
        dataset.videos,
        dict(zip(dataset.metainfo['cat_ids'], dataset.metainfo['classes'])),
        dataset.img_prefix,
        truth=truth,
        score_thr=args.show_score_thr,
        fps=args.show_fps,
    )


def test(args, config, dataset, json_path, renderer):
    """Run the model; results go to the json and to the renderer."""
    from mmdet.apis import init_detector, test_videos
    from mmdet.apis.testing import init_processes
    from mmdet.formats.video_tracks import TrackCollector

    device = init_processes(args.launcher)
    model = init_detector(
        config,
        args.checkpoint,
        args.device or device,
        args.trust_checkpoint,
        precision=args.precision,
        compile=args.compile,
    )
    if 'segm' in (args.eval or ()) and 'masks' not in getattr(model, 'gives', ('masks',)):
        raise UserError(f'--eval segm: {type(model).__name__} gives boxes without masks: --eval bbox')
    offset = getattr(dataset, 'box_offset', 1)
    sinks = [TrackCollector(dataset.metainfo['cat_ids'], renderer, offset)] if renderer else []
    test_videos(model, dataset, config, args.checkpoint, json_path, args.resume, sinks)


def render_rest(renderer, dataset, json_path, rendered):
    """Render the videos that no process has rendered during the test, then the contact sheet."""
    from mmdet.formats.results import results_by_video

    missing = [v for v in dataset.videos if v['id'] not in rendered and v['file_names']]
    if missing:
        renderer.render(results_by_video(json_path), missing)
    sheet = renderer.write_sheet()
    print(f'rendered videos and {sheet.name} are in {renderer.out_dir}')


def other_metrics(config):
    """Names of the metrics of a config that are not AP of YouTube-VIS, as text."""
    metrics = config.get('test_evaluator') or []
    kinds = [metric.get('type') for metric in (metrics if isinstance(metrics, list) else [metrics])]
    return ', '.join(str(kind) for kind in kinds if kind not in (None, 'YTVISMetric'))


@cli_main
def main(argv=None):
    """Test, write, and on request score and render."""
    argv = sys.argv[1:] if argv is None else argv
    args = parse_args(argv)
    if args.gpus * args.proc_per_gpu > 1 and args.launcher == 'none' and not args.load_result:
        relaunch(args, argv)
    from mmengine.dist import all_gather_object, is_main_process

    from mmdet.apis import build_test_dataset, load_config, score_results

    config = load_config(args.config, args.cfg_options, quiet=int(os.environ.get('RANK', 0)) > 0)
    json_path = out_path(args, config)
    dataset = build_test_dataset(config)
    if args.eval and not any(dataset.tracks):
        print(f'note: {dataset.ann_file} has no ground truth: there will be no score', file=sys.stderr)
    renderer = make_renderer(args, dataset, json_path)
    if not args.load_result:
        test(args, config, dataset, json_path, renderer)
    elif not json_path.is_file():
        raise UserError(f'--load-result: {json_path} does not exist')
    rendered = sum(all_gather_object(renderer.rendered), []) if renderer else []
    if not is_main_process():
        return
    print(f'results: {json_path}', flush=True)
    if renderer:
        render_rest(renderer, dataset, json_path, rendered)
    others = other_metrics(config)
    if others:
        print(
            f'note: {others} of test_evaluator: only tools/train.py --validate runs it',
            file=sys.stderr,
        )
    if args.eval:
        score_results(dataset.ann_file, json_path, args.eval)


if __name__ == '__main__':
    main()
