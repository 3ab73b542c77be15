"""Box arithmetic: both conventions, batches of shapes, and nothing in the tensors."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmdet.structures.bbox import (
    bbox2delta,
    bbox_clip,
    bbox_flip,
    bbox_overlaps,
    bboxes_to_rois,
    delta2bbox,
    scale_bboxes,
    unscale_bboxes,
)


def random_boxes(count, seed, size=100.0):
    generator = torch.Generator().manual_seed(seed)
    corners = torch.rand(count, 4, generator=generator) * size
    return torch.cat(
        [torch.minimum(corners[:, :2], corners[:, 2:]), torch.maximum(corners[:, :2], corners[:, 2:])], 1
    )


def loop_overlap(a, b, offset, mode):
    width = max(min(a[2], b[2]) - max(a[0], b[0]) + offset, 0)
    height = max(min(a[3], b[3]) - max(a[1], b[1]) + offset, 0)
    area_a = (a[2] - a[0] + offset) * (a[3] - a[1] + offset)
    area_b = (b[2] - b[0] + offset) * (b[3] - b[1] + offset)
    return width * height / (area_a + area_b - width * height if mode == 'iou' else area_a)


@pytest.mark.parametrize('mode', ['iou', 'iof'])
@pytest.mark.parametrize('offset', [0, 1])
def test_overlaps_equal_a_loop(offset, mode):
    a, b = random_boxes(7, 0).double(), random_boxes(5, 1).double()
    expected = [[loop_overlap(x, y, offset, mode) for y in b.tolist()] for x in a.tolist()]
    torch.testing.assert_close(bbox_overlaps(a, b, mode, offset=offset), torch.tensor(expected).double())
    aligned = bbox_overlaps(a[:5], b, mode, is_aligned=True, offset=offset)
    torch.testing.assert_close(aligned, torch.tensor(expected).double()[:5].diagonal())


def test_one_pixel_box_has_an_area_in_inclusive_pixels():
    pixel = torch.tensor([[3.0, 4.0, 3.0, 4.0]])
    assert bbox_overlaps(pixel, pixel).item() == 1
    assert bbox_overlaps(pixel, pixel, offset=0).item() == 0


@pytest.mark.parametrize(('n', 'm'), [(0, 3), (3, 0), (0, 0)])
def test_overlaps_of_nothing(n, m):
    assert bbox_overlaps(random_boxes(n, 0), random_boxes(m, 1)).shape == (n, m)


def test_overlaps_name_what_is_wrong():
    with pytest.raises(ValueError, match=r"'iou' or 'iof', got 'giou'"):
        bbox_overlaps(random_boxes(2, 0), random_boxes(2, 0), mode='giou')
    with pytest.raises(ValueError, match='equal length, got 2 and 3'):
        bbox_overlaps(random_boxes(2, 0), random_boxes(3, 0), is_aligned=True)
    with pytest.raises(ValueError, match=r'bboxes2 must have shape \(n, 4\)'):
        bbox_overlaps(random_boxes(2, 0), torch.zeros(4))


@pytest.mark.parametrize('offset', [0, 1])
@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_decode_inverts_encode(offset, seed):
    rois, gt = random_boxes(6, seed).double(), random_boxes(6, seed + 1).double()
    # Sizes within the clip of the decoder, or decoding does not return what was encoded.
    rois[:, 2:] += 10
    gt[:, 2:] += 10
    options = dict(means=(0.1, 0, 0, -0.1), stds=(0.1, 0.1, 0.2, 0.2), offset=offset)
    decoded = delta2bbox(rois.float(), bbox2delta(rois, gt, **options), **options)
    torch.testing.assert_close(decoded, gt.float(), rtol=1e-4, atol=1e-3)


def test_decode_limits_the_size_ratio():
    roi = torch.tensor([[10.0, 10.0, 19.0, 19.0]])
    deltas = torch.tensor([[0.0, 0.0, 50.0, -50.0]])
    box = delta2bbox(roi, deltas)[0]
    assert (box[2] - box[0] + 1).item() == pytest.approx(10 * 1000 / 16, rel=1e-5)
    assert (box[3] - box[1] + 1).item() == pytest.approx(10 * 16 / 1000, rel=1e-3)
    free = delta2bbox(roi, deltas, offset=0, clip_shrinking=False)[0]
    assert (free[3] - free[1]).item() == pytest.approx(9 * math.exp(-50), abs=1e-5)


def test_decode_clips_every_row_to_its_own_image():
    rois = torch.tensor([[0.0, 0.0, 99.0, 99.0]] * 2)
    shapes = torch.tensor([[40, 50], [60, 70]])
    deltas = torch.zeros(2, 8)
    boxes = delta2bbox(rois, deltas, max_shape=shapes)
    assert boxes.tolist() == [[0, 0, 49, 39] * 2, [0, 0, 69, 59] * 2]
    boxes = delta2bbox(rois, deltas, max_shape=shapes, offset=0)
    assert boxes.tolist() == [[0, 0, 50, 40] * 2, [0, 0, 70, 60] * 2]
    single = torch.cat(
        [delta2bbox(rois[i : i + 1], deltas[i : i + 1], max_shape=tuple(shapes[i])) for i in (0, 1)]
    )
    assert torch.equal(single, delta2bbox(rois, deltas, max_shape=shapes))


@pytest.mark.parametrize('max_shape', [None, (40, 50), torch.zeros(0, 2)])
def test_decode_of_nothing(max_shape):
    assert delta2bbox(torch.zeros(0, 4), torch.zeros(0, 12), max_shape=max_shape).shape == (0, 12)
    assert bbox2delta(torch.zeros(0, 4), torch.zeros(0, 4)).shape == (0, 4)


def test_coding_names_what_is_wrong():
    with pytest.raises(ValueError, match=r'\(2, 4 \* k\), got \(2, 5\)'):
        delta2bbox(torch.zeros(2, 4), torch.zeros(2, 5))
    with pytest.raises(ValueError, match=r'got \(2, 4\) and \(3, 4\)'):
        bbox2delta(torch.zeros(2, 4), torch.zeros(3, 4))


@pytest.mark.parametrize('offset', [0, 1])
def test_flip_twice_is_nothing_and_keeps_the_size(offset):
    boxes = torch.arange(8.0).view(2, 4).repeat(1, 2)
    flipped = bbox_flip(boxes, (20, 30), offset)
    assert torch.equal(bbox_flip(flipped, (20, 30), offset), boxes)
    assert torch.equal(flipped[:, 2] - flipped[:, 0], boxes[:, 2] - boxes[:, 0])
    assert flipped[0, 0] == 30 - boxes[0, 2] - offset
    assert boxes[0, 0] == 0, 'the input is unchanged'


def test_flip_of_a_pixel_in_the_first_column_lands_in_the_last():
    assert bbox_flip(torch.tensor([[0.0, 2.0, 0.0, 2.0]]), (20, 30)).tolist() == [[29, 2, 29, 2]]
    with pytest.raises(ValueError, match='4 \\* k'):
        bbox_flip(torch.zeros(2, 5), (20, 30))


def test_clip():
    boxes = torch.tensor([[-5.0, -5.0, 100.0, 100.0]])
    assert bbox_clip(boxes, (20, 30)).tolist() == [[0, 0, 29, 19]]
    assert bbox_clip(boxes, (20, 30), offset=0).tolist() == [[0, 0, 30, 20]]
    assert boxes[0, 0] == -5, 'the input is unchanged'


def test_rois_carry_the_image():
    rois = bboxes_to_rois([torch.ones(2, 5), torch.zeros(0, 4), torch.full((1, 4), 3.0)])
    assert rois.tolist() == [[0, 1, 1, 1, 1], [0, 1, 1, 1, 1], [2, 3, 3, 3, 3]]
    assert bboxes_to_rois([torch.zeros(0, 4)]).shape == (0, 5)


def test_scale_takes_a_number_or_a_pair():
    boxes = torch.arange(8.0).view(1, 8)
    assert scale_bboxes(boxes, 2).tolist() == [[0, 2, 4, 6, 8, 10, 12, 14]]
    assert scale_bboxes(boxes, (2.0, 3.0)).tolist() == [[0, 3, 4, 9, 8, 15, 12, 21]]
    assert torch.equal(unscale_bboxes(scale_bboxes(boxes, (2.0, 4.0)), (2.0, 4.0)), boxes)
    with pytest.raises(ValueError, match='scale_factor'):
        scale_bboxes(boxes, (1, 2, 3))


def test_unscale_divides():
    # 1 / 0.3 is not exact: a product with the inverse gives another float32 here.
    box = torch.tensor([[7.0, 7.0, 7.0, 7.0]])
    assert torch.equal(unscale_bboxes(box, 0.3), box / 0.3)
