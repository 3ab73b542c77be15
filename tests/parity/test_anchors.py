"""Anchors against the numbers of the 2019 release."""

import pytest
import torch

from mmdet.registry import TASK_UTILS

from .rules import load_npz

STRIDES = (4, 8, 16, 32, 64)
FEATMAPS = ((24, 40), (12, 20), (6, 10), (3, 5), (2, 3))


@pytest.fixture(scope='module')
def golden():
    return {key: torch.from_numpy(value) for key, value in load_npz('unit_anchors.npz').items()}


@pytest.fixture(scope='module')
def generator():
    return TASK_UTILS.build(
        dict(type='LegacyAnchorGenerator', scales=[8], ratios=[0.5, 1.0, 2.0], strides=list(STRIDES))
    )


def test_base_anchors(golden, generator):
    for base, stride in zip(generator.base_anchors, STRIDES):
        assert torch.equal(base, golden[f'base.{stride}'])


def test_grid_anchors(golden, generator):
    grids = generator.grid_anchors(FEATMAPS)
    assert len(grids) == len(STRIDES)
    for grid, stride in zip(grids, STRIDES):
        assert torch.equal(grid, golden[f'grid.{stride}'])


def test_valid_flags(golden, generator):
    # The goldens leave the last row and the last two columns of every level out.
    for level, (stride, (height, width)) in enumerate(zip(STRIDES, FEATMAPS)):
        single = TASK_UTILS.build(dict(type='LegacyAnchorGenerator', strides=[stride]))
        pad_shape = (stride * max(height - 1, 1), stride * max(width - 2, 1))
        flags = single.valid_flags([FEATMAPS[level]], pad_shape)[0]
        assert torch.equal(flags, golden[f'valid.{stride}'].bool())


@pytest.mark.parametrize('scale_major', [True, False])
def test_order_of_several_scales(golden, scale_major):
    name = 'base.16.multi_scale_major' if scale_major else 'base.16.multi_ratio_major'
    single = TASK_UTILS.build(
        dict(type='LegacyAnchorGenerator', strides=[16], scales=[2, 4, 8], scale_major=scale_major)
    )
    assert torch.equal(single.base_anchors[0], golden[name])
