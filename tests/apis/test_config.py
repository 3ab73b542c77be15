"""Reading configs: misspelled keys, options from the command line, unknown types, missing parts."""

import hashlib
import json
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import RUNNERS

from mmdet.apis import build_runner, load_config
from mmdet.apis.config import KNOWN_KEYS, registry_errors, require
from mmdet.apis.config_text import config_text, lookup
from mmdet.apis.training import _mixed_precision
from mmdet.registry import HOOKS, MODELS
from mmdet.utils import UserError
from tests.compat.configs.old_configs import SMALL_CFG, YOUTUBEVOS_2019
from tests.engine.toy import toy_config

DIGESTS = {
    'faster_rcnn_r50_fpn_1x_coco': '454a126d28504e05',
    'mask_rcnn_r50_fpn_1x_coco': '164ba843134c6341',
    'maskrcnn_r50_fpn_coco': '15561a27387454ee',
    'maskrcnn_r50_fpn_v2_coco': 'a9c7aeb33170d425',
    'masktrack_rcnn_demo_synthetic': 'cb6a58075802b1a5',
    'masktrack_rcnn_r101_fpn_12e_youtubevis2019': '7896c861b3b19ce6',
    'masktrack_rcnn_r101_fpn_12e_youtubevis2021': '09ac739102f2e49e',
    'masktrack_rcnn_r18_cells': '252ded2ef4b684f0',
    'masktrack_rcnn_r18_scratch_clips': '52248d0652b20205',
    'masktrack_rcnn_r50_fpn_12e_ovis': 'e21d542a889fbc09',
    'masktrack_rcnn_r50_fpn_12e_youtubevis2019': 'ef76419233b3520a',
    'masktrack_rcnn_r50_fpn_12e_youtubevis2019_coco': '092f65b1f846d037',
    'masktrack_rcnn_r50_fpn_12e_youtubevis2021': '6db8effb4a71bc3e',
    'masktrack_rcnn_r50_fpn_1x_youtubevos': '8f3fb9974b5a3c62',
    'masktrack_rcnn_r50_fpn_finetune': 'f5937ad8b5c29f6b',
    'masktrack_rcnn_x101_fpn_12e_youtubevis2019': 'e586319f3d18028d',
    'masktrack_rcnn_x101_fpn_12e_youtubevis2021': '220088d2db8acc3a',
    'rpn_r50_fpn_1x_coco': 'ae3e831f82370bf4',
}
DIGESTED = (
    *('model', 'train_dataloader', 'val_dataloader', 'test_dataloader', 'val_evaluator', 'test_evaluator'),
    *('optim_wrapper', 'param_scheduler'),
)
CONFIGS = sorted((Path(__file__).resolve().parents[2] / 'configs').glob('*.py'))


def write(tmp_path, text, name='config.py'):
    path = tmp_path / name
    path.write_text(text)
    return path


@pytest.mark.parametrize('path', CONFIGS, ids=lambda path: path.stem)
def test_every_config_loads_and_opens_with_its_command(path):
    config = load_config(path)
    assert config.default_scope == 'mmdet'
    head = path.read_text().split('\n\n')[0]
    assert head.startswith('#') and 'tools/' in head and path.name in head


@pytest.mark.parametrize('path', CONFIGS, ids=lambda path: path.stem)
def test_configs_have_at_most_two_levels_of_bases(path):
    def depth(file):
        bases = Config._get_base_files(str(file))
        return 1 + max(depth(file.parent / base) for base in bases) if bases else 0

    assert depth(path) <= 2


def resolved(config):
    """The parts of a config that a run depends on, without the variables of its author."""
    return {key: value for key, value in config.to_dict().items() if key in KNOWN_KEYS - {'work_dir'}}


