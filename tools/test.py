#!/usr/bin/env python
"""Detect objects in the images of a dataset: python tools/test.py CONFIG CHECKPOINT --out OUT --eval."""

import argparse
import os
import re
from pathlib import Path

import _checkout  # noqa: F401 - before mmdet

from mmdet.utils import UserError, cli_main


def parse_args(argv=None):
    """Read the command line; the spellings of 2019 work as well."""
    from mmengine.config import DictAction

    parser = argparse.ArgumentParser(
        description='Detect objects in the images of the test dataset of a config. Results are always '
        'written: OUT.bbox.json, OUT.segm.json, in the format of COCO.'
    )
    parser.add_argument('config', help='config file, also one of 2019')
    parser.add_argument('checkpoint', help='weights')
    parser.add_argument('--out', help='a trailing .json, .pkl or .pickle is taken off')
    parser.add_argument(
        '--eval', nargs='*', choices=['bbox', 'segm', 'proposal'], help='score (default: all the model gives)'
    )
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
    parser.add_argument('--gpus', type=int, default=1, help='only 1 here: several go through --launcher')
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0, help=argparse.SUPPRESS)
    return parser.parse_args(argv)


def kinds_of(model, wanted):
    """What to write: what was asked for, else all that the model gives.

    Raises:
        UserError: if the model does not give what was asked for.
    """
    if not hasattr(model, 'bbox_head'):
        given = ['proposal']
    else:
        given = ['bbox', 'segm'] if hasattr(model, 'mask_head') else ['bbox']
    for kind in wanted or []:
        if kind not in given:
            raise UserError(f'--eval {kind}: {type(model).__name__} gives {" and ".join(given)} only')
    return wanted or given


@cli_main
def main(argv=None):
    """Test, write, and on request score."""
    args = parse_args(argv)
    if args.gpus > 1:
        raise UserError('--gpus: run  torchrun --nproc_per_node N tools/test.py ... --launcher pytorch')
    from mmengine.dist import is_main_process

    from mmdet.apis import building, init_detector, load_config, register_all_modules, require
    from mmdet.apis.testing import check_classes, init_processes, test_images
    from mmdet.formats.results import result_path
    from mmdet.registry import DATASETS

    config = load_config(args.config, args.cfg_options, quiet=int(os.environ.get('RANK', 0)) > 0)
    require(config, ('test_dataloader',), 'testing')
    folder = Path(config.get('work_dir') or Path('work_dirs') / Path(args.config).stem)
    out = result_path(args.out or str(folder / f'{Path(args.checkpoint).stem}_results.json'))
    prefix = re.sub(r'\.json$', '', str(out))
    register_all_modules()
    with building('the dataset'):
        dataset = DATASETS.build(config.test_dataloader.dataset)
    if not getattr(dataset, 'single_images', True):
        raise UserError(f'{type(dataset).__name__} gives videos: use tools/test_video.py')
    device = init_processes(args.launcher)
    model = init_detector(config, args.checkpoint, args.device or device, args.trust_checkpoint)
    check_classes(model, dataset)
    kinds = kinds_of(model, args.eval)
    scores = test_images(model, dataset, config, prefix, kinds, evaluate=args.eval is not None)
    if is_main_process():
        for kind in kinds:
            print(f'results: {prefix}.{kind}.json')
        for name, value in scores.items():
            print(f'{name}: {value:.4f}')


if __name__ == '__main__':
    main()
