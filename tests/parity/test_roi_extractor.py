"""Level rule and multi-level RoIAlign against the numbers of the 2019 release."""

import pytest
import torch

from mmdet.registry import MODELS

from .rules import load_npz

LEVELS = 4


@pytest.fixture(scope='module')
def golden():
    arrays = load_npz('unit_roi_align.npz')
    return {key: torch.from_numpy(value) for key, value in arrays.items() if key.startswith('ext.')}


@pytest.fixture(scope='module')
def extractor():
    return MODELS.build(
        dict(
            type='SingleRoIExtractor',
            roi_layer=dict(type='RoIAlign', output_size=7, sampling_ratio=2, mode='legacy'),
            out_channels=4,
            featmap_strides=[4, 8, 16, 32],
        )
    )


def test_levels(golden, extractor):
    assert torch.equal(extractor.map_roi_levels(golden['ext.in.rois']), golden['ext.out.levels'])


def test_features_and_gradients(golden, extractor):
    feats = [golden[f'ext.in.feat.{level}'].clone().requires_grad_() for level in range(LEVELS)]
    out = extractor(feats, golden['ext.in.rois'])
    torch.testing.assert_close(out, golden['ext.out.feats'], rtol=1e-5, atol=1e-5)
    out.backward(golden['ext.gout'])
    for level in range(LEVELS):
        torch.testing.assert_close(feats[level].grad, golden[f'ext.gin.{level}'], rtol=1e-5, atol=2e-5)
