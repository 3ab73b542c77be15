"""Configs of 2019: the upgraded one says what the native one says, and nothing is lost without a word."""

import math
import re
from pathlib import Path

import pytest
import torch
from mmengine.config import Config

from mmdet.apis import build_runner, load_config
from mmdet.apis.config import require
from mmdet.apis.config_text import config_text
from mmdet.compat.configs import NATIVE, recognize, upgrade_config
from mmdet.registry import MODELS
from mmdet.utils import UserError

from .old_configs import COCO_2019, SMALL_CFG, YOUTUBEVOS_2019

CONFIGS = Path(__file__).resolve().parents[3] / 'configs'


def read(tmp_path, text, name='old.py', **changes):
    (tmp_path / name).write_text(text)
    config = Config.fromfile(str(tmp_path / name))
    config.merge_from_dict(changes)
    return config


def upgraded(tmp_path, text=YOUTUBEVOS_2019, **changes):
    return upgrade_config(read(tmp_path, text, **changes))


def test_recognizes_the_old_schema(tmp_path):
    assert recognize(read(tmp_path, YOUTUBEVOS_2019)).name == '2019'
    assert recognize(read(tmp_path, SMALL_CFG)).name == '2019'
    for path in CONFIGS.rglob('*.py'):
        assert recognize(Config.fromfile(str(path))).kind == NATIVE, path


def test_upgraded_config_is_the_native_one(tmp_path):
    """Model, schedule, optimizer and data of the same experiment agree key by key."""
    native = load_config(CONFIGS / 'masktrack_rcnn_r50_fpn_1x_youtubevos.py')._cfg_dict.to_dict()
    new = upgraded(tmp_path)._cfg_dict.to_dict()
    for key in (
        'model',
        'param_scheduler',
        'optim_wrapper',
        'train_cfg',
        'default_hooks',
        'env_cfg',
        'log_level',
    ):
        assert new[key] == native[key], key
    for split in ('train', 'test'):
        ours, theirs = (config[f'{split}_dataloader'] for config in (new, native))
        assert ours['dataset']['pipeline'] == theirs['dataset']['pipeline']
        assert ours['dataset']['type'] == theirs['dataset']['type']
        assert ours['batch_size'] == theirs['batch_size']
        assert ours['sampler'] == theirs['sampler']
        assert ours.get('batch_sampler') == theirs.get('batch_sampler')
        assert ours['dataset'].get('test_mode', False) == theirs['dataset'].get('test_mode', False)


def test_upgraded_and_native_build_equal_models(tmp_path):
    native = load_config(CONFIGS / 'masktrack_rcnn_r50_fpn_1x_youtubevos.py').model
    new = upgraded(tmp_path).model
    states = []
    for config in (native, new):
        torch.manual_seed(0)
        config['backbone'].pop('init_cfg')
        config['backbone'].update(depth=18)
        config['neck'].update(in_channels=[64, 128, 256, 512])
        model = MODELS.build(config)
        model.init_weights()
        states.append(model.state_dict())
    assert states[0].keys() == states[1].keys()
    assert all(torch.equal(a, b) for a, b in zip(states[0].values(), states[1].values()))


def test_coco_config_gives_the_native_model(tmp_path):
    native = load_config(CONFIGS / 'mask_rcnn_r50_fpn_1x_coco.py')._cfg_dict.to_dict()
    new = upgraded(tmp_path, COCO_2019)._cfg_dict.to_dict()
    assert new['model'] == native['model']
    assert new['train_dataloader']['dataset']['pipeline'] == native['train_dataloader']['dataset']['pipeline']
    assert new['test_evaluator']['type'] == 'CocoMetric'


def test_class_counts_lose_the_background(tmp_path):
    model = upgraded(tmp_path).model
    assert (model.bbox_head.num_classes, model.mask_head.num_classes) == (40, 40)
    assert MODELS.build(upgraded(tmp_path, SMALL_CFG).model).bbox_head.fc_cls.out_features == 6


