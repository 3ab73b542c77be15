"""The parts of a detector under autocast: half-precision features, losses in single precision."""

import pytest
import torch
from mmengine.structures import InstanceData

from mmdet.models.backbones import ResNet
from mmdet.models.bbox_heads import SharedFCBBoxHead
from mmdet.models.necks import FPN
from mmdet.models.roi_extractors import SingleRoIExtractor
from mmdet.models.task_modules import MaxIoUAssigner, RandomSampler
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmdet.structures.bbox import bboxes_to_rois

CODER = dict(type='LegacyDeltaXYWHBBoxCoder')
LOSSES = dict(loss_cls=dict(type='CrossEntropyLoss'), loss_bbox=dict(type='SmoothL1Loss'))


@pytest.fixture(scope='module')
def parts():
    torch.manual_seed(0)
    rpn = dict(
        type='RPNHead',
        in_channels=8,
        feat_channels=8,
        anchor_generator=dict(type='LegacyAnchorGenerator', scales=[4], strides=[4, 8, 16, 32, 64]),
        bbox_coder=CODER,
        loss_cls=dict(type='CrossEntropyLoss', use_sigmoid=True),
        loss_bbox=LOSSES['loss_bbox'],
    )
    layer = dict(type='RoIAlign', output_size=7, sampling_ratio=2)
    modules = torch.nn.ModuleDict(
        dict(
            backbone=ResNet(18, base_channels=8, norm_cfg=dict(type='GN', num_groups=4)),
            neck=FPN([8, 16, 32, 64], 8, num_outs=5),
            rpn=MODELS.build(rpn),
            extractor=SingleRoIExtractor(layer, 8, [4, 8, 16, 32]),
            head=SharedFCBBoxHead(
                num_classes=3, bbox_coder=CODER, in_channels=8, fc_out_channels=16, **LOSSES
            ),
        )
    )
    for module in modules.values():
        if hasattr(module, 'init_weights'):
            module.init_weights()
    return modules


def losses_of(parts, images, boxes, labels):
    train_cfg = dict(
        assigner=dict(type='MaxIoUAssigner', pos_iou_thr=0.7, neg_iou_thr=0.3, min_pos_iou=0.3),
        sampler=dict(type='RandomSampler', num=32, pos_fraction=0.5, add_gt_as_proposals=False),
    )
    sample = DetDataSample(metainfo=dict(img_shape=(96, 128), pad_shape=(96, 128), sample_seed=0))
    sample.gt_instances = InstanceData(bboxes=boxes)
    feats = parts.neck(parts.backbone(images))
    losses = parts.rpn.loss(*parts.rpn(feats), [sample], train_cfg)
    assigned = MaxIoUAssigner(0.5, 0.5, 0.5).assign(boxes + 1, boxes, gt_labels=labels)
    result = RandomSampler(16, 0.5).sample(assigned, boxes + 1, boxes, labels)
    rois = bboxes_to_rois([result.bboxes])
    outs = parts.head(parts.extractor(feats, rois))
    losses.update(parts.head.loss(*outs, *parts.head.get_targets([result], {})))
    assert outs[0].dtype == outs[1].dtype == torch.float32
    flat = [v for value in losses.values() for v in (value if isinstance(value, list) else [value])]
    return feats[0].dtype, torch.stack([value.reshape(()) for value in flat])


@pytest.mark.parametrize('objects', [2, 0])
def test_losses_are_close_to_those_in_single_precision(parts, objects):
    images = torch.rand(1, 3, 96, 128, generator=torch.Generator().manual_seed(0))
    boxes = torch.tensor([[10.0, 10, 50, 60], [60, 20, 110, 80]])[:objects]
    labels = torch.tensor([0, 2])[:objects]
    dtype, single = losses_of(parts, images, boxes, labels)
    assert dtype == torch.float32
    with torch.autocast('cpu', dtype=torch.bfloat16):
        dtype, half = losses_of(parts, images, boxes, labels)
    assert dtype == torch.bfloat16 and half.dtype == torch.float32
    torch.testing.assert_close(half, single, rtol=0.02, atol=0.01)
    half.sum().backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in parts.parameters())
    parts.zero_grad()
