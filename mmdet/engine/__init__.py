"""Training and testing on top of mmengine: runner, loops, hooks, checkpoints, weights."""

from mmdet.utils import import_submodules

from . import checkpoint, hooks, loops, optim, prediction, runner
from .checkpoint import load_weights, read_checkpoint, trusting, write_checkpoint
from .hooks import CheckpointHook, ClassCountHook, NonFiniteLossHook, SummaryHook, check_class_counts
from .loops import ResumableEpochLoop, ResumableIterLoop
from .optim import AutocastOptimWrapper, OptimWrapper
from .prediction import Sink, TestLoop, ValLoop, predict
from .runner import TrackRunner

__all__ = [
    'AutocastOptimWrapper',
    'CheckpointHook',
    'ClassCountHook',
    'NonFiniteLossHook',
    'OptimWrapper',
    'ResumableEpochLoop',
    'ResumableIterLoop',
    'Sink',
    'SummaryHook',
    'TestLoop',
    'TrackRunner',
    'ValLoop',
    'check_class_counts',
    'checkpoint',
    'hooks',
    'load_weights',
    'loops',
    'optim',
    'predict',
    'prediction',
    'read_checkpoint',
    'runner',
    'trusting',
    'write_checkpoint',
]

import_submodules(__name__)  # registers what a new file in this folder defines
