"""Building the runner that trains, validates and tests."""

from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.model import is_model_wrapper

from mmdet.engine.environment import flush_denormals
from mmdet.registry import RUNNERS
from mmdet.utils import UserError

from .config import building, require
from .model_zoo import named
from .named_weights import read_weights
from .setup import register_all_modules, warn_of_clashes
from .speed import compile_parts

_TRAINING = ('train_dataloader', 'train_cfg', 'optim_wrapper')
_VALIDATION = ('val_dataloader', 'val_evaluator')


def default_work_dir(config):
    """Return the work dir of a config that names none: ``work_dirs/`` and the config's name."""
    return str(Path('work_dirs') / Path(config.filename or 'unnamed').stem)


def build_runner(config, train=True, validate=False, amp=False, compile=False):
    """Build the runner for a config.

    Args:
        config (Config): from :func:`~mmdet.apis.load_config`; it is not changed.
        train (bool): prepare for training; else only test data and test loop are kept.
        validate (bool): validate while training; else the config's validation part is left out.
        amp (bool | str): train in mixed precision, ``'bfloat16'`` or ``'float16'`` (on a GPU, with a
            loss scale); True: bfloat16 where the device has it.
        compile (bool): train with a compiled backbone, neck and proposal head, also if the config has
            ``compile=True``. There, a dict is for mmengine, which compiles the whole step.

    Returns:
        TrackRunner: call ``train()`` or ``test()`` on it.

    Raises:
        UserError: a key is missing for the job, or a ``type`` is unknown (with the close name).
    """
    config = Config(config._cfg_dict.to_dict(), filename=config.filename)
    register_all_modules()
    warn_of_clashes()
    if config.get('work_dir') is None:
        config['work_dir'] = default_work_dir(config)
    if train:
        require(config, _TRAINING, 'training')
        flush_denormals()
        _drop(config, ('test_dataloader', 'test_evaluator', 'test_cfg'))
    else:
        require(config, ('test_dataloader',), 'testing')
        _drop(config, (*_TRAINING, 'param_scheduler', 'auto_scale_lr'))
        if config.get('test_evaluator') is not None:
            config['test_cfg'] = {'type': 'TestLoop', **(config.get('test_cfg') or {})}
    if train and validate:
        require(config, _VALIDATION, 'validation (--validate)')
        config['val_cfg'] = {'type': 'ValLoop', **(config.get('val_cfg') or {})}
    else:
        _drop(config, (*_VALIDATION, 'val_cfg'))
        _forget_best(config)
    if amp:
        _mixed_precision(config, amp)
    if config.get('compile') is True:
        config['compile'], compile = None, train
    config.setdefault('runner_type', 'mmdet.TrackRunner')
    named(config.get('load_from'), 'checkpoint')  # a wrong name is told before anything is built
    with building('the model or the runner'):
        runner = RUNNERS.build(config)
    runner.reader = read_weights
    if compile:
        compile_parts(runner.model.module if is_model_wrapper(runner.model) else runner.model)
    return runner


def _drop(config, keys):
    """Leave parts out of this run; the config written to the work dir keeps them, to be tested with."""
    left_out = dict(config.get('_left_out') or {})
    for key in keys:
        if config.get(key) is not None:
            left_out[key] = config[key]
            config[key] = None
    config['_left_out'] = left_out


def _forget_best(config):
    """Without validation there is no best checkpoint to keep."""
    checkpoint = (config.get('default_hooks') or {}).get('checkpoint')
    if checkpoint:
        checkpoint.pop('save_best', None)


def _mixed_precision(config, dtype):
    wrapper, gpu = config['optim_wrapper'], torch.cuda.is_available()
    kind = wrapper.get('type', 'OptimWrapper')
    if kind in ('AmpOptimWrapper', 'AutocastOptimWrapper'):
        return
    if kind != 'OptimWrapper':
        raise UserError(f'--amp: expected optim_wrapper.type to be OptimWrapper, got {kind!r}')
    if dtype == 'float16' and not gpu:
        raise UserError('--amp-dtype float16 needs a GPU; use bfloat16')
    if dtype is True:
        without = gpu and not torch.cuda.is_bf16_supported(including_emulation=False)
        dtype = 'float16' if without else 'bfloat16'
    if dtype == 'bfloat16':
        wrapper.update(type='AutocastOptimWrapper')  # has the range of float32, and needs no loss scale
    else:
        wrapper.update(type='AmpOptimWrapper', loss_scale='dynamic')
