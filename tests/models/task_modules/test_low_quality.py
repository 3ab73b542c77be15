"""MaxIoUAssigner with and without the step that gives every ground truth its best box."""

import torch

from mmdet.registry import TASK_UTILS

BOXES = torch.tensor([[0.0, 0.0, 10.0, 10.0], [4.0, 0.0, 14.0, 10.0], [40.0, 40.0, 50.0, 50.0]])
TRUTH = torch.tensor([[7.0, 0.0, 17.0, 10.0], [0.0, 0.0, 10.0, 9.0]])


def assign(**options):
    config = dict(
        type='MaxIoUAssigner', pos_iou_thr=0.7, neg_iou_thr=0.3, min_pos_iou=0.3, offset=0, **options
    )
    return TASK_UTILS.build(config).assign(BOXES, TRUTH).gt_inds.tolist()


def test_best_box_below_the_threshold_is_taken_by_default():
    # Box 1 overlaps the first truth by 7 / 13 = 0.54: below 0.7, but nobody does better.
    assert assign() == [2, 1, 0]


def test_without_low_quality_matches_it_is_left_out():
    assert assign(match_low_quality=False) == [2, -1, 0]
