"""The models that the goldens were recorded with, in the native schema."""

import copy

import numpy as np
import torch

from mmdet.registry import MODELS

from .rules import fill_by_rule, load_json, load_npz, rule_tensor

PREPROCESSOR = dict(
    type='DataPreprocessor',
    mean=[123.675, 116.28, 103.53],
    std=[58.395, 57.12, 57.375],
    bgr_to_rgb=True,
    pad_size_divisor=32,
)


def masktrack_cfg(channels=256, fc=1024, mask_channels=256, num_classes=40, rois=128, frozen_stages=1):
    """MaskTrack R-CNN of 2019 with a ResNet-50."""
    assigner = dict(type='MaxIoUAssigner', ignore_iof_thr=-1)
    return dict(
        type='MaskTrackRCNN',
        data_preprocessor=dict(PREPROCESSOR),
        backbone=dict(
            type='ResNet',
            depth=50,
            num_stages=4,
            out_indices=(0, 1, 2, 3),
            frozen_stages=frozen_stages,
            style='pytorch',
            norm_cfg=dict(type='BN', requires_grad=True),
            norm_eval=True,
        ),
        neck=dict(type='FPN', in_channels=[256, 512, 1024, 2048], out_channels=channels, num_outs=5),
        rpn_head=dict(
            type='RPNHead',
            in_channels=channels,
            feat_channels=channels,
            anchor_generator=dict(
                type='LegacyAnchorGenerator', scales=[8], ratios=[0.5, 1.0, 2.0], strides=[4, 8, 16, 32, 64]
            ),
            bbox_coder=dict(type='LegacyDeltaXYWHBBoxCoder', target_means=[0.0] * 4, target_stds=[1.0] * 4),
            loss_cls=dict(type='CrossEntropyLoss', use_sigmoid=True, loss_weight=1.0),
            loss_bbox=dict(type='SmoothL1Loss', beta=1 / 9, loss_weight=1.0),
        ),
        bbox_roi_extractor=dict(
            type='SingleRoIExtractor',
            roi_layer=dict(type='RoIAlign', output_size=7, sampling_ratio=2, mode='legacy'),
            out_channels=channels,
            featmap_strides=[4, 8, 16, 32],
        ),
        bbox_head=dict(
            type='SharedFCBBoxHead',
            num_shared_fcs=2,
            in_channels=channels,
            fc_out_channels=fc,
            roi_feat_size=7,
            num_classes=num_classes,
            bbox_coder=dict(
                type='LegacyDeltaXYWHBBoxCoder', target_means=[0.0] * 4, target_stds=[0.1, 0.1, 0.2, 0.2]
            ),
            reg_class_agnostic=False,
            loss_cls=dict(type='CrossEntropyLoss', loss_weight=1.0),
            loss_bbox=dict(type='SmoothL1Loss', beta=1.0, loss_weight=1.0),
        ),
        mask_roi_extractor=dict(
            type='SingleRoIExtractor',
            roi_layer=dict(type='RoIAlign', output_size=14, sampling_ratio=2, mode='legacy'),
            out_channels=channels,
            featmap_strides=[4, 8, 16, 32],
        ),
        mask_head=dict(
            type='FCNMaskHead',
            num_convs=4,
            in_channels=channels,
            conv_out_channels=mask_channels,
            num_classes=num_classes,
        ),
        track_head=dict(
            type='TrackHead', num_fcs=2, in_channels=channels, fc_out_channels=fc, roi_feat_size=7
        ),
        tracker=dict(type='MaskTrackTracker', match_coeff=dict(det_score=1.0, iou=2.0, label=10.0)),
        train_cfg=dict(
            rpn=dict(
                assigner=dict(assigner, pos_iou_thr=0.7, neg_iou_thr=0.3, min_pos_iou=0.3),
                sampler=dict(
                    type='RandomSampler', num=64, pos_fraction=0.5, neg_pos_ub=-1, add_gt_as_proposals=False
                ),
                allowed_border=0,
                pos_weight=-1,
            ),
            rpn_proposal=None,
            rcnn=dict(
                assigner=dict(assigner, pos_iou_thr=0.5, neg_iou_thr=0.5, min_pos_iou=0.5),
                sampler=dict(
                    type='RandomSampler',
                    num=rois,
                    pos_fraction=0.25,
                    neg_pos_ub=-1,
                    add_gt_as_proposals=True,
                ),
                mask_size=28,
                pos_weight=-1,
            ),
        ),
        test_cfg=dict(
            rpn=dict(
                nms_pre=200,
                nms_post=200,
                max_per_img=200,
                nms=dict(type='nms', iou_threshold=0.7),
                min_bbox_size=0,
                nms_across_levels=False,
            ),
            rcnn=dict(
                score_thr=0.05,
                nms=dict(type='nms', iou_threshold=0.5),
                max_per_img=10,
                mask_thr_binary=0.5,
            ),
        ),
    )


def small_cfg():
    """The small trained model of the golden tracks: reduced heads, five classes."""
    return masktrack_cfg(channels=64, fc=128, mask_channels=32, num_classes=5, rois=64, frozen_stages=-1)


def without_tracking(cfg):
    """The same model as plain Mask R-CNN."""
    cfg = copy.deepcopy(cfg)
    cfg['type'] = 'MaskRCNN'
    del cfg['track_head'], cfg['tracker']
    return cfg


def assert_same_proposals(got, want, atol):
    """Every box of one list is in the other: float noise may swap proposals of nearly equal scores.

    Args:
        got (InstanceData): bboxes and scores.
        want (np.ndarray): (k, 5) boxes and scores.
        atol (float): pixels.
    """
    assert len(got) == len(want)
    ours = np.asarray(got.bboxes)
    distance = np.abs(ours[:, None] - want[None, :, :4]).max(axis=2)
    assert distance.min(axis=0).max() <= atol
    assert distance.min(axis=1).max() <= atol
    np.testing.assert_allclose(got.scores, want[:, 4], rtol=1e-4, atol=1e-6)


def full_model():
    """The full model with the weights of the rule, and the gains that keep its activations in range."""
    return fill_by_rule(MODELS.build(masktrack_cfg()), load_json('full_r50_train.json')['gains'])


def small_model():
    """The small trained model; its backbone convolutions follow the rule and are not stored."""
    model = MODELS.build(small_cfg())
    stored = load_npz('small_ckpt.npz')
    state = {
        key: torch.from_numpy(stored[key]) if key in stored else rule_tensor(key, tuple(shape))
        for key, shape, _ in load_json('small_state.json')
    }
    model.load_state_dict(state, strict=True)
    return model.eval()
