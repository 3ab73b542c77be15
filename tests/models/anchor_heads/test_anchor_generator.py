"""Anchors in the conventions of 2019, of mmdetection 2 and of torchvision."""

import math

import pytest
import torch

from mmdet.models.anchor_heads import AnchorGenerator, LegacyAnchorGenerator

STRIDES = [4, 8, 16, 32, 64]


def loop_grid(base, height, width, stride_y, stride_x):
    rows = []
    for y in range(height):
        for x in range(width):
            for anchor in base.tolist():
                rows.append([a + s for a, s in zip(anchor, (x * stride_x, y * stride_y) * 2)])
    return torch.tensor(rows)


@pytest.mark.parametrize('kind', [AnchorGenerator, LegacyAnchorGenerator])
def test_order_is_y_then_x_then_shape(kind):
    generator = kind([4, 8], scales=[8])
    sizes = [(3, 5), (2, 3)]
    for base, size, stride, grid in zip(generator.base_anchors, sizes, (4, 8), generator.grid_anchors(sizes)):
        assert torch.equal(grid, loop_grid(base, *size, stride, stride))


def test_modern_anchors_are_centered_on_the_grid_and_not_rounded():
    base = AnchorGenerator([16], scales=[8], ratios=[0.5, 1.0, 2.0]).base_anchors[0]
    sides = [(128 * math.sqrt(2), 128 / math.sqrt(2)), (128, 128), (128 / math.sqrt(2), 128 * math.sqrt(2))]
    expected = torch.tensor([[-w / 2, -h / 2, w / 2, h / 2] for w, h in sides])
    torch.testing.assert_close(base, expected, rtol=1e-6, atol=1e-4)


def test_center_offset():
    base = AnchorGenerator([16], scales=[1], ratios=[1.0], center_offset=0.5).base_anchors[0]
    assert base.tolist() == [[0, 0, 16, 16]]
    assert LegacyAnchorGenerator([16], scales=[1], ratios=[1.0]).base_anchors[0].tolist() == [[0, 0, 15, 15]]


def torchvision_anchors(image, sizes, sides, ratios):
    """The rule of torchvision's AnchorGenerator, written down by hand."""
    grids = []
    for (height, width), side in zip(sizes, sides):
        base = []
        for ratio in ratios:
            h = math.sqrt(ratio) * side
            w = side / math.sqrt(ratio)
            base.append([round(-w / 2), round(-h / 2), round(w / 2), round(h / 2)])
        grids.append(
            loop_grid(torch.tensor(base).float(), height, width, image[0] // height, image[1] // width)
        )
    return grids


def test_torchvision_anchors_can_be_expressed():
    image, sizes = (800, 1088), [(200, 272), (100, 136), (50, 68), (25, 34), (13, 17)]
    sides = [32, 64, 128, 256, 512]
    generator = AnchorGenerator(
        STRIDES, sizes=[[side] for side in sides], ratios=[0.5, 1.0, 2.0], rounded=True, image_strides=True
    )
    expected = torchvision_anchors(image, sizes[2:], sides[2:], [0.5, 1.0, 2.0])
    grids = generator.grid_anchors(sizes, image_size=image)
    for grid, reference in zip(grids[2:], expected):
        assert torch.equal(grid, reference)
    # 800 rows on 13 are 61 apart, not 64.
    assert grids[4][17 * 3, 1] - grids[4][0, 1] == 61
    with pytest.raises(ValueError, match='image_size'):
        generator.grid_anchors(sizes)


def test_several_sizes_a_level():
    generator = AnchorGenerator([8, 16], sizes=[(16, 32), (64, 128)], ratios=[1.0])
    assert generator.num_base_anchors == 2
    assert generator.base_anchors[1].tolist() == [[-32, -32, 32, 32], [-64, -64, 64, 64]]


def test_base_sizes_other_than_strides():
    generator = LegacyAnchorGenerator([16], scales=[1], ratios=[1.0], base_sizes=[32])
    assert generator.base_anchors[0].tolist() == [[0, 0, 31, 31]]


def test_grids_are_kept_but_not_for_ever():
    generator = AnchorGenerator([4], scales=[8])
    first = generator.grid_anchors([(4, 4)])
    assert generator.grid_anchors([(4, 4)])[0] is first[0]
    for size in range(5, 60):
        generator.grid_anchors([(size, 4)])
    assert len(generator._cache) <= 16


def test_valid_flags_leave_the_batch_padding_out():
    flags = LegacyAnchorGenerator([4, 8]).valid_flags([(4, 6), (2, 3)], (9, 24))
    assert flags[0].view(4, 6, 3)[:3].all() and not flags[0].view(4, 6, 3)[3:].any()
    assert flags[1].all()
    assert LegacyAnchorGenerator([4]).valid_flags([(2, 2)], (100, 100))[0].all()


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(), 'either scales or sizes'),
        (dict(scales=[8], sizes=[[8]] * 5), 'either scales or sizes'),
        (dict(sizes=[[8]] * 3), '5 levels'),
        (dict(sizes=[[8], [8, 16], [8], [8], [8]]), '5 levels'),
    ],
)
def test_errors_name_what_is_wrong(options, message):
    with pytest.raises(ValueError, match=message):
        AnchorGenerator(STRIDES, **options)


def test_number_of_levels():
    with pytest.raises(ValueError, match='5 feature levels expected, got 1'):
        LegacyAnchorGenerator(STRIDES).grid_anchors([(3, 3)])
