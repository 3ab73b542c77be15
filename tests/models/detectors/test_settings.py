"""Misspelled settings of training and testing are refused when a detector is built."""

import pytest

from mmdet.registry import MODELS
from tests.model_configs import tiny_cfg


@pytest.mark.parametrize(
    'place, value, message',
    [
        (
            'test_cfg.rcnn.score_thrr',
            0.1,
            r"rcnn: unknown key 'score_thrr' \(did you mean 'score_thr'",
        ),
        ('test_cfg.rcnn.score_thr', 50, r'test_cfg\.rcnn\.score_thr: expected a number from 0 to 1, got 50'),
        ('test_cfg.rcnn.score_thr', 'abc', "expected a number from 0 to 1, got 'abc'"),
        ('test_cfg.rcnn.nms', dict(iou_thrr=0.5), 'expected the keys iou_threshold'),
        ('test_cfg.rcn', dict(), r"test_cfg: unknown key 'rcn' \(did you mean 'rcnn'"),
        ('train_cfg.rpn.samplr', dict(), "unknown key 'samplr'"),
    ],
)
def test_unknown_settings_are_refused(place, value, message):
    cfg = tiny_cfg()
    *path, key = place.split('.')
    inner = cfg
    for name in path:
        inner = inner[name]
    inner[key] = value
    with pytest.raises(ValueError, match=message):
        MODELS.build(cfg)


@pytest.mark.parametrize('stage', ['rpn', 'rcnn'])
@pytest.mark.parametrize('part', ['assigner', 'sampler'])
def test_wrong_settings_of_assigners_and_samplers_are_refused(stage, part):
    cfg = tiny_cfg()
    cfg['train_cfg'][stage][part]['numm'] = 3
    with pytest.raises(TypeError, match='numm'):
        MODELS.build(cfg)
