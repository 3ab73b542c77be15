"""A misspelled name or a wrong value around the model ends the run before it starts, in one line."""

import importlib.util

import pytest
from mmengine.hooks import Hook

from mmdet.engine.components import check_components
from mmdet.registry import HOOKS
from mmdet.utils import UserError

from .toy import toy_config, toy_runner


def changed(tmp_path, path, value, **options):
    config = toy_config(tmp_path, **options)
    node = config
    *parts, last = path.split('.')
    for part in parts:
        node = node[int(part)] if part.isdigit() else node.setdefault(part, {})
    node[int(last) if last.isdigit() else last] = value
    return config


@pytest.mark.parametrize(
    ('path', 'value', 'message'),
    [
        ('default_hooks.checkpoint.intervall', 1, r"checkpoint: CheckpointHook has no argument 'intervall'"),
        ('default_hooks.checkpoint.interval', '1', r"checkpoint.interval: expected a whole number, got '1'"),
        ('default_hooks.logger.intervall', 1, r"logger: LoggerHook has no argument 'intervall' .*'interval'"),
        ('default_hooks.logger', dict(interval=5), 'default_hooks.logger: it has no type'),
        ('default_hooks.logger', 5, 'default_hooks.logger: expected a dict with a type, got 5'),
        ('default_hooks.checkpont', dict(type='CheckpointHook'), r"checkpont: unknown name .*'checkpoint'"),
        ('default_hooks.checkpoint.type', 'CheckpointHok', r"unknown hook type 'CheckpointHok' .*Hook'"),
        ('custom_hooks.0', dict(type='ClassCountHook', a=1), r"ClassCountHook has no argument 'a'"),
        ('optim_wrapper.optimizer.lrr', 1, r"optim_wrapper.optimizer: SGD has no argument 'lrr' .*'lr'"),
        ('optim_wrapper.optimizer.lr', '0.1', r'optim_wrapper: '),
        ('optim_wrapper.optimizer.momentum', -1, r'optim_wrapper: .*momentum'),
        ('optim_wrapper.optimizer.type', 'SDG', r"unknown optimizer type 'SDG' .*'SGD'"),
        ('optim_wrapper.clip_grads', dict(max_norm=1), r"no argument 'clip_grads' .*'clip_grad'"),
        ('optim_wrapper.clip_grad', dict(max_nrm=1), r'optim_wrapper.clip_grad: .*max_nrm'),
        ('optim_wrapper.clip_grad', dict(max_norm=[1]), r'optim_wrapper.clip_grad: '),
        ('optim_wrapper.paramwise_cfg', dict(bias_lr_mul=2), r"unknown key 'bias_lr_mul' .*'bias_lr_mult'"),
        ('optim_wrapper', dict(optimzer=dict(type='SGD')), r"it has no optimizer .*'optimzer'"),
        ('param_scheduler.1.milestone', [1], r"MultiStepLR has no argument 'milestone' .*'milestones'"),
        ('param_scheduler.1.milestones', 'ab', r'\[1\].milestones: expected a list of values like int'),
        ('param_scheduler.1.gamma', 'x', r"param_scheduler\[1\].gamma: expected a number, got 'x'"),
        ('param_scheduler.0', dict(type='LinearLR', start_factor=5), r'param_scheduler\[0\]: .*[Ff]actor'),
        ('train_cfg', dict(type='ResumableEpochLoop', max_epoch=3), r"argument 'max_epoch' .*'max_epochs'"),
        ('train_cfg', dict(type='ResumableEpochLoop'), r"train_cfg: ResumableEpochLoop needs 'max_epochs'"),
        ('train_cfg', dict(max_epoch=3), r"train_cfg: .* 'max_epoch'"),
        ('train_cfg', dict(by_epoch=True, max_epochs='3'), r"train_cfg.max_epochs: .* got '3'"),
        ('train_dataloader.batch_sze', 3, r"train_dataloader: unknown key 'batch_sze' .*'batch_size'"),
        ('train_dataloader.batch_size', 0, 'train_dataloader.batch_size: .* from 1 on, got 0'),
        ('train_dataloader.sampler.typ', 1, r"sampler: GroupSampler has no argument 'typ'"),
        ('train_dataloader.dataset.lenght', 1, r"dataset: ToyDataset has no argument 'lenght' .*'length'"),
        ('val_evaluator.nam', 'x', r"val_evaluator: ToyMetric has no argument 'nam' .*'name'"),
        ('visualizer', dict(type='Visualzer'), r"unknown visualizer type 'Visualzer' .*'Visualizer'"),
        ('log_processor', dict(window_sizes=3), r"no argument 'window_sizes' .*'window_size'"),
    ],
)  # fmt: skip
def test_every_part_is_checked_before_the_run(tmp_path, path, value, message):
    config = changed(tmp_path, path, value, val=True)
    with pytest.raises(UserError, match=message) as caught:
        check_components(config)
    assert '\n' not in str(caught.value)


def test_nothing_is_written_before_the_check(tmp_path):
    from mmdet.engine import TrackRunner

    with pytest.raises(UserError, match='intervall'):
        TrackRunner.from_cfg(changed(tmp_path / 'run', 'default_hooks.checkpoint.intervall', 1))
    assert not (tmp_path / 'run').exists()


def test_a_logger_without_its_library_names_what_to_install(tmp_path, monkeypatch):
    backends = [dict(type='LocalVisBackend'), dict(type='TensorboardVisBackend')]
    config = toy_config(tmp_path, visualizer=dict(type='Visualizer', vis_backends=backends))
    monkeypatch.setattr(importlib.util, 'find_spec', lambda name: None)
    with pytest.raises(
        UserError, match=r'vis_backends\[1\]: .*TensorboardLoggerHook.*pip install tensorboard'
    ):
        check_components(config)


@HOOKS.register_module()
class OpenHook(Hook):
    """A hook of somebody else that takes anything."""

    def __init__(self, **kwargs):
        self.options = kwargs


def test_what_takes_any_argument_takes_any(tmp_path):
    runner = toy_runner(tmp_path, custom_hooks=[dict(type='OpenHook', whatever=1, priority='LOW')])
    assert 'OpenHook' in [type(hook).__name__ for hook in runner.hooks]


def test_usual_settings_pass(tmp_path):
    config = toy_config(tmp_path, val=True)
    config.optim_wrapper.update(clip_grad=dict(max_norm=35, norm_type=2), accumulative_counts=2)
    config.optim_wrapper['paramwise_cfg'] = dict(
        norm_decay_mult=0.0, custom_keys=dict(body=dict(lr_mult=0.1))
    )
    config.optim_wrapper.optimizer['weight_decay'] = 0.1
    config.param_scheduler = [
        dict(type='CosineAnnealingLR', T_max=3, convert_to_iter_based=True),
        dict(type='OneCycleLR', eta_max=0.1, total_steps=100, by_epoch=False),
    ]
    before = config.to_dict()
    check_components(config)
    assert config.to_dict() == before
    config.optim_wrapper.update(type='AmpOptimWrapper', loss_scale='dynamic')
    check_components(config)