def test_the_flat_config_equals_its_bases(tmp_path):
    folder = CONFIGS[0].parent
    parts = ('models/masktrack_rcnn_r50_fpn_2019', 'datasets/youtube_vis', 'schedules/schedule_12e')
    bases = [str(folder / f'_base_/{part}.py') for part in (*parts, 'default_runtime')]
    composed = load_config(write(tmp_path, f'_base_ = {bases!r}\n'))
    assert resolved(load_config(folder / 'masktrack_rcnn_r50_fpn_1x_youtubevos.py')) == resolved(composed)


@pytest.mark.parametrize('path', CONFIGS, ids=lambda path: path.stem)
def test_configs_resolve_to_what_they_always_did(path):
    """Digests of model, data loaders, evaluators, optimizer and schedule; a change here changes results."""
    config = load_config(path).to_dict()
    for name in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        if not config[name]['num_workers']:  # False is the default where there are no workers
            config[name].pop('persistent_workers', None)
    keys = [key for key in DIGESTED if key in config]
    text = json.dumps([[key, config[key]] for key in keys], sort_keys=True)
    assert hashlib.sha256(text.encode()).hexdigest()[:16] == DIGESTS[path.stem]


def test_mmengine_builds_the_run_from_a_config_alone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = Config.fromfile(CONFIGS[0].parent / 'masktrack_rcnn_r50_fpn_1x_youtubevos.py')
    config.model.backbone.init_cfg = None
    runner = RUNNERS.build(config)
    assert type(runner).__name__ == 'TrackRunner'
    hooks = {type(hook).__name__ for hook in runner.hooks}
    assert {'NonFiniteLossHook', 'ClassCountHook', 'SummaryHook', 'CheckpointHook'} <= hooks
    assert type(runner.model).__module__.startswith('mmdet.')
    other = build_runner(
        load_config(CONFIGS[0].parent / 'masktrack_rcnn_r50_fpn_1x_youtubevos.py'), validate=True
    )
    assert [type(hook) for hook in runner.hooks] == [type(hook) for hook in other.hooks]
    for loop in ('_train_loop', '_val_loop'):
        assert getattr(runner, loop) == getattr(other, loop)
    assert runner._train_dataloader == other._train_dataloader
    assert runner._val_dataloader == other._val_dataloader


@pytest.mark.parametrize(
    ('key', 'close'),
    [
        ('optim_wraper', 'optim_wrapper'),
        ('modle', 'model'),
        ('train_dataloder', 'train_dataloader'),
        ('param_schedulers', 'param_scheduler'),
        ('defaul_hooks', 'default_hooks'),
        ('workdir', 'work_dir'),
        ('load_form', 'load_from'),
    ],
)
def test_nearly_known_keys_are_refused_with_the_close_name(tmp_path, key, close):
    path = write(tmp_path, f'model = optim_wrapper = dict()\n{key} = dict()\n')
    with pytest.raises(UserError, match=rf'unknown key {key!r} \(did you mean {close!r}'):
        load_config(path)


def test_variables_of_the_author_are_free(tmp_path):
    names = 'channels box_means train_pipeline data_root dataset_type img_norm_cfg my_backbone _private'
    config = load_config(
        write(tmp_path, '\n'.join(f'{name} = 1' for name in names.split()) + '\nval_cfg = None\n')
    )
    assert config.my_backbone == config.channels == 1


def test_nearly_known_keys_of_the_old_schema(tmp_path):
    path = write(tmp_path, YOUTUBEVOS_2019.replace('lr_config = ', 'lr_confg = '))
    with pytest.raises(UserError, match="'lr_confg' .*'lr_config'"):
        load_config(path)


@pytest.mark.parametrize(
    ('text', 'name', 'message'),
    [
        ('a = (\n', 'x.py', r'x.py, line \d'),
        ('a = undefined_name\n', 'x.py', 'NameError'),
        ('a', 'x.txt', 'expected a .py, .json or .yaml'),
        ("_base_ = './nothing.py'\n", 'x.py', 'cannot be read'),
    ],
)
def test_unreadable_configs(tmp_path, text, name, message):
    with pytest.raises(UserError, match=message):
        load_config(write(tmp_path, text, name))


