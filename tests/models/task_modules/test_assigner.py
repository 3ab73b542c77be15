"""MaxIoUAssigner against a loop, with ignored regions, and with nothing to assign."""

from unittest import mock

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmdet.models.task_modules import MaxIoUAssigner, assign_images
from mmdet.models.task_modules.assigners import max_iou_assigner
from mmdet.structures.bbox import bbox_overlaps


def loop_assign(overlaps, pos, band, minimum, assign_all):
    """The rule of 2019 word by word: overlaps is a list of rows, one a ground truth."""
    count = len(overlaps[0])
    result = [-1] * count
    for box in range(count):
        column = [row[box] for row in overlaps]
        best = max(column)
        if band[0] <= best < band[1]:
            result[box] = 0
        if best >= pos:
            result[box] = column.index(best) + 1
    for gt, row in enumerate(overlaps):
        best = max(row)
        if best >= minimum:
            for box in range(count):
                if row[box] == best and (assign_all or box == row.index(best)):
                    result[box] = gt + 1
    return result


@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    boxes=st.integers(1, 30),
    gts=st.integers(1, 5),
    thresholds=st.sampled_from([(0.7, 0.3, 0.3), (0.5, 0.5, 0.5), (0.9, 0.3, 0.0), (0.5, (0.1, 0.4), 0.2)]),
    assign_all=st.booleans(),
)
def test_equals_a_loop(seed, boxes, gts, thresholds, assign_all):
    generator = torch.Generator().manual_seed(seed)
    # Few distinct integer corners, so that ties and equal boxes are common.
    corners = torch.randint(0, 6, (boxes + gts, 4), generator=generator).float()
    corners[:, 2:] += corners[:, :2]
    assigner = MaxIoUAssigner(*thresholds, gt_max_assign_all=assign_all)
    result = assigner.assign(corners[gts:], corners[:gts])
    overlaps = bbox_overlaps(corners[:gts], corners[gts:]).tolist()
    expected = loop_assign(overlaps, thresholds[0], assigner.neg_band, thresholds[2], assign_all)
    assert result.gt_inds.tolist() == expected


def fields(result):
    labels = None if result.labels is None else result.labels.tolist()
    return result.num_gts, result.gt_inds.tolist(), result.max_overlaps.tolist(), labels


@settings(max_examples=100, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    sizes=st.lists(
        st.tuples(st.integers(0, 20), st.integers(0, 4), st.integers(0, 2)), min_size=1, max_size=4
    ),
    options=st.sampled_from(
        [{}, {'ignore_iof_thr': 0.5}, {'ignore_iof_thr': 0.2, 'ignore_wrt_candidates': False}]
    ),
    band=st.sampled_from([0.3, (0.1, 0.4)]),
    shared=st.booleans(),
    with_valid=st.booleans(),
    most=st.sampled_from([max_iou_assigner.MOST_PAIRS, 100]),
)
def test_a_batch_equals_image_by_image(seed, sizes, options, band, shared, with_valid, most):
    generator = torch.Generator().manual_seed(seed)

    def corners(count):
        boxes = torch.randint(0, 6, (count, 4), generator=generator).float()
        boxes[:, 2:] += boxes[:, :2]
        return boxes

    boxes, gts, regions = ([corners(size[i]) for size in sizes] for i in range(3))
    boxes = [boxes[0]] * len(sizes) if shared else boxes
    labels = [torch.randint(0, 5, (len(one),), generator=generator) for one in gts]
    regions = [one if len(one) else None for one in regions]
    valid = [torch.rand(len(one), generator=generator) < 0.8 for one in boxes] if with_valid else None
    assigner = MaxIoUAssigner(0.5, band, 0.0, **options)
    with mock.patch.object(max_iou_assigner, 'MOST_PAIRS', most):
        together = assign_images(assigner, boxes[0] if shared else boxes, gts, regions, labels, valid)
    assert len(together) == len(sizes)
    for i, result in enumerate(together):
        flags = None if valid is None else valid[i]
        assert fields(result) == fields(assigner.assign(boxes[i], gts[i], regions[i], labels[i], flags))


def test_an_assigner_of_ones_own_gets_image_by_image():
    class First(MaxIoUAssigner):
        def assign(self, bboxes, gt_bboxes, gt_bboxes_ignore=None, gt_labels=None, valid=None):
            return super().assign(bboxes[:1], gt_bboxes, gt_bboxes_ignore, gt_labels)

    boxes = torch.tensor([[0.0, 0.0, 9.0, 9.0], [50.0, 50.0, 59.0, 59.0]])
    results = assign_images(First(0.5, 0.5, 0.5), boxes, [boxes[1:], boxes[:1]], None)
    assert [result.gt_inds.tolist() for result in results] == [[0], [1]]


