"""The compiled operators as PyTorch sees them: schemas, fake kernels, autograd registration, tracing."""

import pytest
import torch
from torch.library import opcheck

from mmdet.ops import multilevel_roi_align, ops_available, roi_align
from mmdet.ops.constants import LEGACY

pytestmark = pytest.mark.skipif(not ops_available(), reason='compiled operators are not built')


def pyramid(dtype=torch.float32, channels_last=False, requires_grad=True):
    layout = torch.channels_last if channels_last else torch.contiguous_format
    feats = [
        torch.randn(2, 4, 16 // s, 20 // s, dtype=dtype).contiguous(memory_format=layout) for s in (1, 2)
    ]
    return [feat.requires_grad_(requires_grad) for feat in feats]


def regions(count, dtype=torch.float32):
    rois = torch.rand(count, 5, dtype=dtype) * 60
    rois[:, 0] = torch.arange(count) % 2
    return rois, torch.arange(count) % 2


@pytest.mark.parametrize('channels_last', [False, True])
@pytest.mark.parametrize('count', [0, 1, 5])
@pytest.mark.parametrize('dtype', [torch.float32, torch.float64])
def test_opcheck_roi_align(dtype, count, channels_last):
    feats = pyramid(dtype, channels_last)
    rois, levels = regions(count, dtype)
    opcheck(torch.ops.masktrack.roi_align.default, (feats, rois, levels, [0.25, 0.125], 3, 2, 2, LEGACY))
    opcheck(torch.ops.masktrack.roi_align.default, (feats[:1], rois, None, [0.25], 3, 3, 2, LEGACY))


@pytest.mark.parametrize('channels_last', [False, True])
@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16])
def test_opcheck_roi_align_backward(dtype, channels_last):
    rois, levels = regions(5)
    grad = torch.randn(5, 4, 3, 2).to(dtype)
    sizes = [2, 16, 20, 8, 10]
    arguments = (grad, rois, levels, [0.25, 0.125], sizes, channels_last, 2, LEGACY)
    opcheck(torch.ops.masktrack.roi_align_backward.default, arguments)


@pytest.mark.parametrize('count', [0, 1, 30])
def test_opcheck_nms(count):
    boxes, scores, groups = torch.rand(count, 4), torch.rand(count), torch.arange(count) % 3
    opcheck(torch.ops.masktrack.nms_mask.default, (boxes, None, 0.5, 1))
    opcheck(torch.ops.masktrack.nms_mask.default, (boxes, groups, 0.5, 0))
    opcheck(torch.ops.masktrack.soft_nms.default, (boxes, scores, groups, 0.5, 0.5, 0.001, 1, 1))


@pytest.mark.parametrize('channels_last', [False, True])
def test_meta_tensors_have_the_shape_and_strides_of_real_ones(channels_last):
    feats = pyramid(channels_last=channels_last, requires_grad=False)
    rois, levels = regions(5)
    real = multilevel_roi_align(feats, rois, levels, 7, [0.25, 0.125], 2)
    fake = multilevel_roi_align(
        [feat.to('meta') for feat in feats], rois.to('meta'), levels.to('meta'), 7, [0.25, 0.125], 2
    )
    assert (fake.shape, fake.stride(), fake.dtype) == (real.shape, real.stride(), real.dtype)


def test_traced_graph_gives_equal_numbers():
    """A graph for any number of regions, forward and backward, without a break."""
    feats = pyramid()

    def loss(rois, levels):
        return multilevel_roi_align(feats, rois, levels, 3, [0.25, 0.125], 2).square().sum()

    compiled = torch.compile(loss, backend='aot_eager', fullgraph=True, dynamic=True)
    for count in (4, 9):
        rois, levels = regions(count)
        expected = torch.autograd.grad(loss(rois, levels), feats)
        for ours, theirs in zip(torch.autograd.grad(compiled(rois, levels), feats), expected):
            torch.testing.assert_close(ours, theirs)


def test_second_gradient_is_pooling_again():
    (feat,) = pyramid(torch.float64)[:1]
    rois, _ = regions(3, torch.float64)
    out = roi_align(feat, rois, 3, 0.25, 2)
    upstream = torch.randn_like(out, requires_grad=True)
    (grad,) = torch.autograd.grad(out, feat, upstream, create_graph=True)
    weight = torch.randn_like(grad)
    (second,) = torch.autograd.grad(grad, upstream, weight)
    torch.testing.assert_close(second, roi_align(weight, rois, 3, 0.25, 2))


def test_no_gradient_reaches_regions():
    feat = torch.randn(1, 2, 8, 8, requires_grad=True)
    rois = torch.tensor([[0, 1.0, 1.0, 5.0, 5.0]], requires_grad=True)
    roi_align(feat, rois, 2).sum().backward()
    assert feat.grad is not None and rois.grad is None


@pytest.mark.parametrize(
    ('change', 'text'),
    [
        (dict(rois=torch.tensor([[2.0, 0, 0, 1, 1]])), 'batch index 2 of roi 0 is out of range'),
        (dict(rois=torch.tensor([[-1.0, 0, 0, 1, 1]])), 'batch index -1 of roi 0'),
        (dict(levels=torch.tensor([7])), 'level 7 of roi 0 is out of range for 2 feature maps'),
        (dict(levels=torch.tensor([-1])), 'level -1 of roi 0'),
        (dict(rois=torch.zeros(1, 4)), r'shape \(K, 5\)'),
        (dict(rois=torch.zeros(1, 5).double()), 'rois must be float64 for float64'),
        (dict(scales=[1.0]), 'expected 2 scales, got 1'),
        (dict(size=0), 'output size must be positive'),
        (dict(mode=3), 'unknown mode 3'),
    ],
)
def test_kernels_check_for_themselves(change, text):
    """Who calls the operator past the Python functions gets an error and no foreign memory."""
    values = dict(
        feats=pyramid(requires_grad=False),
        rois=torch.zeros(1, 5),
        levels=torch.zeros(1, dtype=torch.int64),
        scales=[0.25, 0.125],
        size=3,
        mode=LEGACY,
    )
    values.update(change)
    with pytest.raises(RuntimeError, match=text):
        torch.ops.masktrack.roi_align(
            values['feats'],
            values['rois'],
            values['levels'],
            values['scales'],
            values['size'],
            values['size'],
            2,
            values['mode'],
        )
