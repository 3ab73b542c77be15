"""RoIAlign of the 2019 release: two strides, four grids, regions inside, outside, tiny and reversed."""

import numpy as np
import pytest
import torch

from mmdet.ops import multilevel_roi_align, roi_align

from ..ops.conftest import both, path  # noqa: F401
from .rules import load_npz

CASES = [(stride, size, ratio) for stride in (4, 16) for size, ratio in ((7, 2), (14, 2), (3, 0), (7, 1))]


@pytest.fixture(scope='module')
def arrays():
    return {key: torch.from_numpy(value) for key, value in load_npz('unit_roi_align.npz').items()}


@pytest.mark.parametrize('channels_last', [False, True])
@pytest.mark.parametrize(('stride', 'size', 'ratio'), CASES)
def test_forward_is_bit_equal_and_gradient_agrees(path, arrays, stride, size, ratio, channels_last):  # noqa: F811
    key = f's{stride}.o{size}.n{ratio}'
    feat = arrays[f'in.feat_s{stride}']
    if channels_last:
        feat = feat.contiguous(memory_format=torch.channels_last)
    feat.requires_grad_()
    out = roi_align(feat, arrays['in.rois'], size, 1 / stride, ratio, 'legacy')
    # NaN of regions without extent under adaptive sampling included.
    np.testing.assert_array_equal(out.detach().numpy(), arrays[f'{key}.out'].numpy())
    (grad,) = torch.autograd.grad(out, feat, arrays[f'{key}.gout'])
    scale = arrays[f'{key}.gin'].abs().max()
    torch.testing.assert_close(grad / scale, arrays[f'{key}.gin'] / scale, rtol=1e-5, atol=1e-6)


def test_pyramid_in_one_call(path, arrays):  # noqa: F811
    feats = [arrays[f'ext.in.feat.{i}'].clone().requires_grad_() for i in range(4)]
    scales = [1 / 4, 1 / 8, 1 / 16, 1 / 32]
    out = multilevel_roi_align(feats, arrays['ext.in.rois'], arrays['ext.out.levels'], 7, scales, 2, 'legacy')
    np.testing.assert_array_equal(out.detach().numpy(), arrays['ext.out.feats'].numpy())
    grads = torch.autograd.grad(out, feats, arrays['ext.gout'])
    for i, grad in enumerate(grads):
        torch.testing.assert_close(grad, arrays[f'ext.gin.{i}'], rtol=1e-5, atol=1e-5)
