"""Train: python tools/train.py CONFIG [options]. Options of 2019 (--work_dir, --gpus, ...) work too."""

import argparse
import os

import _checkout  # noqa: F401 - before mmdet

from mmdet.utils import UserError, add_options, cli_main


def parse_args(argv=None):
    """Return the parsed command line."""
    parser = argparse.ArgumentParser(description='Train a detector or tracker.')
    parser.add_argument('config', help='config file, native or of 2019 (a config is code: it is run)')
    parser.add_argument('--work-dir', '--work_dir', help='where checkpoints and logs go')
    parser.add_argument(
        '--resume',
        nargs='?',
        const='auto',
        metavar='PATH',
        help='continue from a checkpoint; without PATH from the last one in the work dir',
    )
    parser.add_argument(
        '--resume-from', '--resume_from', metavar='PATH', help='the same as --resume PATH (2019)'
    )
    parser.add_argument(
        '--load-from',
        metavar='PATH',
        help='start from the weights of a checkpoint: a path, or a published name',
    )
    parser.add_argument(
        '--validate', action='store_true', help='validate while training, keep the best checkpoint'
    )
    parser.add_argument('--seed', type=int, help='seed of everything random; drawn and printed if not given')
    parser.add_argument('--deterministic', action='store_true', help='ask cuDNN for deterministic kernels')
    parser.add_argument(
        '--amp', action='store_true', help='mixed precision: bfloat16, or float16 on a GPU without it'
    )
    parser.add_argument(
        '--amp-dtype',
        choices=['bfloat16', 'float16'],
        help='mixed precision of this type; float16 needs a GPU',
    )
    parser.add_argument(
        '--compile',
        action='store_true',
        help='compile the network at the first iteration, which takes minutes; meant for GPUs',
    )
    add_options(parser, 'cfg-options', 'device', 'trust-checkpoint', 'launcher')
    parser.add_argument(
        '--gpus', type=int, help='of 2019; only 1 is supported: for more use tools/dist_train.sh'
    )
    return parser.parse_args(argv)


def choose_device(device):
    """Hide the other GPUs from libraries that take the first one; torch is not imported yet."""
    if device is None:
        return
    kind, _, index = device.partition(':')
    if kind not in ('cpu', 'cuda') or (index and not index.isdigit()) or (kind == 'cpu' and index):
        raise UserError(f'--device {device}: expected cpu, cuda or cuda:0')
    if kind == 'cpu':
        os.environ['CUDA_VISIBLE_DEVICES'] = ''
    elif index:
        visible = [name for name in os.environ.get('CUDA_VISIBLE_DEVICES', '').split(',') if name]
        if visible and int(index) >= len(visible):
            raise UserError(f'--device {device}: CUDA_VISIBLE_DEVICES has {len(visible)} GPUs')
        os.environ['CUDA_VISIBLE_DEVICES'] = visible[int(index)] if visible else index


def configure(args):
    """Return the config with the command line worked into it."""
    from mmdet.apis import load_config

    if args.gpus is not None and args.gpus > 1 and args.launcher == 'none':
        raise UserError(
            f'--gpus {args.gpus}: one process trains on one GPU; run  bash tools/dist_train.sh {args.config} '
            f'{args.gpus}'
        )
    config = load_config(args.config, args.cfg_options)
    config['launcher'] = args.launcher
    if args.work_dir is not None:
        config['work_dir'] = args.work_dir
    resume = args.resume or args.resume_from
    if resume == 'auto':
        if config.get('resume'):  # then load_from is no file of initial weights, but a run to go on with
            config['load_from'] = None
        config['resume'] = 'auto'
    elif resume is not None:
        config['load_from'], config['resume'] = resume, True
    if args.load_from is not None:
        if resume is not None:
            raise UserError('--load-from and --resume exclude each other')
        config['load_from'], config['resume'] = args.load_from, False
    randomness = dict(config.get('randomness') or {})
    if args.seed is not None:
        randomness['seed'] = args.seed
    if args.deterministic:
        randomness['deterministic'] = True
    if randomness:
        config['randomness'] = randomness
    return config


@cli_main
def main(argv=None):
    """Train as the command line says."""
    args = parse_args(argv)
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    choose_device(args.device)
    import torch

    from mmdet.apis import build_runner
    from mmdet.apis.config import registry_errors
    from mmdet.engine import trusting

    if (args.device or '').startswith('cuda') and not torch.cuda.is_available():
        raise UserError(f'--device {args.device} is not available: torch sees no GPU')
    config = configure(args)
    with trusting(args.trust_checkpoint), registry_errors():
        amp = args.amp_dtype or args.amp
        build_runner(config, validate=args.validate, amp=amp, compile=args.compile).train()


if __name__ == '__main__':
    main()