def test_small_cfg_builds_the_published_tensors(tmp_path):
    import json

    golden = Path(__file__).resolve().parents[2] / 'golden' / 'small_state.json'
    expected = {key: tuple(shape) for key, shape, _ in json.loads(golden.read_text())}
    model = MODELS.build(upgraded(tmp_path, SMALL_CFG).model)
    ours = {key: tuple(value.shape) for key, value in model.state_dict().items()}
    assert {k: v for k, v in ours.items() if k in expected} == expected
    assert all('num_batches_tracked' in key for key in set(ours) - set(expected))


def test_paths_stay_as_they_are(tmp_path):
    new = upgraded(tmp_path)
    dataset = new.train_dataloader.dataset
    assert dataset.ann_file == '../../data/youtubeVIS/annotations/instances_train_sub.json'
    assert dataset.data_prefix.img == '../../data/youtubeVIS/train/JPEGImages'
    assert 'data_root' not in dataset
    assert new.load_from == './pretrained_models/mask_rcnn_r50_fpn_1x_20181010-069fa190.pth'
    assert new.work_dir == './work_dirs/masktrack_rcnn_r50_fpn_1x_youtubevos'


# --- schedule ---


def rate_of_2019(iteration, epoch_length, base=0.005, warmup=500, ratio=1.0 / 3, steps=(8, 11)):
    """The rule of mmcv 0.2: steps by epoch, multiplied by a linear warm-up over iterations."""
    epoch = iteration // epoch_length
    rate = base * 0.1 ** sum(epoch >= step for step in steps)
    if iteration < warmup:
        rate *= 1 - (1 - iteration / warmup) * (1 - ratio)
    return rate


def rates(config, epoch_length):
    """Learning rate of every iteration as the runner steps the schedulers."""
    from mmengine.optim import OptimWrapper

    from mmdet.registry import PARAM_SCHEDULERS

    optimizer = torch.optim.SGD(
        [torch.nn.Parameter(torch.zeros(1))],
        **{k: v for k, v in config.optim_wrapper.optimizer.items() if k != 'type'},
    )
    wrapper = OptimWrapper(optimizer)
    epochs = config.train_cfg.max_epochs
    schedulers = []
    for scheduler in config.param_scheduler:
        end = epochs if scheduler.get('by_epoch', True) else epochs * epoch_length
        args = dict(optimizer=wrapper, epoch_length=epoch_length)
        schedulers.append(PARAM_SCHEDULERS.build({'end': end, **scheduler}, default_args=args))
    for iteration in range(epochs * epoch_length):
        yield wrapper.get_lr()['lr'][0]
        for scheduler in schedulers:
            if not scheduler.by_epoch:
                scheduler.step()
        if (iteration + 1) % epoch_length == 0:
            for scheduler in schedulers:
                if scheduler.by_epoch:
                    scheduler.step()


@pytest.mark.parametrize('epoch_length', [30, 100, 700])
def test_learning_rate_is_that_of_2019_in_every_iteration(tmp_path, epoch_length):
    new, native = upgraded(tmp_path), load_config(CONFIGS / 'masktrack_rcnn_r50_fpn_1x_youtubevos.py')
    ours = list(rates(new, epoch_length))
    assert len(ours) == 12 * epoch_length
    worst = max(abs(rate - rate_of_2019(i, epoch_length)) for i, rate in enumerate(ours))
    assert worst < 1e-12
    assert ours == list(rates(native, epoch_length))