def test_missing_config_names_the_close_file(tmp_path):
    write(tmp_path, '', 'masktrack.py')
    with pytest.raises(UserError, match=r"does not exist \(did you mean 'masktrack.py'"):
        load_config(tmp_path / 'masktrak.py')


def test_options_in_both_schemas(tmp_path):
    path = write(tmp_path, SMALL_CFG)
    for key in ('test_cfg.rcnn.score_thr', 'model.test_cfg.rcnn.score_thr'):
        assert load_config(path, {key: 0.4}, quiet=True).model.test_cfg.rcnn.score_thr == 0.4
    assert (
        load_config(path, {'data.test.ann_file': 'x.json'}, quiet=True).test_dataloader.dataset.ann_file
        == 'x.json'
    )
    assert load_config(path, {'model.bbox_head.num_classes': 9}, quiet=True).model.bbox_head.num_classes == 8
    assert load_config(path, {'model.tracker.max_age': 5}, quiet=True).model.tracker.max_age == 5
    new = load_config(path, {'train_cfg.max_epochs': 3, 'train_cfg.by_epoch': True}, quiet=True)
    assert new.train_cfg == dict(max_epochs=3, by_epoch=True)


def test_the_upgrade_is_said_in_one_line(tmp_path, capsys):
    load_config(write(tmp_path, SMALL_CFG))
    printed = capsys.readouterr().err
    assert printed.count('\n') == 1 and 'schema of 2019' in printed
    load_config(CONFIGS[0])
    assert capsys.readouterr().err == ''


@pytest.mark.parametrize(
    'option, name',
    [
        ('total_epochs', 'train_cfg.max_epochs'),
        ('data.train.ann_file', 'train_dataloader'),
        ('optimizer.lr', 'optim_wrapper.optimizer'),
    ],
)
def test_options_of_the_old_schema_for_a_native_config(tmp_path, option, name):
    path = tmp_path / 'c.py'
    path.write_text('train_dataloader = dict(batch_size=2)')
    with pytest.raises(UserError, match=f'^--cfg-options {option}: .* in .*c.py it is {name}'):
        load_config(path, {option: 5})


def test_misspelled_option_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"no key optim_wraper \(did you mean 'optim_wrapper'"):
        load_config(CONFIGS[0], {'optim_wraper.optimizer.lr': 1})
    with pytest.raises(UserError, match=r"no key model.bakbone \(did you mean 'backbone'"):
        load_config(CONFIGS[0], {'model.bakbone.depth': 1})
    with pytest.raises(UserError, match='is a list of 2'):
        load_config(CONFIGS[0], {'param_scheduler.7.end': 1})
    with pytest.raises(UserError, match="did you mean 'work_dir'"):
        load_config(CONFIGS[0], {'workdir': 'x'})


def test_unknown_type_is_one_line_with_the_close_name():
    with (
        pytest.raises(UserError, match=r"^unknown model type 'ResNett' \(did you mean 'ResNet'\?\)$"),
        registry_errors(),
    ):
        MODELS.build(dict(type='ResNett', depth=50))
    with (
        pytest.raises(UserError, match=r"unknown hook type 'CheckpointHok' \(did you mean 'CheckpointHook'"),
        registry_errors(),
    ):
        HOOKS.build(dict(type='CheckpointHok'))


def test_other_key_errors_pass_through():
    with pytest.raises(KeyError, match='something'), registry_errors():
        raise KeyError('something')


def test_unknown_type_in_a_runner(tmp_path):
    config = toy_config(tmp_path)
    config.model.type = 'ToyModle'
    with pytest.raises(UserError, match=r"unknown model type 'ToyModle' \(did you mean 'ToyModel'"):
        build_runner(config)


def test_require_names_what_is_missing(tmp_path):
    with pytest.raises(UserError, match=r'training: it has no optim_wrapper \(optimizer'):
        require(Config(dict(train_cfg=dict())), ('train_cfg', 'optim_wrapper'), 'training')


