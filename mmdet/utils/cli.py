"""Command-line options that several tools share."""

import argparse


def _launcher(parser):
    parser.add_argument('--launcher', choices=['none', 'pytorch', 'slurm', 'mpi'], default='none')
    # torch.distributed.launch passes it; torchrun sets LOCAL_RANK.
    parser.add_argument('--local-rank', '--local_rank', type=int, default=0, help=argparse.SUPPRESS)


def _cfg_options(parser):
    from mmengine.config import DictAction

    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=DictAction,
        default={},
        metavar='KEY=VALUE',
        help='change config keys, such as model.test_cfg.rcnn.score_thr=0.1',
    )


def _device(parser):
    parser.add_argument('--device', help='cpu, cuda, cuda:1; default: a GPU if there is one')


def _trust_checkpoint(parser):
    parser.add_argument(
        '--trust-checkpoint',
        action='store_true',
        help='load the checkpoint even if loading it can run code; only for files from a source you trust',
    )


_OPTIONS = {
    'cfg-options': _cfg_options,
    'device': _device,
    'trust-checkpoint': _trust_checkpoint,
    'launcher': _launcher,
}


def add_options(parser: argparse.ArgumentParser, *names: str) -> None:
    """Add shared options to the parser of a tool.

    Args:
        parser: the parser.
        *names: of 'cfg-options', 'device', 'trust-checkpoint', 'launcher'.
    """
    for name in names:
        _OPTIONS[name](parser)