@pytest.mark.parametrize(
    ('lr_config', 'rule'),
    [
        (dict(policy='fixed'), lambda epoch: 1.0),
        (dict(policy='step', step=3, gamma=0.5), lambda epoch: 0.5 ** (epoch // 3)),
        (dict(policy='step', step=[2, 5], gamma=0.2), lambda epoch: 0.2 ** ((epoch >= 2) + (epoch >= 5))),
        (dict(policy='exp', gamma=0.9), lambda epoch: 0.9**epoch),
        (dict(policy='cosine'), lambda epoch: 0.5 * (1 + math.cos(math.pi * epoch / 12))),
        (dict(policy='poly', power=0.9), lambda epoch: (1 - epoch / 12) ** 0.9),
    ],
)
@pytest.mark.parametrize('warmup', [None, 'linear', 'constant'])
def test_other_policies(tmp_path, lr_config, rule, warmup):
    config = read(tmp_path, YOUTUBEVOS_2019)
    config['lr_config'] = dict(lr_config, warmup=warmup, warmup_iters=7, warmup_ratio=0.2)
    for iteration, rate in enumerate(rates(upgrade_config(config), 5)):
        expected = 0.005 * rule(iteration // 5)
        if iteration < 7 and warmup == 'linear':
            expected *= 1 - (1 - iteration / 7) * 0.8
        if iteration < 7 and warmup == 'constant':
            expected *= 0.2
        assert rate == pytest.approx(expected, abs=1e-12), iteration


# --- the rest of the table ---


def test_optimizer_options(tmp_path):
    config = read(tmp_path, YOUTUBEVOS_2019)
    config.optimizer['paramwise_options'] = dict(bias_lr_mult=2.0, bias_decay_mult=0.0)
    config['fp16'] = dict(loss_scale=256.0)
    wrapper = upgrade_config(config).optim_wrapper
    assert wrapper.paramwise_cfg == dict(bias_lr_mult=2.0, bias_decay_mult=0.0)
    assert (wrapper.type, wrapper.loss_scale) == ('AmpOptimWrapper', 256.0)
    assert 'paramwise_options' not in wrapper.optimizer


def test_hooks_resume_and_running(tmp_path):
    config = read(tmp_path, YOUTUBEVOS_2019)
    config['log_config'] = dict(
        interval=7, hooks=[dict(type='TextLoggerHook'), dict(type='TensorboardLoggerHook')]
    )
    config['checkpoint_config'] = dict(interval=3, max_keep_ckpts=2)
    config['resume_from'] = 'some/epoch_3.pth'
    config['cudnn_benchmark'] = True
    config['evaluation'] = dict(interval=4)
    config['gpus'] = 8
    new = upgrade_config(config)
    assert new.default_hooks.logger.interval == 7
    assert new.visualizer.vis_backends[1].type == 'TensorboardVisBackend'
    assert new.default_hooks.checkpoint == dict(type='CheckpointHook', interval=3, max_keep_ckpts=2)
    assert (new.resume, new.load_from) == (True, 'some/epoch_3.pth')
    assert new.env_cfg.cudnn_benchmark is True
    assert new.train_cfg.val_interval == 4


def test_old_and_new_spelling_of_norms(tmp_path):
    changes = {
        'model.backbone.normalize': dict(type='BN', frozen=True),
        'model.neck.normalize': dict(type='BN'),
    }
    model = upgraded(tmp_path, **changes).model
    assert model.backbone.norm_cfg == dict(type='BN', requires_grad=False)
    assert model.neck.norm_cfg == dict(type='BN', requires_grad=True)


def test_smooth_l1_beta_and_soft_nms_and_scales(tmp_path):
    config = read(tmp_path, YOUTUBEVOS_2019)
    config.train_cfg.rpn['smoothl1_beta'] = 0.5
    config.test_cfg.rcnn['nms'] = dict(type='soft_nms', iou_thr=0.5, min_score=0.05)
    config.data.train['img_scale'] = [(640, 320), (640, 360)]
    config.data.train['multiscale_mode'] = 'range'
    config.data.train['aug_ref_bbox_param'] = [0.05, 0.1]
    new = upgrade_config(config)
    assert new.model.rpn_head.loss_bbox.beta == 0.5
    assert new.model.test_cfg.rcnn.nms == dict(type='soft_nms', iou_threshold=0.5, min_score=0.05)
    steps = {step.type: step for step in new.train_dataloader.dataset.pipeline}
    assert (steps['Resize'].scales, steps['Resize'].mode) == ([(640, 320), (640, 360)], 'range')
    assert (steps['RefBoxJitter'].center, steps['RefBoxJitter'].size) == (0.05, 0.1)


def test_the_roi_align_of_torchvision_is_its_own_mode(tmp_path):
    changes = {'model.bbox_roi_extractor.roi_layer.use_torchvision': True}
    model = upgraded(tmp_path, **changes).model
    assert model.bbox_roi_extractor.roi_layer.mode == 'unaligned'
    assert model.mask_roi_extractor.roi_layer.mode == 'legacy'


def test_match_coefficients_become_names(tmp_path):
    new = upgraded(tmp_path, **{'model.track_head.match_coeff': [0.5, 1.5, 5]})
    assert new.model.tracker.match_coeff == dict(det_score=0.5, iou=1.5, label=5.0)


@pytest.mark.parametrize(
    ('key', 'value', 'named'),
    [
        ('workflow', [('train', 1), ('val', 1)], r"workflow=\[\('train', 1\), \('val', 1\)\]"),
        ('model.type', 'RetinaNet', "model.type='RetinaNet'"),
        ('model.backbone.type', 'SSDVGG', 'model.backbone.type'),
        ('model.backbone.dcn', dict(modulated=True), 'model.backbone.dcn'),
        ('model.neck.type', 'BFP', 'model.neck.type'),
        ('model.bbox_head.typo', 3, 'model.bbox_head.typo'),
        ('model.bbox_head.num_classe', 3, r"num_classe .*\(did you mean 'num_classes'\?\)"),
        ('model.bbox_roi_extractor.roi_layer.type', 'RoIPool', 'RoIPool'),
        ('model.track_head.dynamic', False, 'model.track_head.dynamic'),
        ('model.shared_head', dict(type='ResLayer'), 'model.shared_head'),
        ('train_cfg.rcnn.sampler.type', 'OHEMSampler', 'train_cfg.rcnn.sampler.type'),
        ('train_cfg.rpn.assigner.type', 'ATSSAssigner', 'train_cfg.rpn.assigner.type'),
        ('test_cfg.rcnn.unknown', 1, 'test_cfg.rcnn.unknown'),
        ('lr_config.policy', 'inv', 'lr_config.policy'),
        ('lr_config.warmup', 'exp', 'lr_config.warmup'),
        ('data.train.type', 'CityscapesDataset', 'data.train.type'),
        ('data.train.extra_aug', dict(expand=1), 'data.train.extra_aug'),
        ('data.train.proposal_file', 'x.pkl', 'data.train.proposal_file'),
        ('data.test.flip_ratio', 1, 'data.test.flip_ratio'),
        ('data.test.img_scale', [(1, 2), (3, 4)], 'data.test.img_scale'),
        ('data.test.img_norm_cfg', dict(mean=[0, 0, 0], std=[1, 1, 1], to_rgb=False), 'data.test'),
        ('data.imgs_per_gpus', 3, r"data.imgs_per_gpus .*\(did you mean 'imgs_per_gpu'\?\)"),
        ('optimizer_config.coalesce', True, 'optimizer_config.coalesce'),
        ('checkpoint_config.where', 'x', 'checkpoint_config.where'),
        ('log_config.hooks', [dict(type='PaviLoggerHook')], 'PaviLoggerHook'),
        ('hooks', [1], 'hooks'),
    ],
)
def test_what_is_not_supported_is_named(tmp_path, key, value, named):
    config = read(tmp_path, YOUTUBEVOS_2019)
    node = config._cfg_dict
    *path, last = key.split('.')
    for part in path:
        node = node[part]
    node[last] = value
    try:
        refused = upgrade_config(config)._refused
    except UserError as error:
        assert re.search(named, str(error))
    else:  # only the job that needs it
        job = 'test' if key.startswith('data.test') else 'train'
        assert list(refused) == [job] and re.search(named, refused[job])


def test_a_part_that_one_job_needs_does_not_stop_the_others(tmp_path, capsys):
    flipped = YOUTUBEVOS_2019.replace('flip_ratio=0, with_mask=False', 'flip_ratio=0.5, with_mask=False')
    (tmp_path / 'old.py').write_text(flipped)
    config = load_config(tmp_path / 'old.py')
    assert 'cannot be used for testing: data.test.flip_ratio=0.5' in capsys.readouterr().err
    assert config.train_dataloader and config.val_dataloader and 'test_dataloader' not in config
    with pytest.raises(UserError, match=r'cannot be used for testing: data.test.flip_ratio=0.5'):
        build_runner(config, train=False)
    require(config, ('train_dataloader', 'train_cfg', 'optim_wrapper'), 'training')
    again = tmp_path / 'new.py'
    again.write_text(config_text(config))
    with pytest.raises(UserError, match='flip_ratio=0.5'):
        require(load_config(again), ('test_dataloader',), 'testing')


@pytest.mark.parametrize(
    ('key', 'value', 'message'),
    [
        ('model.pretrained', dict(type=None), r"model.pretrained: expected a text, got {'type': None}"),
        ('model.track_head.match_coeff', [1, 2, dict(a=1)], 'match_coeff: expected a list of three numbers'),
        (
            'test_cfg.rcnn.score_thr',
            math.inf,
            'rcnn.score_thr: expected a number from 0 to 1, got inf',
        ),
        ('test_cfg.rpn.nms_thr', '0.7', "test_cfg.rpn.nms_thr: expected a number from 0 to 1, got '0.7'"),
        ('model.neck.num_outs', 10**9, 'model.neck.num_outs: expected a whole number from 1 to 16'),
        ('model.bbox_head.num_classes', True, 'model.bbox_head.num_classes: expected a whole number from 2'),
        ('model.backbone', [1], r'model.backbone: expected a dict, got \[1\]'),
        ('model.bbox_head.loss_cls', dict(type='CrossEntropyLoss', loss_weight='x'), 'loss_cls.loss_weight'),
        ('model.backbone.depth', None, 'model.backbone.depth: expected a whole number from 1 on, got None'),
        ('data', 3, 'data: expected a dict, got 3'),
        ('load_from', 5, 'load_from: expected a text, got 5'),
    ],
)
def test_values_are_checked(tmp_path, key, value, message):
    config = read(tmp_path, YOUTUBEVOS_2019)
    *path, last = key.split('.')
    node = config._cfg_dict
    for part in path:
        node = node[part]
    node[last] = value
    with pytest.raises(UserError, match=message):
        upgrade_config(config)


@pytest.mark.parametrize(
    ('key', 'value', 'message'),
    [
        ('optimizer.lr', math.nan, 'optimizer.lr: expected a number from 0 on, got nan'),
        ('train_cfg.rcnn.sampler.num', -3, 'train_cfg.rcnn.sampler.num: expected a whole number'),
        ('data.train.img_scale', 'big', 'data.train.img_scale: expected the longest and the shortest edge'),
        ('data.train.ann_file', None, 'data.train.ann_file: expected a text, or a list of texts, got None'),
        ('total_epochs', 0, 'total_epochs: expected a whole number from 1 on'),
    ],
)
def test_values_that_only_training_needs_are_kept_for_it(tmp_path, key, value, message):
    config = upgraded(tmp_path, **{key: value})
    assert message in config._refused.train
    assert config.model.test_cfg and config.test_dataloader and 'train_cfg' not in config


def test_lists_of_annotation_files_are_joined(tmp_path):
    config = read(tmp_path, YOUTUBEVOS_2019)
    config.data.train.update(ann_file=['a.json', 'b.json'], img_prefix=['x', 'y'])
    config.data.val.update(ann_file=['a.json'])
    new = upgrade_config(config)
    joined = new.train_dataloader.dataset
    assert joined.type == 'ConcatDataset'
    files = [(part.ann_file, part.data_prefix.img) for part in joined.datasets]
    assert files == [('a.json', 'x'), ('b.json', 'y')]
    assert new.val_dataloader.dataset.ann_file == new.val_evaluator.ann_file == 'a.json'
    config.data.test.update(ann_file=['a.json', 'b.json'])
    config.data.train.update(img_prefix=['x', 'y', 'z'])
    refused = upgrade_config(config)._refused
    assert 'reads one annotation file' in refused.test and 'data.train.img_prefix' in refused.train


@pytest.mark.parametrize('text', [YOUTUBEVOS_2019, COCO_2019])
def test_pipelines_of_mmdetection_1_say_what_2019_says(tmp_path, text):
    """The same experiment in both schemas gives the same native config."""
    config = read(tmp_path, text)
    expected = upgrade_config(config)._cfg_dict.to_dict()
    config = read(tmp_path, text)
    for split in [key for key in ('train', 'val', 'test') if key in config.data]:
        config.data[split] = with_pipeline(config.data[split], split)
    config.data['samples_per_gpu'] = config.data.pop('imgs_per_gpu')
    config['evaluation'] = dict(interval=1)
    assert recognize(config).name == 'mmdetection 1'
    found = upgrade_config(config)._cfg_dict.to_dict()
    for split in ('val', 'test'):  # what is scored follows the model, not a switch of the dataset
        for one in (found, expected):
            one.get(f'{split}_evaluator', {}).pop('metric', None)
    assert found == expected


def with_pipeline(old, split):
    norm, pad = dict(old.img_norm_cfg, type='Normalize'), dict(type='Pad', size_divisor=old.size_divisor)
    new = dict(type=old.type, ann_file=old.ann_file, img_prefix=old.img_prefix)
    load = dict(type='LoadImageFromFile', to_float32=True)
    if split == 'train':
        annotations = dict(type='LoadAnnotations', with_bbox=True, with_mask=True)
        resize = dict(type='Resize', img_scale=old.img_scale, keep_ratio=True)
        flip = dict(type='RandomFlip', flip_ratio=old.flip_ratio)
        pack = [dict(type='DefaultFormatBundle'), dict(type='Collect', keys=['img', 'gt_bboxes'])]
        return dict(new, pipeline=[load, annotations, resize, flip, norm, pad, *pack])
    inner = [dict(type='Resize', keep_ratio=True), dict(type='RandomFlip'), norm, pad]
    inner += [dict(type='ImageToTensor', keys=['img']), dict(type='Collect', keys=['img'])]
    test = dict(type='MultiScaleFlipAug', img_scale=old.img_scale, flip=False, transforms=inner)
    return dict(new, pipeline=[load, test])


@pytest.mark.parametrize(
    ('step', 'message'),
    [
        (dict(type='Expand', ratio_range=(1, 4)), r"data.train.pipeline\[1\].type='Expand' is not supported"),
        (dict(type='RandomFlip', flip_ratio=2), r'pipeline\[1\].flip_ratio: expected a number from 0 to 1'),
        (dict(type='Resize', img_scale=(8, 8), ratio_range=(1, 2)), 'ratio_range'),
        (dict(type='Resize'), 'img_scale'),
        (dict(type='RandomFlip', ratio=1), r'pipeline\[1\].ratio is not supported: unknown key'),
    ],
)
def test_steps_that_are_not_supported_are_named(tmp_path, step, message):
    config = read(tmp_path, YOUTUBEVOS_2019)
    config.data.train = with_pipeline(config.data.train, 'train')
    config.data.train.pipeline.insert(1, step)
    assert re.search(message, upgrade_config(config)._refused.train)


def test_a_config_for_testing_alone_cannot_train_and_names_what_is_missing(tmp_path):
    (tmp_path / 'small.py').write_text(SMALL_CFG)
    config = load_config(tmp_path / 'small.py', quiet=True)
    assert config.test_dataloader.dataset.test_mode is True
    with pytest.raises(UserError, match=r'training.*train_cfg \(total_epochs .*optim_wrapper \(optimizer'):
        build_runner(config)


def test_a_config_without_training_settings_of_the_model_still_tests(tmp_path):
    config = read(tmp_path, SMALL_CFG)
    del config._cfg_dict['train_cfg']
    new = upgrade_config(config)
    assert new.model.train_cfg is None
    assert MODELS.build(new.model).test_cfg is not None
