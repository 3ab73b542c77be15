"""Level rule and extraction: boundaries, nothing to extract, errors."""

import math

import pytest
import torch

from mmdet.models.roi_extractors import SingleRoIExtractor
from mmdet.ops import roi_align

LAYER = dict(type='RoIAlign', output_size=7, sampling_ratio=2, mode='legacy')


def build(**options):
    return SingleRoIExtractor(
        **{**dict(roi_layer=LAYER, out_channels=4, featmap_strides=[4, 8, 16, 32]), **options}
    )


def square(side, offset=1):
    return torch.tensor([[0.0, 5.0, 5.0, 5.0 + side - offset, 5.0 + side - offset]])


@pytest.mark.parametrize(
    ('side', 'level'), [(1, 0), (111, 0), (112, 1), (223, 1), (224, 2), (447, 2), (448, 3), (5000, 3)]
)
@pytest.mark.parametrize('offset', [0, 1])
def test_level_boundaries(side, level, offset):
    """Exactly 112 pixels go to level 1."""
    assert build(offset=offset).map_roi_levels(square(side, offset)).tolist() == [level]


def test_a_hair_below_a_boundary_still_counts_as_on_it():
    rois = torch.tensor([[0.0, 0, 0, 111.99995, 111.99995], [0, 0, 0, 111.9, 111.9]])
    assert build(offset=0).map_roi_levels(rois).tolist() == [1, 0]


@pytest.mark.parametrize('seed', range(3))
def test_continuous_rule_is_that_of_torchvision(seed):
    generator = torch.Generator().manual_seed(seed)
    corner, side = (
        torch.rand(500, 2, generator=generator) * 100,
        torch.rand(500, 2, generator=generator) * 900 + 1,
    )
    rois = torch.cat([torch.zeros(500, 1), corner, corner + side], dim=1)
    levels = build(offset=0).map_roi_levels(rois).tolist()
    for roi, level in zip(rois.tolist(), levels):
        size = math.sqrt((roi[3] - roi[1]) * (roi[4] - roi[2]))
        expected = min(max(math.floor(4 + math.log2(size / 224) + 1e-6), 2), 5) - 2
        assert level == expected


def test_boxes_without_size_go_to_the_first_level():
    rois = torch.tensor([[0.0, 10, 10, 9, 30], [0, 10, 10, 5, 30], [0, 10, 10, 0, 0]])
    assert build().map_roi_levels(rois).tolist() == [0, 0, 0]
    assert build().map_roi_levels(torch.zeros(0, 5)).shape == (0,)


def features(**options):
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(2, 4, 256 // s, 320 // s, generator=generator, **options) for s in (4, 8, 16, 32, 64)]


@pytest.mark.parametrize('mode', ['legacy', 'aligned', 'unaligned'])
def test_equals_one_call_a_level(mode):
    extractor = build(roi_layer=dict(LAYER, mode=mode))
    feats = features()
    rois = torch.cat([square(side) for side in (20, 130, 250, 30)])
    rois[2:, 0] = 1
    out = extractor(feats, rois)
    for index, level in enumerate(extractor.map_roi_levels(rois).tolist()):
        single = roi_align(feats[level], rois[index : index + 1], 7, 1 / (4 << level), 2, mode)
        torch.testing.assert_close(out[index : index + 1], single)


def test_nothing_to_extract_stays_in_the_graph():
    feats = features(requires_grad=True)
    out = build()(feats, torch.zeros(0, 5))
    assert out.shape == (0, 4, 7, 7)
    out.sum().backward()
    assert all(feat.grad is not None and feat.grad.eq(0).all() for feat in feats[:4])
    assert feats[4].grad is None, 'the fifth level is not used'


def test_errors_name_what_is_wrong():
    with pytest.raises(ValueError, match="'RoIAlign' expected, got 'RoIPool'"):
        build(roi_layer=dict(type='RoIPool', output_size=7))
    with pytest.raises(ValueError, match=r'one scale per feature map \(3\), got 4'):
        build()(features()[:3], square(10))
