# Small MaskTrack R-CNN used for the golden tracks (original config style).
# Backbone: full ResNet-50, convolution weights from RULES.md, BN trained/calibrated; heads reduced.
model = dict(
    type='MaskRCNN',
    pretrained=None,
    backbone=dict(
        type='ResNet', depth=50, num_stages=4, out_indices=(0, 1, 2, 3), frozen_stages=-1, style='pytorch'
    ),
    neck=dict(type='FPN', in_channels=[256, 512, 1024, 2048], out_channels=64, num_outs=5),
    rpn_head=dict(
        type='RPNHead',
        in_channels=64,
        feat_channels=64,
        anchor_scales=[8],
        anchor_ratios=[0.5, 1.0, 2.0],
        anchor_strides=[4, 8, 16, 32, 64],
        target_means=[0.0, 0.0, 0.0, 0.0],
        target_stds=[1.0, 1.0, 1.0, 1.0],
        use_sigmoid_cls=True,
    ),
    bbox_roi_extractor=dict(
        type='SingleRoIExtractor',
        roi_layer=dict(type='RoIAlign', out_size=7, sample_num=2),
        out_channels=64,
        featmap_strides=[4, 8, 16, 32],
    ),
    bbox_head=dict(
        type='SharedFCBBoxHead',
        num_fcs=2,
        in_channels=64,
        fc_out_channels=128,
        roi_feat_size=7,
        num_classes=6,
        target_means=[0.0, 0.0, 0.0, 0.0],
        target_stds=[0.1, 0.1, 0.2, 0.2],
        reg_class_agnostic=False,
    ),
    track_head=dict(
        type='TrackHead',
        num_fcs=2,
        in_channels=64,
        fc_out_channels=128,
        roi_feat_size=7,
        match_coeff=[1.0, 2.0, 10],
    ),
    mask_roi_extractor=dict(
        type='SingleRoIExtractor',
        roi_layer=dict(type='RoIAlign', out_size=14, sample_num=2),
        out_channels=64,
        featmap_strides=[4, 8, 16, 32],
    ),
    mask_head=dict(type='FCNMaskHead', num_convs=4, in_channels=64, conv_out_channels=32, num_classes=6),
)
train_cfg = dict(
    rpn=dict(
        assigner=dict(
            type='MaxIoUAssigner', pos_iou_thr=0.7, neg_iou_thr=0.3, min_pos_iou=0.3, ignore_iof_thr=-1
        ),
        sampler=dict(
            type='RandomSampler', num=64, pos_fraction=0.5, neg_pos_ub=-1, add_gt_as_proposals=False
        ),
        allowed_border=0,
        pos_weight=-1,
        smoothl1_beta=1 / 9.0,
        debug=False,
    ),
    rcnn=dict(
        assigner=dict(
            type='MaxIoUAssigner', pos_iou_thr=0.5, neg_iou_thr=0.5, min_pos_iou=0.5, ignore_iof_thr=-1
        ),
        sampler=dict(
            type='RandomSampler', num=64, pos_fraction=0.25, neg_pos_ub=-1, add_gt_as_proposals=True
        ),
        mask_size=28,
        pos_weight=-1,
        debug=False,
    ),
)
test_cfg = dict(
    rpn=dict(nms_across_levels=False, nms_pre=200, nms_post=200, max_num=200, nms_thr=0.7, min_bbox_size=0),
    rcnn=dict(score_thr=0.05, nms=dict(type='nms', iou_thr=0.5), max_per_img=10, mask_thr_binary=0.5),
)
img_norm_cfg = dict(mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], to_rgb=True)
data = dict(
    imgs_per_gpu=4,
    workers_per_gpu=0,
    train=dict(
        type='YTVOSDataset',
        ann_file='train_data/ann.json',
        img_prefix='train_data/images',
        img_scale=(192, 128),
        img_norm_cfg=img_norm_cfg,
        size_divisor=32,
        flip_ratio=0.5,
        with_mask=True,
        with_crowd=True,
        with_label=True,
        with_track=True,
    ),
    test=dict(
        type='YTVOSDataset',
        ann_file='videos/ann.json',
        img_prefix='videos/images',
        img_scale=(192, 128),
        img_norm_cfg=img_norm_cfg,
        size_divisor=32,
        flip_ratio=0,
        with_mask=False,
        with_label=False,
        test_mode=True,
        with_track=True,
    ),
)
