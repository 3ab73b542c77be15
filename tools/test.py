#!/usr/bin/env python
"""Detect objects in the images of a dataset: python tools/test.py CONFIG CHECKPOINT --out OUT --eval."""

import argparse
import os
from pathlib import Path

import _checkout  # noqa: F401 - before mmdet

from mmdet.apis.model_zoo import add_model_options, choose_model
from mmdet.utils import UserError, add_options, cli_main


def parse_args(argv=None):
    """Read the command line; the spellings of 2019 work as well."""
    parser = argparse.ArgumentParser(
        description='Detect objects in the images of the test dataset of a config. Results are always '
        'written: OUT.bbox.json, OUT.segm.json, in the format of COCO.'
    )
    parser.add_argument('config', nargs='?', help='config file, also one of 2019')
    parser.add_argument('checkpoint', nargs='?', help='weights')
    add_model_options(parser)
    parser.add_argument('--out', help='prefix of the files; a trailing .json, .pkl or .pickle is removed')
    parser.add_argument(
        '--eval',
        nargs='*',
        choices=['bbox', 'segm', 'proposal'],
        help='score (default: all kinds)',
    )
    add_options(parser, 'cfg-options', 'device', 'speed', 'trust-checkpoint', 'launcher')
    parser.add_argument('--gpus', type=int, default=1, help='only 1 here: several go through --launcher')
    args = parser.parse_args(argv)
    choose_model(args, parser)
    return args


def kinds_of(model, wanted):
    """Kinds of results to write: ``wanted``, else all that the model predicts.

    Raises:
        UserError: the model does not predict one of them.
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

    from mmdet.apis import build_test_dataset, init_detector, load_config, predict_dataset
    from mmdet.apis.testing import init_processes
    from mmdet.apis.training import default_work_dir
    from mmdet.engine import check_class_counts
    from mmdet.evaluation.metrics import CocoMetric
    from mmdet.formats.results import result_path

    config = load_config(args.config, args.cfg_options, quiet=int(os.environ.get('RANK', 0)) > 0)
    folder = Path(config.get('work_dir') or default_work_dir(config))
    out = result_path(args.out or str(folder / f'{Path(args.checkpoint).stem}_results.json'))
    prefix = str(out.with_suffix(''))
    dataset = build_test_dataset(config, videos=False)
    device = init_processes(args.launcher)
    model = init_detector(
        config,
        args.checkpoint,
        args.device or device,
        args.trust_checkpoint,
        precision=args.precision,
        compile=args.compile,
    )
    check_class_counts(model, dataset, 'test_dataloader')
    kinds = kinds_of(model, args.eval)
    evaluator = config.get('test_evaluator') or {}
    offset = evaluator.get('box_offset', 1) if isinstance(evaluator, dict) else 1
    metric = CocoMetric(dataset.ann_file, kinds, prefix, format_only=args.eval is None, box_offset=offset)
    metric.dataset_meta = dataset.metainfo
    predict_dataset(model, dataset, config, [metric])
    scores = metric.evaluate(len(dataset))
    if is_main_process():
        for kind in kinds:
            print(f'results: {prefix}.{kind}.json')
        for name, value in scores.items():
            print(f'{name}: {value:.4f}')


if __name__ == '__main__':
    main()
