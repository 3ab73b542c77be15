"""RoIAlign: against the loop reference, gradients, types, layouts, odd regions, bad arguments."""

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from mmdet.ops import RoIAlign, multilevel_roi_align, ops_available, roi_align
from mmdet.ops.roi_align import _ordered_backward

from . import reference

MODES = ['legacy', 'aligned', 'unaligned']
ROIS = torch.tensor(
    [
        [0, 8.0, 4.0, 40.0, 30.0],
        [1, 0.0, 0.0, 63.0, 47.0],
        [0, 3.3, 5.7, 19.1, 44.2],
        [1, 5.0, 5.0, 5.0, 5.0],  # one pixel
        [0, 20.0, 20.0, 10.0, 10.0],  # reversed
        [1, -30.0, -20.0, 10.0, 12.0],  # reaches over the corner
        [0, 60.0, 44.0, 80.0, 90.0],
        [1, 500.0, 500.0, 600.0, 600.0],  # outside
        [0, -9.0, -9.0, -5.0, -5.0],
        [1, -4.0, 0.0, 67.0, 51.0],  # edges at -1 and at the size of the map
    ]
)


def make_feat(shape=(2, 3, 12, 16), dtype=torch.float64, seed=0):
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)).to(dtype)


@pytest.mark.parametrize('mode', MODES)
@pytest.mark.parametrize('ratio', [0, 1, 2, 3])
@pytest.mark.parametrize('size', [1, 3, 7])
def test_equals_loop_reference(path, mode, ratio, size):
    feat = make_feat()
    out = roi_align(feat, ROIS.double(), size, 0.25, ratio, mode)
    expected = reference.roi_align(feat.numpy(), ROIS.numpy(), size, 0.25, ratio, mode)
    np.testing.assert_allclose(out.numpy(), expected, rtol=1e-10, atol=1e-12)


def test_rectangular_output(path):
    feat = make_feat()
    out = roi_align(feat, ROIS[:3].double(), (2, 4), 0.25, 2)
    assert out.shape == (3, 3, 2, 4)
    rows = roi_align(feat, ROIS[:3].double(), 4, 0.25, 4, 'unaligned')
    # 2 bins of 4 rows hold the rows of 4 bins of 2 where the samples coincide.
    again = roi_align(feat, ROIS[:3].double(), (2, 4), 0.25, 4, 'unaligned')
    assert again.shape == (3, 3, 2, 4) and rows.shape == (3, 3, 4, 4)
    torch.testing.assert_close(
        roi_align(feat, ROIS[:1].double(), (2, 2), 0.25, 2, 'unaligned').mean(),
        roi_align(feat, ROIS[:1].double(), (1, 1), 0.25, 4, 'unaligned').mean(),
    )


@pytest.mark.parametrize('layout', ['contiguous', 'channels_last', 'sliced'])
@pytest.mark.parametrize('mode', MODES)
@pytest.mark.parametrize('ratio', [0, 2])
def test_gradcheck(path, mode, ratio, layout):
    feat = arrange(make_feat((2, 2, 4, 3)), layout).requires_grad_()
    rois = torch.tensor(
        [[0, 1.0, 1.0, 9.0, 7.0], [1, -3.0, -2.0, 4.0, 12.0], [1, 2.2, 2.4, 2.6, 3.1]]
    ).double()
    assert torch.autograd.gradcheck(lambda x: roi_align(x, rois, 2, 0.5, ratio, mode), feat)


def test_gradgradcheck_of_the_compiled_path(both):
    feat = make_feat((1, 2, 4, 5)).requires_grad_()
    rois = torch.tensor([[0, 1.0, 1.0, 7.0, 6.0]]).double()
    results = both(lambda: torch.autograd.gradgradcheck(lambda x: roi_align(x**2, rois, 2, 0.5, 2), feat))
    assert results == [True, True]


def arrange(feat, layout):
    """The same numbers in another memory layout."""
    if layout == 'channels_last':
        return feat.contiguous(memory_format=torch.channels_last)
    if layout == 'sliced':
        bigger = feat.new_full(
            (feat.shape[0], feat.shape[1] + 1, feat.shape[2] + 2, feat.shape[3] + 3), 9999.0
        )
        view = bigger[:, 1:, 1:-1, 2:-1]
        view.copy_(feat)
        return view
    return feat.contiguous()


