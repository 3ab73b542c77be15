"""Backbones and feature pyramid against the numbers of the 2019 release."""

import pytest
import torch

from mmdet.models.backbones import ResNet
from mmdet.models.necks import FPN

from .rules import fill_by_rule, load_npz


@pytest.fixture(scope='module')
def golden():
    return {key: torch.from_numpy(value) for key, value in load_npz('unit_fpn_resnet.npz').items()}


def close(actual, expected, tolerance=1e-5):
    # Deep sums differ by the order of additions: compare with the size of the map.
    scale = expected.abs().max()
    torch.testing.assert_close(actual / scale, expected / scale, rtol=tolerance, atol=tolerance)


def test_fpn(golden):
    neck = fill_by_rule(FPN([8, 16, 32, 64], 8, num_outs=5))
    outs = neck([golden[f'fpn.in.{level}'] for level in range(4)])
    assert len(outs) == 5
    for level, out in enumerate(outs):
        torch.testing.assert_close(out, golden[f'fpn.out.{level}'], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize('train', [False, True])
def test_resnet50_keeps_its_statistics_in_training(golden, train):
    backbone = fill_by_rule(ResNet(50)).train(train)
    with torch.no_grad():
        outs = backbone(golden['r50.in'])
    assert len(outs) == 4
    for level, out in enumerate(outs):
        close(out, golden[f'r50.out.{level}'])


def test_resnet18_with_batch_statistics(golden):
    # The golden was recorded in training mode with norm_eval off; the last maps are 2x3, so the variance of
    # six numbers amplifies the noise of the sums before it.
    backbone = fill_by_rule(ResNet(18, norm_eval=False)).train()
    with torch.no_grad():
        outs = backbone(golden['r50.in'])
    assert len(outs) == 4
    for level, out in enumerate(outs):
        close(out, golden[f'r18.out.{level}'], tolerance=3e-5)
