"""RPN head, its targets, losses, gradients and proposals against the numbers of the 2019 release."""

import pytest
import torch
from mmengine.structures import InstanceData

from mmdet.models.task_modules import RandomSampler
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample

from .rules import fill_by_rule, first_k, load_json, load_npz

LEVELS = 5
TRAIN_CFG = dict(
    assigner=dict(type='MaxIoUAssigner', pos_iou_thr=0.7, neg_iou_thr=0.3, min_pos_iou=0.3),
    sampler=dict(type='RandomSampler', num=64, pos_fraction=0.5, neg_pos_ub=-1, add_gt_as_proposals=False),
    allowed_border=0,
    pos_weight=-1,
)


def build_head():
    return MODELS.build(
        dict(
            type='RPNHead',
            in_channels=8,
            feat_channels=8,
            anchor_generator=dict(
                type='LegacyAnchorGenerator', scales=[8], ratios=[0.5, 1.0, 2.0], strides=[4, 8, 16, 32, 64]
            ),
            bbox_coder=dict(type='LegacyDeltaXYWHBBoxCoder'),
            loss_cls=dict(type='CrossEntropyLoss', use_sigmoid=True, loss_weight=1.0),
            loss_bbox=dict(type='SmoothL1Loss', beta=1 / 9, loss_weight=1.0),
        )
    )


@pytest.fixture(scope='module')
def golden():
    arrays = load_npz('unit_rpn_targets_loss.npz') | load_npz('unit_rpn_forward_proposals.npz')
    return {key: torch.from_numpy(value) for key, value in arrays.items()}


@pytest.fixture(scope='module')
def metas():
    return load_json('unit_meta.json')['anchor_target']['metas']


@pytest.fixture
def samples(golden, metas):
    result = []
    for index, meta in enumerate(metas):
        sample = DetDataSample(metainfo=meta)
        sample.gt_instances = InstanceData(bboxes=golden[f'in.gt.{index}'])
        result.append(sample)
    return result


@pytest.fixture(autouse=True)
def _first_k(monkeypatch):
    monkeypatch.setattr(RandomSampler, 'random_choice', lambda self, *args: first_k(*args))


def levels(golden, name):
    return [golden[f'{name}.{level}'] for level in range(LEVELS)]


def test_forward(golden):
    head = fill_by_rule(build_head())
    cls_scores, bbox_preds = head(levels(golden, 'fwd.in'))
    for level in range(LEVELS):
        torch.testing.assert_close(cls_scores[level], golden[f'fwd.out.cls.{level}'], rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(bbox_preds[level], golden[f'fwd.out.reg.{level}'], rtol=1e-5, atol=1e-6)


def test_targets(golden, samples):
    head = build_head()
    sizes = [tuple(level.shape[-2:]) for level in levels(golden, 'rpnloss.in.cls')]
    anchors = torch.cat(head.anchor_generator.grid_anchors(sizes))
    expected = {
        name: torch.cat(levels(golden, f'out.{name}'), dim=1)
        for name in ('labels', 'label_weights', 'bbox_targets', 'bbox_weights')
    }
    for index, sample in enumerate(samples):
        valid = torch.cat(head.anchor_generator.valid_flags(sizes, sample.pad_shape))
        ((pos, neg, targets),) = head.get_targets(anchors, [valid], [sample], TRAIN_CFG)
        assert torch.equal(pos, expected['labels'][index].nonzero()[:, 0])
        assert torch.equal(
            torch.cat([pos, neg]).sort().values, expected['label_weights'][index].nonzero()[:, 0]
        )
        torch.testing.assert_close(targets, expected['bbox_targets'][index][pos], rtol=1e-6, atol=1e-6)
        assert expected['bbox_weights'][index].sum() == 4 * len(pos)
        assert len(pos) == len(golden[f'out.pos_inds_inside.{index}'])
        assert len(neg) == len(golden[f'out.neg_inds_inside.{index}'])


def test_losses_and_gradients(golden, samples):
    cls_scores = [level.clone().requires_grad_() for level in levels(golden, 'rpnloss.in.cls')]
    bbox_preds = [level.clone().requires_grad_() for level in levels(golden, 'rpnloss.in.reg')]
    losses = build_head().loss(cls_scores, bbox_preds, samples, TRAIN_CFG)
    for level in range(LEVELS):
        for name in ('cls', 'reg'):
            expected = golden[f'rpnloss.out.{name}.{level}'].squeeze()
            torch.testing.assert_close(losses[f'loss_rpn_{name}'][level], expected, rtol=1e-5, atol=1e-7)
    sum(losses['loss_rpn_cls'] + losses['loss_rpn_reg']).backward()
    for level in range(LEVELS):
        torch.testing.assert_close(
            cls_scores[level].grad, golden[f'rpnloss.grad.cls.{level}'], rtol=1e-5, atol=1e-8
        )
        torch.testing.assert_close(
            bbox_preds[level].grad, golden[f'rpnloss.grad.reg.{level}'], rtol=1e-5, atol=1e-8
        )


@pytest.mark.parametrize('case', ['small', 'std', 'minsize', 'across'])
def test_proposals(golden, metas, case):
    settings = load_json('unit_meta.json')['rpn_get_bboxes'][case]
    cfg = dict(
        nms_pre=settings['nms_pre'],
        nms_post=settings['nms_post'],
        max_per_img=settings['max_num'],
        nms=dict(type='nms', iou_threshold=settings['nms_thr']),
        min_bbox_size=settings['min_bbox_size'],
        nms_across_levels=settings['nms_across_levels'],
    )
    proposals = build_head().get_proposals(
        levels(golden, 'gb.in.cls'), levels(golden, 'gb.in.reg'), metas, cfg
    )
    assert len(proposals) == 2
    for index, result in enumerate(proposals):
        expected = golden[f'gb.{case}.out.{index}']
        assert len(result) == len(expected)
        torch.testing.assert_close(result.scores, expected[:, 4], rtol=1e-6, atol=1e-7)
        torch.testing.assert_close(result.bboxes, expected[:, :4], rtol=1e-5, atol=1e-4)
