"""MaskTrack R-CNN configs of mmtracking and mmdetection 3 give the config of the same experiment here."""

import copy
from pathlib import Path

import pytest
from mmengine.config import Config

from mmdet.apis import load_config
from mmdet.compat.configs import recognize, to_native
from mmdet.utils import UserError

from .modern_configs import DETECTOR, DETECTOR_3, TRACKING_0, TRACKING_1, TRACKING_3

CONFIGS = Path(__file__).resolve().parents[3] / 'configs'
OURS = load_config(CONFIGS / 'masktrack_rcnn_r50_fpn_12e_youtubevis2019.py').to_dict()


def read(values):
    config = Config(copy.deepcopy(values))
    return to_native(config, recognize(config), 'x.py')


@pytest.mark.parametrize('values', [TRACKING_0, TRACKING_1, TRACKING_3], ids=['0.x', '1.x', 'mmdet 3'])
def test_the_published_experiment_is_our_config(values):
    new, notes = read(values)
    new = new.to_dict()
    assert '_refused' not in new
    assert any('coco.pth' in note and '--load-from' in note for note in notes)
    # Written out there, defaults here.
    head = new['model']['bbox_head']
    assert head.pop('type') == 'SharedFCBBoxHead' and head.pop('num_shared_fcs') == 2
    ours = copy.deepcopy(OURS['model'])
    assert (
        ours['bbox_head'].pop('type') == 'SharedFCBBoxHead' and ours['bbox_head'].pop('num_shared_fcs') == 2
    )
    for key in ours:
        assert new['model'][key] == ours[key], key
    assert new['model'] == ours
    for split in ('train', 'test'):
        loader, expected = (config[f'{split}_dataloader'] for config in (new, OURS))
        assert loader['sampler'] == expected['sampler']
        assert loader.get('batch_sampler') == expected.get('batch_sampler')
        for key in ('type', 'pipeline', 'box_offset'):
            assert loader['dataset'][key] == expected['dataset'][key], (split, key)
    assert new['train_dataloader']['dataset']['ann_file'] == 'data/youtube_vis_2019/annotations/train.json'
    assert new['train_dataloader']['dataset']['data_prefix'] == dict(
        img='data/youtube_vis_2019/train/JPEGImages'
    )
    assert new['optim_wrapper'] == OURS['optim_wrapper']
    assert new['train_cfg']['max_epochs'] == 12 and new['train_cfg']['type'] == 'ResumableEpochLoop'
    assert [step['type'] for step in new['param_scheduler']] == ['LinearLR', 'MultiStepLR']
    assert new['test_evaluator']['type'] == 'YTVISMetric'


def test_bases_are_read(tmp_path):
    """As the files lie in mmdetection 3: the detector in a base, changed by statements."""
    (tmp_path / 'model.py').write_text(f'model = {DETECTOR_3!r}\n')
    rest = {key: value for key, value in TRACKING_3['model'].items() if key != 'detector'}
    lines = [
        "_base_ = ['./model.py']",
        'detector = _base_.model',
        "detector.pop('data_preprocessor')",
        'detector.roi_head.bbox_head.update(dict(num_classes=40))',
        'detector.roi_head.mask_head.update(dict(num_classes=40))',
        'del _base_.model',
        f'model = dict(detector=detector, **{rest!r})',
        *(f'{key} = {value!r}' for key, value in TRACKING_3.items() if key != 'model'),
    ]
    (tmp_path / 'config.py').write_text('\n'.join(lines) + '\n')
    config = load_config(tmp_path / 'config.py', quiet=True)
    assert config.model.bbox_head.num_classes == 40 and config.model.backbone.depth == 50


def changed(path, value, base=TRACKING_3):
    values = copy.deepcopy(base)
    node = values
    *parts, last = path.split('.')
    for part in parts:
        node = node[part]
    node[last] = value
    return values


@pytest.mark.parametrize(
    ('path', 'value', 'message'),
    [
        ('model.detector.type', 'CascadeRCNN', "model.detector.type='CascadeRCNN' is not supported"),
        ('model.detector.backbone.type', 'SwinTransformer', 'model.detector.backbone.type'),
        ('model.detector.neck.num_outs', 'five', 'num_outs: expected a whole number from 1 to 16'),
        ('model.tracker.momentums', dict(embeds=0.5), 'model.tracker.momentums'),
        ('model.tracker.typo', 1, 'model.tracker.typo is not supported: unknown key'),
        (
            'model.tracker.match_weights',
            dict(det_score='x'),
            'det_score: expected a finite number',
        ),
        ('model.detector.roi_head.bbox_head', 5, 'bbox_head: expected a dict, got 5'),
    ],
)
def test_what_has_no_counterpart_is_named(path, value, message):
    with pytest.raises(UserError) as caught:
        read(changed(path, value))
    assert message in str(caught.value) and str(caught.value).startswith('config x.py, of mmdetection 3')


@pytest.mark.parametrize(
    ('path', 'value', 'job', 'message'),
    [
        ('train_cfg', dict(type='IterBasedTrainLoop', max_iters=3), 'train', 'train_cfg.type'),
        ('model.track_head.train_cfg.sampler.num', 64, 'train', 'model.track_head.train_cfg'),
        ('test_dataloader.dataset.type', 'MOTChallengeDataset', 'test', 'test_dataloader.dataset.type'),
    ],
)
def test_one_job_does_not_stop_the_others(path, value, job, message):
    new, notes = read(changed(path, value))
    assert list(new._refused) == [job] and message in new._refused[job]
    assert any(message in note for note in notes)


def test_separate_features_of_the_track_head_stay_separate():
    layer = dict(type='RoIAlign', output_size=7, sampling_ratio=2)
    new, _ = read(changed('model.track_head.roi_extractor.roi_layer', layer))
    assert new.model.track_roi_extractor.roi_layer.sampling_ratio == 2


def test_a_model_alone_is_read():
    config = Config(dict(model=copy.deepcopy(TRACKING_1['model'])))
    new, _ = to_native(config, recognize(config), 'x.py')
    assert new.model.type == 'MaskTrackRCNN' and 'train_cfg' not in new


def test_the_detector_of_the_tests_is_not_changed():
    assert 'data_preprocessor' not in DETECTOR
