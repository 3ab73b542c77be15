"""Parts that do not fit each other are named when the detector is built."""

import pytest
import torch
from torch import nn

from mmdet.models.fit import check_channels
from mmdet.registry import MODELS
from tests.model_configs import tiny_cfg


def build(kind='MaskTrackRCNN', **changes):
    """A tiny detector with changed keys: ``part__key`` is ``cfg[part][key]``."""
    cfg = tiny_cfg(kind)
    for path, value in changes.items():
        part, key = path.split('__')
        cfg[part][key] = value
    return MODELS.build(cfg)


@pytest.mark.parametrize('kind', ['RPN', 'FasterRCNN', 'MaskRCNN', 'MaskTrackRCNN'])
def test_fitting_parts_build(kind):
    assert isinstance(build(kind), nn.Module)


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (
            dict(neck__in_channels=[256, 512, 1024, 2048]),
            r'neck: in_channels=\[256, .* backbone, which has \[64, 128',
        ),
        (dict(neck__in_channels=[64, 128, 256]), r'neck: in_channels=\[64, 128, 256\] does not fit'),
        (
            dict(rpn_head__in_channels=256),
            'rpn_head: in_channels=256 does not fit the output of neck, which has 32',
        ),
        (
            dict(bbox_roi_extractor__out_channels=256),
            'bbox_roi_extractor: out_channels=256 .* neck, which has 32',
        ),
        (dict(bbox_head__in_channels=256), 'bbox_head: in_channels=256 .* bbox_roi_extractor, which has 32'),
        (dict(bbox_head__roi_feat_size=14), 'bbox_head: roi_feat_size=14 does not fit output_size=7'),
        (dict(mask_roi_extractor__out_channels=64), 'mask_roi_extractor: out_channels=64'),
        (dict(mask_head__in_channels=256), 'mask_head: in_channels=256'),
        (dict(mask_head__num_classes=40), 'mask_head: num_classes=40, but bbox_head has num_classes=3'),
        (dict(track_head__in_channels=256), 'track_head: in_channels=256'),
        (dict(track_head__roi_feat_size=14), 'track_head: roi_feat_size=14'),
    ],
)
def test_what_does_not_fit_is_named(change, message):
    with pytest.raises(ValueError, match=message):
        build(**change)


def test_a_detector_without_neck_reads_the_backbone():
    cfg = tiny_cfg('RPN')
    del cfg['neck']
    cfg['rpn_head']['in_channels'] = 32
    with pytest.raises(ValueError, match=r'rpn_head: in_channels=32 does not fit the output of backbone'):
        MODELS.build(cfg)


def test_parts_that_say_nothing_are_not_compared():
    check_channels(nn.Identity(), nn.Conv2d(3, 4, 1), ('a', 'b'))
    check_channels(nn.Conv2d(3, 4, 1), None, ('a', 'b'))
    wide = nn.Conv2d(3, 4, 1)
    check_channels(nn.Conv2d(3, 3, 1), wide, ('a', 'b'))
    with pytest.raises(
        ValueError, match='b: in_channels=3 does not fit the output of a, which has 4 channels'
    ):
        check_channels(wide, wide, ('a', 'b'))
    assert wide(torch.zeros(1, 3, 2, 2)).shape == (1, 4, 2, 2)