def test_the_later_ground_truth_overrides_a_better_match():
    """Box 0 equals one ground truth, but is also the best that the other one has."""
    boxes = torch.tensor([[0.0, 0.0, 9.0, 9.0], [50.0, 50.0, 59.0, 59.0]])
    gts = torch.tensor([[0.0, 0.0, 9.0, 9.0], [0.0, 0.0, 9.0, 19.0]])
    assigner = MaxIoUAssigner(pos_iou_thr=0.7, neg_iou_thr=0.3, min_pos_iou=0.3)
    assert assigner.assign(boxes, gts).gt_inds.tolist() == [2, 0]
    assert assigner.assign(boxes, gts.flip(0)).gt_inds.tolist() == [2, 0]
    assert assigner.assign(boxes, gts).max_overlaps.tolist() == [1, 0]


@pytest.mark.parametrize('by_candidate', [True, False])
def test_ignored_regions_are_left_out_on_the_axis_of_boxes(by_candidate):
    """2019 crashed here, and would have indexed ground truths."""
    boxes = torch.tensor([[0.0, 0, 9, 9], [20, 20, 29, 29], [21, 21, 28, 28], [60, 60, 69, 69]])
    gts = torch.tensor([[0.0, 0, 9, 9], [20, 20, 29, 29]])
    crowd = torch.tensor([[18.0, 18, 31, 31]])
    assigner = MaxIoUAssigner(0.5, 0.5, 0.5, ignore_iof_thr=0.4, ignore_wrt_candidates=by_candidate)
    result = assigner.assign(boxes, gts, crowd, torch.tensor([3, 4]))
    # The second ground truth lies in the crowd, so none of its boxes is left. By the share of the region only
    # the larger box covers enough of it.
    assert result.gt_inds.tolist() == ([1, -1, -1, 0] if by_candidate else [1, -1, 2, 0])
    assert result.labels.tolist() == ([3, -1, -1, -1] if by_candidate else [3, -1, 4, -1])
    assert result.max_overlaps[1] == -1
    assert MaxIoUAssigner(0.5, 0.5, 0.5).assign(boxes, gts, crowd).gt_inds.tolist() == [1, 2, 2, 0]


def test_a_box_at_the_threshold_is_not_ignored():
    boxes = torch.tensor([[0.0, 0, 9, 9]])
    half = torch.tensor([[0.0, 0, 4, 9]])
    result = MaxIoUAssigner(0.5, 0.5, ignore_iof_thr=0.5).assign(boxes, torch.zeros(0, 4), half)
    assert result.gt_inds.tolist() == [0]
    result = MaxIoUAssigner(0.5, 0.5, ignore_iof_thr=0.49).assign(boxes, torch.zeros(0, 4), half)
    assert result.gt_inds.tolist() == [-1]


def test_ignored_regions_work_without_ground_truth():
    boxes = torch.tensor([[0.0, 0, 9, 9], [20, 20, 29, 29]])
    assigner = MaxIoUAssigner(0.5, 0.5, 0.5, ignore_iof_thr=0.5)
    result = assigner.assign(boxes, torch.zeros(0, 4), boxes[1:], torch.zeros(0, dtype=torch.int64))
    assert result.gt_inds.tolist() == [0, -1]
    assert result.labels.tolist() == [-1, -1]


@pytest.mark.parametrize(('boxes', 'gts'), [(0, 2), (3, 0), (0, 0)])
def test_nothing_to_assign(boxes, gts):
    labels = torch.zeros(gts, dtype=torch.int64)
    result = MaxIoUAssigner(0.5, 0.5).assign(torch.ones(boxes, 4), torch.ones(gts, 4), None, labels)
    assert result.gt_inds.tolist() == [0] * boxes
    assert result.labels.tolist() == [-1] * boxes
    assert result.num_gts == gts


def test_offset_decides_at_a_threshold():
    boxes = torch.tensor([[0.0, 0.0, 9.0, 9.0]])
    gts = torch.tensor([[0.0, 0.0, 9.0, 19.0]])
    # 100 / 200 pixels, or 81 / 171 of area.
    assert MaxIoUAssigner(0.5, 0.5, 0.5).assign(boxes, gts).gt_inds.tolist() == [1]
    assert MaxIoUAssigner(0.5, 0.5, 0.5, offset=0).assign(boxes, gts).gt_inds.tolist() == [0]


def test_a_band_must_be_a_pair():
    with pytest.raises(ValueError, match='neg_iou_thr'):
        MaxIoUAssigner(0.5, (0.4, 0.1))
