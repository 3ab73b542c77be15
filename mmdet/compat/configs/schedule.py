"""The training part of a 2019 config: optimizer, learning rate, checkpoints, logs."""

from mmdet.utils import UserError, shown

from .fields import Fields, unsupported
from .values import check_value


def upgrade_optimizer(fields):
    """Upgrade ``optimizer``, ``optimizer_config`` and ``fp16``.

    Args:
        fields (Fields): top level of the old config; the keys are taken from it.

    Returns:
        dict | None: ``optim_wrapper``; None if the config has no optimizer.
    """
    old, config, fp16 = (
        fields.sub('optimizer', None),
        fields.sub('optimizer_config', None),
        fields.sub('fp16', None),
    )
    if old is None:
        return None
    wrapper = {'type': 'OptimWrapper'}
    if fp16 is not None:
        wrapper.update(type='AmpOptimWrapper', loss_scale=fp16.take('loss_scale', 512.0))
        fp16.done()
    check_value('optimizer', 'optimizer', old.values)
    if not isinstance(old.values.get('type'), str):
        raise UserError(f'optimizer.type: expected a text such as SGD, got {old.values.get("type")!r}')
    special = old.sub('paramwise_options', None) or old.sub('paramwise_cfg', None)
    wrapper['optimizer'] = old.values
    if special is not None:
        wrapper['paramwise_cfg'] = special.move('bias_lr_mult', 'bias_decay_mult', 'norm_decay_mult')
        special.done()
    if config is not None:
        clip = config.take('grad_clip', None)
        config.done()
        if clip:
            wrapper['clip_grad'] = clip
    return wrapper


def upgrade_epochs(fields):
    """Read ``total_epochs``, or ``runner`` of mmcv 1, and how often ``evaluation`` asks for a validation.

    Args:
        fields (Fields): top level of the old config; the keys are taken from it.

    Returns:
        tuple[int | None, int]: epochs, and epochs between validations.
    """
    epochs, evaluation = fields.take('total_epochs', None), fields.sub('evaluation', None)
    interval = 1 if evaluation is None else evaluation.take('interval', 1)
    runner = fields.sub('runner', None)
    if runner is not None:
        runner.take_type('EpochBasedRunner')
        epochs = runner.take('max_epochs')
        runner.done()
    return epochs, max(interval, 1)


def upgrade_schedule(fields, epochs):
    """Upgrade ``lr_config``: first the warm-up, then the policy; both multiply the base rate, as in 2019.

    In mmcv 0.2 iteration ``i`` (from 0) of the warm-up has ``rate * (1 - (1 - i / iters) * (1 - ratio))`` and
    iteration ``iters`` is the first without it; mmengine's ``end`` is one past that iteration.

    Args:
        fields (Fields): top level of the old config.
        epochs (int | None): ``total_epochs``.

    Returns:
        list[dict] | None: ``param_scheduler``.
    """
    old = fields.sub('lr_config', None)
    if old is None:
        return None
    schedulers = []
    warmup, iters = old.take('warmup', None), old.take('warmup_iters', 0)
    ratio = old.take('warmup_ratio', 0.1)
    if warmup is not None and iters > 0:
        span = {'by_epoch': False, 'begin': 0, 'end': iters + 1}
        if warmup == 'linear':
            schedulers.append({'type': 'LinearLR', 'start_factor': ratio, **span})
        elif warmup == 'constant':
            schedulers.append({'type': 'ConstantLR', 'factor': ratio, **span})
        else:
            raise unsupported(f'lr_config.warmup={warmup!r}', "'linear' and 'constant' are")
    schedulers += _policy(old, epochs)
    old.done()
    return schedulers


def _policy(old, epochs):
    policy, by_epoch = old.take('policy'), old.take('by_epoch', True)
    if policy == 'fixed':
        return []
    if policy == 'step':
        step, gamma = old.take('step'), old.take('gamma', 0.1)
        if isinstance(step, int):
            return [{'type': 'StepLR', 'step_size': step, 'gamma': gamma, 'by_epoch': by_epoch}]
        return [{'type': 'MultiStepLR', 'milestones': list(step), 'gamma': gamma, 'by_epoch': by_epoch}]
    if policy == 'exp':
        return [{'type': 'ExponentialLR', 'gamma': old.take('gamma'), 'by_epoch': by_epoch}]
    if epochs is None:
        raise UserError(f'total_epochs: missing, which lr_config.policy={policy!r} needs')
    # The remaining ones end at zero; another end would mix with the warm-up in a way of its own.
    if policy == 'cosine' and by_epoch:
        old.refuse('target_lr', 'only 0 is', (None, 0))
        return [{'type': 'CosineAnnealingLR', 'T_max': epochs, 'eta_min': 0, 'by_epoch': True}]
    if policy == 'poly' and by_epoch:
        old.refuse('min_lr', 'only 0 is', (None, 0))
        return [
            {
                'type': 'PolyLR',
                'power': old.take('power', 1.0),
                'begin': 0,
                'end': epochs + 1,
                'by_epoch': True,
            }
        ]
    raise unsupported(
        f'lr_config.policy={policy!r} (by_epoch={by_epoch})',
        'step, exp and fixed are, and cosine and poly by epoch',
    )