def test_validation_is_left_out_unless_asked_for(tmp_path):
    hook = dict(type='CheckpointHook', save_best='score', rule='greater')
    config = toy_config(tmp_path, val=True, default_hooks=dict(checkpoint=hook))
    runner = build_runner(config)
    assert runner._val_loop is None
    assert config.val_dataloader is not None  # the caller's config is left alone
    assert build_runner(config, validate=True)._val_loop is not None
    with pytest.raises(UserError, match=r'validation \(--validate\): it has no val_dataloader \(data.val'):
        build_runner(toy_config(tmp_path), validate=True)


def test_our_hooks_are_added_once(tmp_path):
    config = toy_config(tmp_path, custom_hooks=[dict(type='NonFiniteLossHook')])
    names = [type(hook).__name__ for hook in build_runner(config).hooks]
    assert names.count('NonFiniteLossHook') == names.count('ClassCountHook') == 1


def test_training_rounds_denormal_numbers_to_zero(tmp_path):
    torch.set_flush_denormal(False)
    build_runner(toy_config(tmp_path))
    assert not torch.full((8,), 1e-39).mul(0.5).any()
    torch.set_flush_denormal(False)
    assert torch.full((8,), 1e-39).mul(0.5).any()


@pytest.mark.parametrize(
    ('gpu', 'bfloat16', 'amp', 'wrapper'),
    [
        (False, False, True, 'AutocastOptimWrapper'),
        (True, True, True, 'AutocastOptimWrapper'),
        (True, False, True, 'AmpOptimWrapper'),
        (True, True, 'float16', 'AmpOptimWrapper'),
    ],
)
def test_amp_chooses_bfloat16_where_there_is_such(monkeypatch, gpu, bfloat16, amp, wrapper):
    config = dict(optim_wrapper=dict(type='OptimWrapper'))
    monkeypatch.setattr('torch.cuda.is_available', lambda: gpu)
    monkeypatch.setattr('torch.cuda.is_bf16_supported', lambda including_emulation: bfloat16)
    _mixed_precision(config, amp)
    assert config['optim_wrapper']['type'] == wrapper


def test_amp_refuses_other_wrappers_and_float16_without_a_gpu(tmp_path, monkeypatch):
    monkeypatch.setattr('torch.cuda.is_available', lambda: False)
    with pytest.raises(UserError, match='--amp-dtype float16 needs a GPU'):
        build_runner(toy_config(tmp_path), amp='float16')
    config = toy_config(tmp_path)
    config.optim_wrapper.type = 'OptimWrapperDict'
    with pytest.raises(UserError, match="--amp: expected .* got 'OptimWrapperDict'"):
        build_runner(config, amp=True)


@pytest.mark.parametrize('path', CONFIGS, ids=lambda path: path.stem)
def test_text_of_a_config_reads_back_as_the_config(tmp_path, path):
    config = load_config(path)
    again = Config.fromfile(str(write(tmp_path, config_text(config))))
    assert again._cfg_dict.to_dict() == config._cfg_dict.to_dict()
    assert max(map(len, config_text(config).splitlines())) <= 110


def test_text_of_odd_values(tmp_path):
    values = dict(
        a=(1,), b={'not a name': 1, 'class': 2}, c=[], d=None, e='x' * 120, f=((1, 2), (3,)), g={1: 2}
    )
    again = Config.fromfile(str(write(tmp_path, config_text(Config(values)))))
    assert again._cfg_dict.to_dict() == values


def test_lookup():
    config = load_config(CONFIGS[0])
    assert lookup(config, 'model.backbone.depth') == config.model.backbone.depth
    assert lookup(config, 'param_scheduler.0.type') == 'LinearLR'
    with pytest.raises(UserError, match=r"no 'bakbone' \(did you mean 'backbone'"):
        lookup(config, 'model.bakbone')
