"""NMS of the 2019 release by the rule of its GPU kernel, soft-NMS, and detections per class."""

import pytest
import torch

from mmdet.ops import multiclass_nms, nms, soft_nms

from ..ops.conftest import path  # noqa: F401
from .rules import load_npz


@pytest.fixture(scope='module')
def arrays():
    return {key: torch.from_numpy(value) for key, value in load_npz('unit_nms.npz').items()}


@pytest.mark.parametrize('threshold', [0.3, 0.5, 0.7])
def test_kept_boxes_and_their_order(path, arrays, threshold):  # noqa: F811
    dets = arrays['in.dets']
    assert torch.equal(nms(dets[:, :4], dets[:, 4], threshold), arrays[f'gpu.{threshold}.inds'])


def test_overlap_equal_to_the_threshold(path, arrays):  # noqa: F811
    """The GPU of 2019 keeps such boxes, its CPU fallback did not; published numbers come from the GPU."""
    dets = arrays['eq.in']
    keep = nms(dets[:, :4], dets[:, 4], 0.5)
    assert torch.equal(keep, arrays['eq.gpu.0.5'])
    assert not torch.equal(keep, arrays['eq.cpu_rule.0.5'])


@pytest.mark.parametrize(
    ('case', 'options'),
    [
        ('soft.linear', dict(iou_threshold=0.5)),
        ('soft.gaussian', dict(iou_threshold=0.5, method='gaussian')),
        ('soft.linear.thr0.3.min0.05', dict(iou_threshold=0.3, min_score=0.05)),
    ],
)
def test_soft(path, arrays, case, options):  # noqa: F811
    dets = arrays['in.dets']
    out, keep = soft_nms(dets[:, :4], dets[:, 4], **options)
    assert torch.equal(keep, arrays[f'{case}.inds'])
    assert torch.equal(out[:, :4], arrays[f'{case}.dets'][:, :4])
    torch.testing.assert_close(out[:, 4], arrays[f'{case}.dets'][:, 4], rtol=1e-5, atol=0)


PLAIN, SOFT = dict(type='nms', iou_thr=0.5), dict(type='soft_nms', iou_thr=0.5)


@pytest.mark.parametrize(
    ('case', 'score_thr', 'config', 'limit'),
    [
        ('std', 0.05, PLAIN, 10),
        ('many', 0.05, PLAIN, 1000),  # everything fits: class after class
        ('high', 0.5, PLAIN, 10),
        ('none', 1.0, PLAIN, 10),
        ('soft', 0.05, SOFT, 20),
        ('agnostic', 0.05, PLAIN, 10),
    ],
)
def test_multiclass(path, arrays, case, score_thr, config, limit):  # noqa: F811
    boxes, scores = arrays['mc.in.boxes'], arrays['mc.in.scores']
    if case == 'agnostic':
        boxes = boxes[:, :4]
    dets, labels, inds = multiclass_nms(boxes, scores, score_thr, config, limit)
    torch.testing.assert_close(dets, arrays[f'mc.{case}.dets'], rtol=1e-6, atol=0)
    assert torch.equal(labels, arrays[f'mc.{case}.labels'])
    columns = labels + 1 if case != 'agnostic' else torch.zeros_like(labels)
    assert torch.equal(boxes.reshape(len(boxes), -1, 4)[inds, columns], dets[:, :4])
