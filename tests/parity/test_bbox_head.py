"""Sampling, box targets, box head, losses, gradients and detections against the 2019 release."""

import pytest
import torch

from mmdet.models.losses import accuracy
from mmdet.models.task_modules import MaxIoUAssigner, RandomSampler
from mmdet.registry import MODELS
from mmdet.structures.bbox import bboxes_to_rois

from .rules import fill_by_rule, first_k, load_npz


class FirstKSampler(RandomSampler):
    def random_choice(self, count, k, generator=None):
        return first_k(count, k, generator)


@pytest.fixture(scope='module')
def golden():
    return {key: torch.from_numpy(value) for key, value in load_npz('unit_bbox_head.npz').items()}


@pytest.fixture(scope='module')
def sampled(golden):
    assigner = MaxIoUAssigner(pos_iou_thr=0.5, neg_iou_thr=0.5, min_pos_iou=0.5)
    sampler = FirstKSampler(num=64, pos_fraction=0.25, add_gt_as_proposals=True)
    results = []
    for index in range(2):
        proposals, gt = golden[f'in.proposals.{index}'], golden[f'in.gt.{index}']
        labels = golden[f'in.labels.{index}'] - 1
        assigned = assigner.assign(proposals, gt, gt_labels=labels)
        results.append(sampler.sample(assigned, proposals, gt, labels))
    return results


@pytest.fixture(scope='module')
def head():
    head = MODELS.build(
        dict(
            type='SharedFCBBoxHead',
            num_shared_fcs=2,
            in_channels=8,
            fc_out_channels=16,
            num_classes=5,
            bbox_coder=dict(type='LegacyDeltaXYWHBBoxCoder', target_stds=[0.1, 0.1, 0.2, 0.2]),
            loss_cls=dict(type='CrossEntropyLoss', loss_weight=1.0),
            loss_bbox=dict(type='SmoothL1Loss', beta=1.0, loss_weight=1.0),
        )
    )
    return fill_by_rule(head)


def test_sampling(golden, sampled):
    for index, result in enumerate(sampled):
        for name in ('pos_inds', 'neg_inds', 'pos_assigned_gt_inds', 'bboxes'):
            assert torch.equal(getattr(result, name), golden[f'samp.{name}.{index}']), name
        assert torch.equal(result.pos_gt_labels + 1, golden[f'samp.pos_gt_labels.{index}'])
        assert torch.equal(result.pos_is_gt, golden[f'samp.pos_is_gt.{index}'].bool())
        ids = golden[f'in.pids.{index}'][result.pos_assigned_gt_inds]
        assert torch.equal(ids, golden[f'samp.pos_gt_pids.{index}'])
    assert torch.equal(bboxes_to_rois([result.bboxes for result in sampled]), golden['rois'])


def test_targets(golden, sampled, head):
    labels, label_weights, targets, weights = head.get_targets(sampled, dict(pos_weight=-1))
    assert torch.equal(labels, golden['tgt.labels'])
    assert torch.equal(label_weights, golden['tgt.label_weights'])
    # The goldens spread the four targets over the block of the label; ours stay together.
    pos = labels.nonzero()[:, 0]
    rows = pos[:, None]
    columns = 4 * labels[pos][:, None] + torch.arange(4)
    spread = torch.zeros_like(golden['tgt.bbox_targets'])
    spread[rows, columns] = targets[pos]
    torch.testing.assert_close(spread, golden['tgt.bbox_targets'], rtol=1e-6, atol=1e-6)
    spread = torch.zeros_like(golden['tgt.bbox_weights'])
    spread[rows, columns] = weights[pos]
    assert torch.equal(spread, golden['tgt.bbox_weights'])


def test_forward_losses_and_gradients(golden, sampled, head):
    head.zero_grad()
    feats = golden['head.in.roi_feats'].clone().requires_grad_()
    cls_score, bbox_pred = head(feats)
    cls_score.retain_grad()
    bbox_pred.retain_grad()
    torch.testing.assert_close(cls_score, golden['head.out.cls_score'], rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(bbox_pred, golden['head.out.bbox_pred'], rtol=1e-5, atol=1e-5)
    losses = head.loss(cls_score, bbox_pred, *head.get_targets(sampled, dict(pos_weight=-1)))
    for name, value in losses.items():
        torch.testing.assert_close(value.reshape(1), golden[f'loss.{name}'], rtol=1e-5, atol=1e-6)
    assert set(losses) == {'loss_cls', 'acc', 'loss_reg'}
    (losses['loss_cls'] + losses['loss_reg']).backward()
    grads = dict(
        cls_score=cls_score.grad,
        bbox_pred=bbox_pred.grad,
        roi_feats=feats.grad,
    )
    grads['fc_reg.weight'] = head.fc_reg.weight.grad
    for name, grad in grads.items():
        torch.testing.assert_close(grad, golden[f'grad.{name}'], rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize(('case', 'rescale'), [('rescale0.75', True), ('norescale', False)])
def test_detections(golden, head, case, rescale):
    rois = golden['rois'][:64]
    (detections,) = head.get_bboxes(
        rois,
        golden['det.in.cls_score_x4'],
        golden['head.out.bbox_pred'][:64],
        [dict(img_shape=(90, 150, 3), scale_factor=0.75)],
        dict(score_thr=0.05, nms=dict(type='nms', iou_threshold=0.5), max_per_img=10),
        rescale=rescale,
    )
    expected = golden[f'det.{case}.dets']
    torch.testing.assert_close(detections.bboxes, expected[:, :4], rtol=1e-5, atol=1e-4)
    torch.testing.assert_close(detections.scores, expected[:, 4], rtol=1e-5, atol=1e-6)
    assert torch.equal(detections.labels, golden[f'det.{case}.labels'])


def test_accuracy(golden):
    target = golden['tgt.labels']
    assert torch.equal(accuracy(golden['acc.in.pred'], target), golden['acc.top1'])
    for expected, value in zip(
        ('acc.top13.0', 'acc.top13.1'), accuracy(golden['acc.in.pred'], target, (1, 3))
    ):
        torch.testing.assert_close(value, golden[expected])
