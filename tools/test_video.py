#!/usr/bin/env python
"""Track objects through the videos of a dataset: python tools/test_video.py CONFIG CHECKPOINT --out OUT."""

import argparse
import json
import os
import sys
from pathlib import Path

import _checkout  # noqa: F401 - before mmdet

from mmdet.utils import UserError, cli_main


def parse_args(argv=None):
    """Read the command line; the spellings of 2019 work as well."""
    from mmengine.config import DictAction

    parser = argparse.ArgumentParser(
        description='Track objects through the videos of the test dataset of a config. The results json is '
        'always written, at the original resolution, and OUT.zip with it as results.json.'
    )
    parser.add_argument('config', help='config file, also one of 2019')
    parser.add_argument('checkpoint', nargs='?', help='weights; not needed with --load-result')
    parser.add_argument(
        '--out', help='results go to OUT.json; a trailing .json, .pkl or .pickle of OUT is replaced'
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
        type=float,
        default=0.3,
        metavar='S',
        help='draw tracks of at least this score (0.3)',
    )
    parser.add_argument('--show-fps', type=float, default=6.0, metavar='F', help='of the rendered videos (6)')
    parser.add_argument(
        '--load-result', '--load_result', action='store_true', help='compute nothing, read OUT.json'
    )
    parser.add_argument('--resume', action='store_true', help='go on with a run that was cut off')
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=DictAction,
        default={},
        metavar='KEY=VALUE',
        help='change the config',
    )
    parser.add_argument('--device', help='cpu, cuda, cuda:1; default: a GPU if there is one')
    parser.add_argument(
        '--trust-checkpoint', action='store_true', help='unpickle the checkpoint even if that can run code'
    )
    parser.add_argument('--launcher', choices=['none', 'pytorch', 'slurm', 'mpi'], default='none')
    parser.add_argument('--gpus', type=int, default=1, help='processes to start, as in 2019')
    parser.add_argument('--proc_per_gpu', '--proc-per-gpu', type=int, default=1, help='times --gpus')
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0, help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    if args.eval == []:
        args.eval = ['segm']
    if min(args.gpus, args.proc_per_gpu) < 1:
        parser.error('--gpus and --proc_per_gpu must be at least 1')
    if args.checkpoint is None and not args.load_result:
        parser.error('CHECKPOINT is missing')
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
    """Where the json goes; without ``--out`` the config's work dir, named after the checkpoint."""
    from mmdet.formats.results import result_path

    if args.out:
        return result_path(args.out)
    folder = Path(config.get('work_dir') or Path('work_dirs') / Path(args.config).stem)
    return result_path(str(folder / f'{Path(args.checkpoint).stem}_results.json'))


def make_renderer(args, dataset, json_path):
    """The renderer that ``--show`` and ``--show-dir`` ask for, or None."""
    if not (args.show or args.show_dir):
        return None
    from mmdet.apis.rendering import ResultRenderer

    cat_ids, names = dataset.metainfo['cat_ids'], dataset.metainfo['classes']
    truth = None
    if args.show_gt:
        truth = {video['id']: tracks for video, tracks in zip(dataset.videos, dataset.tracks)}
    return ResultRenderer(
        args.show_dir or f'{json_path.with_suffix("")}_show',
        dataset.videos,
        dict(zip(cat_ids, names)),
        dataset.img_prefix,
        truth=truth,
        score_thr=args.show_score_thr,
        fps=args.show_fps,
    )


def render_rest(renderer, dataset, json_path, fresh):
    """Render what was not rendered on the way (``fresh``: the ids of what was), then the contact sheet."""
    from mmdet.apis.rendering import tracks_by_video
    from mmdet.media import write_image
    from mmdet.utils import Progress
    from mmdet.visualization import sheet_of_folder

    missing = [v for v in dataset.videos if v['id'] not in fresh and v['file_names']]
    if missing:
        tracks = tracks_by_video(json.loads(Path(json_path).read_text()))
        with Progress(len(missing), 'videos rendered') as progress:
            for video in missing:
                renderer(video, tracks.get(video['id'], []))
                progress.update()
    sheet = renderer.out_dir / 'contact_sheet.jpg'
    write_image(sheet, sheet_of_folder(renderer.out_dir))
    print(f'rendered videos and {sheet.name} are in {renderer.out_dir}')


def test(args, config, dataset, json_path, renderer):
    """Run the model; returns the ids of the videos that were rendered on the way, on any process."""
    from mmengine.dist import all_gather_object

    from mmdet.apis import init_detector
    from mmdet.apis.testing import init_processes, test_videos

    device = init_processes(args.launcher)
    model = init_detector(config, args.checkpoint, args.device or device, args.trust_checkpoint)
    rendered = []

    def on_video(video, tracks):
        renderer(video, tracks)
        rendered.append(video['id'])

    test_videos(
        model,
        dataset,
        config,
        args.checkpoint,
        json_path,
        resume=args.resume,
        on_video=on_video if renderer else None,
    )
    return {video for part in all_gather_object(rendered) for video in part}


@cli_main
def main(argv=None):
    """Test, write, and on request score and render."""
    argv = sys.argv[1:] if argv is None else argv
    args = parse_args(argv)
    if args.gpus * args.proc_per_gpu > 1 and args.launcher == 'none' and not args.load_result:
        relaunch(args, argv)
    from mmengine.dist import is_main_process

    from mmdet.apis import load_config
    from mmdet.apis.testing import build_test_dataset, score_results

    config = load_config(args.config, args.cfg_options, quiet=int(os.environ.get('RANK', 0)) > 0)
    json_path = out_path(args, config)
    dataset = build_test_dataset(config)
    if args.eval and not any(dataset.tracks):
        print(f'note: {dataset.ann_file} has no ground truth: there will be no score', file=sys.stderr)
    renderer = make_renderer(args, dataset, json_path)
    rendered = set()
    if not args.load_result:
        rendered = test(args, config, dataset, json_path, renderer)
    elif not json_path.is_file():
        raise UserError(f'--load-result: {json_path} does not exist')
    if not is_main_process():
        return
    print(f'results: {json_path}', flush=True)
    if renderer:
        render_rest(renderer, dataset, json_path, rendered)
    if args.eval:
        score_results(dataset.ann_file, json_path, args.eval)


if __name__ == '__main__':
    main()