@pytest.mark.parametrize('layout', ['channels_last', 'sliced'])
@pytest.mark.parametrize('dtype', [torch.float32, torch.float64, torch.float16, torch.bfloat16])
def test_layouts_give_equal_bits(path, layout, dtype):
    feat = make_feat((2, 9, 12, 16), dtype)
    grad = make_feat((len(ROIS), 9, 7, 7), dtype, seed=1)
    results = []
    for one in (feat, arrange(feat, layout)):
        leaf = one.detach().requires_grad_()
        out = roi_align(leaf, ROIS, 7, 0.25, 2)
        results.append((out.detach(), torch.autograd.grad(out, leaf, grad)[0]))
    assert torch.equal(results[0][0], results[1][0])
    # Sums of a gradient run in another order on the plain path.
    torch.testing.assert_close(
        results[0][1], results[1][1], rtol=1e-5 if dtype.itemsize > 2 else 2e-2, atol=1e-5
    )


@pytest.mark.parametrize('count', [4, 60])  # 60 regions read more than the maps hold: those are copied whole
@pytest.mark.parametrize('dtype', [torch.float32, torch.float64, torch.float16, torch.bfloat16])
def test_many_regions_give_equal_bits_in_every_layout(both, dtype, count):
    # 17 * 19 positions and 37 channels do not fill the tiles of the copy.
    generator = torch.Generator().manual_seed(0)
    feats = [make_feat((2, 37, 17, 19), dtype), make_feat((2, 37, 9, 10), dtype, seed=1)]
    rois = torch.rand(count, 5, generator=generator) * torch.tensor([0, 60.0, 50.0, 0, 0])
    rois[:, 3:] = rois[:, 1:3] + torch.rand(count, 2, generator=generator) * 60
    rois[:, 0] = torch.arange(count) % 2
    levels = torch.arange(count) % 2

    def run(layout='contiguous'):
        maps = [arrange(feat, layout) for feat in feats]
        return multilevel_roi_align(maps, rois, levels, 7, [0.25, 0.125], 2)

    compiled, plain = both(run)
    assert torch.equal(compiled, plain)
    assert compiled.is_contiguous()
    for layout in ('channels_last', 'sliced'):
        assert torch.equal(both(lambda layout=layout: run(layout))[0], compiled)
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        assert torch.equal(both(run)[0], compiled)
    finally:
        torch.set_num_threads(threads)


def test_a_view_of_a_batch_is_copied_from_its_positions(both):
    """Every second image and channel of a larger batch: planes lie further apart than they are large."""
    whole = make_feat((4, 80, 17, 19), torch.float32)
    rois = torch.tensor([[0, 2.0, 3.0, 70.0, 60.0], [1, 0.0, 0.0, 75.0, 66.0]]).repeat(20, 1)
    view = whole[::2, ::2]
    assert not view.is_contiguous()
    compiled, plain = both(lambda: roi_align(view, rois, 7, 0.25, 2))
    assert torch.equal(compiled, plain)
    assert torch.equal(compiled, both(lambda: roi_align(view.contiguous(), rois, 7, 0.25, 2))[0])


@pytest.mark.parametrize('dtype', [torch.float32, torch.float64, torch.bfloat16])
def test_regions_at_both_ends_of_a_map(both, dtype):
    """Many overlapping regions are read from one copy, which leaves out what lies between them."""
    feat = make_feat((1, 20, 12, 120), dtype)
    feat[..., 40:80] = float('nan')
    rois = torch.rand(60, 5, generator=torch.Generator().manual_seed(5)) * torch.tensor(
        [0, 80.0, 20.0, 40, 20]
    )
    rois[:, 3:] += rois[:, 1:3]
    rois[::2, 1::2] += 340
    grad = make_feat((60, 20, 7, 7), dtype, seed=1)

    def run(layout):
        leaf = arrange(feat, layout).detach().requires_grad_()
        out = roi_align(leaf, rois, 7, 0.25, 2)
        return out.detach(), torch.autograd.grad(out, leaf, grad)[0]

    (compiled, compiled_grad), (plain, plain_grad) = both(lambda: run('contiguous'))
    assert not compiled.isnan().any()
    assert torch.equal(compiled, plain)
    bound = 1e-5 if dtype.itemsize > 2 else 5e-2
    torch.testing.assert_close(compiled_grad, plain_grad, rtol=bound, atol=bound)
    assert (compiled_grad[..., 40:80] == 0).all()
    inside, inside_grad = both(lambda: run('channels_last'))[0]
    assert torch.equal(inside, compiled) and torch.equal(inside_grad, compiled_grad)