# Loggers of the old engine -> what the new one writes with.
_VIS_BACKENDS = {
    'TensorboardLoggerHook': 'TensorboardVisBackend',
    'WandbLoggerHook': 'WandbVisBackend',
    'MlflowLoggerHook': 'MLflowVisBackend',
    'ClearMLLoggerHook': 'ClearMLVisBackend',
    'NeptuneLoggerHook': 'NeptuneVisBackend',
    'DvcliveLoggerHook': 'DVCLiveVisBackend',
}


def _backend(fields):
    new = {'type': _VIS_BACKENDS[fields.take('type')], **fields.move('init_kwargs', 'exp_name')}
    fields.drop('interval', 'ignore_last', 'reset_flag', 'by_epoch')
    if 'log_dir' in fields:
        new['save_dir'] = fields.take('log_dir')
    fields.done()
    return new


def upgrade_hooks(fields):
    """Upgrade ``checkpoint_config`` and ``log_config``.

    Args:
        fields (Fields): top level of the old config.

    Returns:
        dict: new top-level keys ``default_hooks`` and perhaps ``visualizer``.
    """
    new, hooks = {}, {}
    log = fields.sub('log_config', None)
    if log is not None:
        hooks['logger'] = {'type': 'LoggerHook', 'interval': log.take('interval', 50)}
        backends = []
        for number, hook in enumerate(log.take('hooks', [])):
            kind = hook.get('type')
            if kind in _VIS_BACKENDS:
                backends.append(_backend(Fields(hook, f'log_config.hooks[{number}]')))
            elif kind != 'TextLoggerHook':
                known = ', '.join(('TextLoggerHook', *_VIS_BACKENDS))
                raise unsupported(f'log_config.hooks[{number}].type={kind!r}', f'known are {known}')
        log.drop('by_epoch')
        log.done()
        if backends:
            new['visualizer'] = {
                'type': 'Visualizer',
                'vis_backends': [{'type': 'LocalVisBackend'}, *backends],
            }
    checkpoint = fields.sub('checkpoint_config', None)
    if checkpoint is not None:
        hook = {'type': 'CheckpointHook', 'interval': checkpoint.take('interval', 1)}
        hook.update(
            checkpoint.move('save_optimizer', 'out_dir', 'max_keep_ckpts', 'by_epoch', 'filename_tmpl')
        )
        checkpoint.drop('meta', 'create_symlink')
        checkpoint.done()
        hooks['checkpoint'] = hook
    if hooks:
        new['default_hooks'] = hooks
    return new


def upgrade_workflow(fields):
    """Check ``workflow``: training alone is what the loop here does.

    Raises:
        UserError: for anything but ``[('train', 1)]``.
    """
    workflow = fields.take('workflow', None)
    if workflow in (None, [('train', 1)], [['train', 1]]):
        return
    raise unsupported(
        f'workflow={shown(workflow)}',
        "known is [('train', 1)]; tools/train.py --validate validates after every epoch",
    )


def upgrade_running(fields):
    """Upgrade ``dist_params``, ``log_level``, ``work_dir``, ``load_from``, ``resume_from`` and the like."""
    new, environment = {}, {}
    if fields.take('cudnn_benchmark', False):
        environment['cudnn_benchmark'] = True
    dist = fields.sub('dist_params', None)
    if dist is not None:
        environment['dist_cfg'] = dist.values
    fields.drop('opencv_num_threads', 'mp_start_method')
    if environment:
        new['env_cfg'] = environment
    new.update(fields.move('log_level', 'work_dir', 'find_unused_parameters'))
    load_from, resume_from = fields.take('load_from', None), fields.take('resume_from', None)
    if resume_from is not None:
        new.update(load_from=resume_from, resume=True)
    else:
        new['load_from'] = load_from
    seed = fields.take('seed', None)
    if seed is not None:
        new['randomness'] = {'seed': seed}
    fields.drop('gpus', 'device_ids', 'gpu_ids')  # the launcher decides on these
    return new