def test_channels_last_stays_channels_last(path):
    feat = (
        make_feat((2, 8, 12, 16), torch.float32)
        .contiguous(memory_format=torch.channels_last)
        .requires_grad_()
    )
    out = roi_align(feat, ROIS, 7, 0.25, 2)
    assert out.is_contiguous(memory_format=torch.channels_last) and not out.is_contiguous()
    assert roi_align(feat.detach().contiguous(), ROIS, 7, 0.25, 2).is_contiguous()


@pytest.mark.parametrize('mode', MODES)
@pytest.mark.parametrize('ratio', [0, 1, 2])
@pytest.mark.parametrize('dtype', [torch.float32, torch.float64, torch.float16, torch.bfloat16])
def test_plain_and_compiled_give_equal_numbers(both, dtype, ratio, mode):
    feat = make_feat((2, 5, 12, 16), dtype)
    grad = make_feat((len(ROIS), 5, 7, 7), dtype, seed=1)

    def run():
        leaf = feat.detach().clone().requires_grad_()
        out = roi_align(leaf, ROIS, 7, 0.25, ratio, mode)
        return out.detach(), torch.autograd.grad(out, leaf, grad)[0]

    (out, grad_out), (plain_out, plain_grad) = both(run)
    assert torch.equal(out.nan_to_num(7.0), plain_out.nan_to_num(7.0))
    tolerance = {torch.float64: 1e-12, torch.float32: 2e-5}.get(dtype, 3e-2)
    torch.testing.assert_close(grad_out, plain_grad, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_half_types_are_summed_in_float(path, dtype):
    feat = make_feat((2, 4, 12, 16), dtype)
    out = roi_align(feat, ROIS, 3, 0.25, 2)
    exact = roi_align(feat.float(), ROIS, 3, 0.25, 2)
    assert out.dtype == dtype
    assert torch.equal(out, exact.to(dtype))


def test_half_precision_rois_keep_their_position(path):
    feat = make_feat((1, 1, 8, 8), torch.float16)
    rois = torch.tensor([[0, 1.0, 1.0, 5.0, 5.0]], dtype=torch.float16)
    assert torch.equal(roi_align(feat, rois, 2, 1.0, 2), roi_align(feat, rois.float(), 2, 1.0, 2))


@pytest.mark.parametrize('channels_last', [False, True])
def test_pyramid_in_one_call_equals_level_by_level(path, channels_last):
    scales = [1 / 4, 1 / 8, 1 / 16, 1 / 32]
    feats = [make_feat((2, 6, 96 // 2**i, 128 // 2**i), torch.float32, seed=i) for i in range(4)]
    if channels_last:
        feats = [feat.contiguous(memory_format=torch.channels_last) for feat in feats]
    levels = torch.tensor([0, 3, 1, 2, 0, 1, 3, 2, 0, 1])
    feats = [feat.requires_grad_() for feat in feats]
    out = multilevel_roi_align(feats, ROIS, levels, 7, scales, 2)
    grad = make_feat(out.shape, torch.float32, seed=9)
    grads = torch.autograd.grad(out, feats, grad)
    for level, (feat, scale) in enumerate(zip(feats, scales)):
        rows = levels == level
        single = roi_align(feat, ROIS[rows], 7, scale, 2)
        assert torch.equal(out[rows], single)
        torch.testing.assert_close(grads[level], torch.autograd.grad(single, feat, grad[rows])[0])


def test_level_without_regions_gets_a_zero_gradient(path):
    feats = [make_feat((1, 2, 8, 8)).requires_grad_(), make_feat((1, 2, 4, 4)).requires_grad_()]
    rois = torch.tensor([[0, 1.0, 1.0, 5.0, 5.0]])
    out = multilevel_roi_align(feats, rois, torch.tensor([0]), 2, [1.0, 0.5], 2)
    grads = torch.autograd.grad(out.sum(), feats)
    assert grads[0].abs().sum() > 0
    assert torch.equal(grads[1], torch.zeros_like(feats[1]))


def test_mixed_layouts_in_one_pyramid(path):
    feats = [make_feat((1, 4, 8, 8), seed=0), make_feat((1, 4, 4, 4), seed=1)]
    mixed = [feats[0].contiguous(memory_format=torch.channels_last), feats[1]]
    rois = torch.tensor([[0, 1.0, 1.0, 5.0, 5.0], [0, 0.0, 0.0, 7.0, 7.0]])
    levels = torch.tensor([0, 1])
    expected = multilevel_roi_align(feats, rois, levels, 2, [1.0, 0.5], 2)
    assert torch.equal(multilevel_roi_align(mixed, rois, levels, 2, [1.0, 0.5], 2), expected)
    assert torch.equal(multilevel_roi_align(mixed[::-1], rois, 1 - levels, 2, [0.5, 1.0], 2), expected)


def test_no_regions(path):
    feat = make_feat((2, 3, 8, 8), torch.float32).requires_grad_()
    out = roi_align(feat, torch.zeros(0, 5), 7)
    assert out.shape == (0, 3, 7, 7)
    (grad,) = torch.autograd.grad(out.sum(), feat)
    assert torch.equal(grad, torch.zeros_like(feat))
    levels = torch.zeros(0, dtype=torch.int64)
    assert multilevel_roi_align([feat], torch.zeros(0, 5), levels, 7, [1.0]).shape == (0, 3, 7, 7)


def test_no_images_and_no_channels(path):
    assert roi_align(torch.zeros(0, 3, 8, 8), torch.zeros(0, 5), 2).shape == (0, 3, 2, 2)
    assert roi_align(torch.zeros(1, 0, 8, 8), torch.tensor([[0, 1.0, 1.0, 3.0, 3.0]]), 2).shape == (
        1,
        0,
        2,
        2,
    )


def test_region_without_extent_under_adaptive_sampling(path):
    """Legacy: no samples, 0 / 0 = NaN forward, no gradient, as in 2019. Aligned: 0."""
    feat = make_feat().requires_grad_()
    rois = torch.tensor([[0, 20.0, 20.0, 10.0, 30.0]])
    out = roi_align(feat, rois, 2, 0.25, 0, 'legacy')
    assert out.isnan().all()
    assert torch.equal(torch.autograd.grad(out.sum(), feat)[0], torch.zeros_like(feat))
    assert torch.equal(roi_align(feat, rois, 2, 0.25, 0, 'aligned'), torch.zeros(1, 3, 2, 2).double())


@pytest.mark.parametrize('mode', MODES)
@pytest.mark.parametrize('ratio', [0, 2])
@pytest.mark.parametrize('value', [float('nan'), float('inf'), -float('inf'), 1e30, -1e30, 3e9])
def test_coordinates_that_are_not_finite_or_huge(both, value, ratio, mode):
    """No crash, no endless loop, no read outside the map, and both paths agree."""
    feat = torch.ones(1, 2, 6, 6)
    rois = torch.tensor([[0, 1.0, 1.0, 4.0, 4.0]]).repeat(4, 1)
    for column in range(4):
        rois[column, column + 1] = value
    compiled, plain = both(lambda: roi_align(feat, rois, 3, 1.0, ratio, mode))
    assert torch.equal(compiled.nan_to_num(5.0), plain.nan_to_num(5.0))
    assert (compiled.nan_to_num(0.0).abs() <= 1.0 + 1e-6).all()


def test_huge_region_under_adaptive_sampling(path):
    """2^20 cells per bin, of which a handful is inside: found without walking over all of them."""
    feat = torch.ones(1, 1, 8, 8)
    rois = torch.tensor([[0, -3.0e6, 0.0, 4.0e6, 7.0]])
    out = roi_align(feat, rois, 7, 1.0, 0)
    assert (out >= 0).all() and (out < 1e-4).all() and out.sum() > 0


def test_infinite_features_outside_a_sample_do_not_leak(path):
    feat = torch.zeros(1, 1, 6, 6)
    feat[0, 0, 0, 0] = float('inf')
    rois = torch.tensor([[0, 40.0, 40.0, 50.0, 50.0], [0, 3.0, 3.0, 4.0, 4.0]])
    assert torch.equal(roi_align(feat, rois, 2, 1.0, 2), torch.zeros(2, 1, 2, 2))


def test_result_does_not_depend_on_threads(path):
    feat = make_feat((2, 40, 24, 32), torch.float32)
    rois = torch.rand(60, 5, generator=torch.Generator().manual_seed(3)) * 90
    rois[:, 0] = torch.arange(60) % 2
    grad = make_feat((60, 40, 7, 7), torch.float32, seed=1)
    before = torch.get_num_threads()
    results = []
    try:
        for threads in (1, 2, 5):
            torch.set_num_threads(threads)
            for layout in ('contiguous', 'channels_last'):
                leaf = arrange(feat, layout).detach().requires_grad_()
                out = roi_align(leaf, rois, 7, 0.25, 2)
                results.append((layout, out.detach(), torch.autograd.grad(out, leaf, grad)[0]))
    finally:
        torch.set_num_threads(before)
    for layout, out, leaf_grad in results[2:]:
        first = results[0] if layout == 'contiguous' else results[1]
        assert torch.equal(out, first[1])
        assert torch.equal(leaf_grad, first[2])


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    box=st.tuples(*[st.floats(-60, 120, width=32)] * 4),
    size=st.integers(1, 5),
    ratio=st.integers(0, 4),
    mode=st.sampled_from(MODES),
    scale=st.sampled_from([1.0, 0.5, 0.25, 1 / 3]),
)
@example(box=(-1.0, -5.8468993732701784e-24, 0.0, 0.0), size=1, ratio=0, mode='aligned', scale=1.0)
def test_any_region_equals_loop_reference(path, box, size, ratio, mode, scale):
    feat = make_feat((1, 1, 7, 9))
    rois = torch.tensor([[0.0, *box]], dtype=torch.float64)
    out = roi_align(feat, rois, size, scale, ratio, mode)
    expected = reference.roi_align(feat.numpy(), rois.numpy(), size, scale, ratio, mode)
    np.testing.assert_allclose(out.numpy(), expected, rtol=1e-7, atol=1e-9)


def test_module_and_its_2019_spelling(path):
    feat = make_feat((2, 3, 12, 16), torch.float32)
    expected = roi_align(feat, ROIS, 7, 0.25, 2)
    assert torch.equal(RoIAlign(7, 0.25, 2)(feat, ROIS), expected)
    assert torch.equal(RoIAlign(out_size=7, spatial_scale=0.25, sample_num=2)(feat, ROIS), expected)
    assert "mode='legacy'" in repr(RoIAlign(7))
    with pytest.raises(ValueError, match='got both'):
        RoIAlign(7, out_size=7)
    with pytest.raises(ValueError, match='expected output_size'):
        RoIAlign()


FEAT = torch.zeros(2, 3, 8, 8)
ROI = torch.tensor([[0, 1.0, 1.0, 3.0, 3.0]])


@pytest.mark.parametrize(
    ('arguments', 'error', 'text'),
    [
        (([1], ROI, 7), TypeError, 'expected input to be a tensor, got list'),
        ((FEAT.int(), ROI, 7), TypeError, 'expected floating-point feature maps, got torch.int32'),
        ((FEAT[0], ROI, 7), ValueError, r'\(N, C, H, W\).*got \[\(3, 8, 8\)\]'),
        ((FEAT, ROI[:, :4], 7), ValueError, r'rois of shape \(K, 5\), got \(1, 4\)'),
        ((FEAT, ROI.long(), 7), TypeError, 'rois to be a floating-point tensor, got torch.int64'),
        ((FEAT, ROI, 0), ValueError, r'output_size to be one or two positive integers, got \(0, 0\)'),
        ((FEAT, ROI, 7, 1.0, -1), ValueError, 'sampling_ratio to be an integer >= 0, got -1'),
        ((FEAT, ROI, 7, 1.0, 2, 'half'), ValueError, "expected mode .* got 'half'"),
        ((FEAT[:, :, :0], ROI, 7), ValueError, r'H, W > 0 for 1 rois, got \[\(2, 3, 0, 8\)\]'),
        (
            (FEAT, ROI + torch.tensor([[2.0, 0, 0, 0, 0]]), 7),
            ValueError,
            r'batch indices in \[0, 2\), got 2.0',
        ),
        (
            (FEAT, ROI - torch.tensor([[1.0, 0, 0, 0, 0]]), 7),
            ValueError,
            r'batch indices in \[0, 2\), got -1.0',
        ),
        (
            (FEAT, ROI * torch.tensor([[float('nan'), 1, 1, 1, 1]]), 7),
            ValueError,
            'batch indices.*got nan for roi 0',
        ),
    ],
)
def test_bad_arguments(path, arguments, error, text):
    with pytest.raises(error, match=text):
        roi_align(*arguments)


@pytest.mark.parametrize(
    ('feats', 'levels', 'scales', 'error', 'text'),
    [
        (FEAT, torch.tensor([0]), [1.0], TypeError, 'expected a sequence of feature maps'),
        ([], torch.tensor([0]), [], ValueError, 'expected 1 to 8 feature maps, got 0'),
        ([FEAT] * 9, torch.tensor([0]), [1.0] * 9, ValueError, 'expected 1 to 8 feature maps, got 9'),
        ([FEAT], torch.tensor([0]), [1.0, 2.0], ValueError, r'one scale per feature map \(1\), got 2'),
        ([FEAT], None, [1.0], TypeError, 'levels of shape'),
        ([FEAT], torch.tensor([0.0]), [1.0], TypeError, 'levels to be an int64 tensor, got torch.float32'),
        ([FEAT], torch.tensor([0, 0]), [1.0], ValueError, r'levels of shape \(1,\), got \(2,\)'),
        ([FEAT], torch.tensor([1]), [1.0], ValueError, r'levels in \[0, 1\), got 1 for roi 0'),
        ([FEAT, FEAT[:1]], torch.tensor([0]), [1.0, 1.0], ValueError, 'equal N and C'),
        (
            [FEAT, FEAT.double()],
            torch.tensor([0]),
            [1.0, 1.0],
            TypeError,
            'torch.float32 .*got torch.float64',
        ),
    ],
)
def test_bad_pyramids(path, feats, levels, scales, error, text):
    with pytest.raises(error, match=text):
        multilevel_roi_align(feats, ROI, levels, 7, scales)


@pytest.mark.parametrize('channels_last', [False, True])
@pytest.mark.parametrize('mode', [0, 1, 2])
@pytest.mark.parametrize('ratio', [0, 2])
def test_ordered_backward_is_the_backward(mode, ratio, channels_last):
    """The path of torch.use_deterministic_algorithms(True) on a GPU."""
    if not ops_available():
        pytest.skip('compiled operators are not built')
    generator = torch.Generator().manual_seed(0)
    rois = torch.tensor([[0.0, 8, 4, 40, 30], [1, -30, -20, 10, 12], [1, 20, 20, 10, 10], [0, 4, 4, 60, 50]])
    grad = torch.randn(4, 3, 3, 2, generator=generator)
    levels = torch.tensor([0, 1, 0, 1])
    options = ([0.25, 0.125], [2, 12, 16, 6, 8], channels_last, ratio, mode)
    want = torch.ops.masktrack.roi_align_backward(grad, rois, levels, *options)
    for ours, theirs in zip(_ordered_backward(grad, rois, levels, *options), want, strict=True):
        assert ours.stride() == theirs.stride()
        torch.testing.assert_close(ours, theirs)
    grad.requires_grad_()
    with torch.enable_grad():
        first, _ = _ordered_backward(grad, rois, levels, *options)
    assert torch.autograd.grad(first.nan_to_num().sum(), grad)[0].abs().sum() > 0
