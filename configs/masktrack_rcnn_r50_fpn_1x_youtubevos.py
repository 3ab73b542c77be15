# MaskTrack R-CNN with ResNet-50 and FPN on YouTube-VIS 2019, the hyper-parameters and conventions of 2019.
#
#   python tools/train.py configs/masktrack_rcnn_r50_fpn_1x_youtubevos.py
#   python tools/test_video.py configs/masktrack_rcnn_r50_fpn_1x_youtubevos.py \
#       work_dirs/masktrack_rcnn_r50_fpn_1x_youtubevos/epoch_12.pth --out results
#
# This file is whole on purpose: it shows the method and its numbers in one place. The other configs are short
# files over configs/_base_/; a test holds this one equal to them. docs/config.md explains every key.

# --- model: paper section 4; "legacy" names are the numeric conventions of 2019 (docs/conventions.md) ---
num_classes = 40  # without background
box_means = [0.0, 0.0, 0.0, 0.0]
model = dict(
    type='MaskTrackRCNN',
    data_preprocessor=dict(
        type='DataPreprocessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
        pad_size_divisor=32,
    ),
    backbone=dict(
        type='ResNet',
        depth=50,
        num_stages=4,
        out_indices=(0, 1, 2, 3),
        frozen_stages=1,  # stem and first stage
        style='pytorch',
        norm_cfg=dict(type='BN', requires_grad=True),
        norm_eval=True,  # running statistics stay those of ImageNet
        init_cfg=dict(type='Pretrained', checkpoint='torchvision://resnet50'),
    ),
    neck=dict(type='FPN', in_channels=[256, 512, 1024, 2048], out_channels=256, num_outs=5),
    rpn_head=dict(
        type='RPNHead',
        in_channels=256,
        feat_channels=256,
        anchor_generator=dict(
            type='LegacyAnchorGenerator', scales=[8], ratios=[0.5, 1.0, 2.0], strides=[4, 8, 16, 32, 64]
        ),
        bbox_coder=dict(
            type='LegacyDeltaXYWHBBoxCoder', target_means=box_means, target_stds=[1.0, 1.0, 1.0, 1.0]
        ),
        loss_cls=dict(type='CrossEntropyLoss', use_sigmoid=True, loss_weight=1.0),
        loss_bbox=dict(type='SmoothL1Loss', beta=1.0 / 9.0, loss_weight=1.0),
    ),
    bbox_roi_extractor=dict(
        type='SingleRoIExtractor',
        roi_layer=dict(type='RoIAlign', output_size=7, sampling_ratio=2, mode='legacy'),
        out_channels=256,
        featmap_strides=[4, 8, 16, 32],
    ),
    bbox_head=dict(
        type='SharedFCBBoxHead',
        num_shared_fcs=2,
        in_channels=256,
        fc_out_channels=1024,
        roi_feat_size=7,
        num_classes=num_classes,
        bbox_coder=dict(
            type='LegacyDeltaXYWHBBoxCoder', target_means=box_means, target_stds=[0.1, 0.1, 0.2, 0.2]
        ),
        reg_class_agnostic=False,
        loss_cls=dict(type='CrossEntropyLoss', loss_weight=1.0),
        loss_bbox=dict(type='SmoothL1Loss', beta=1.0, loss_weight=1.0),
    ),
    mask_roi_extractor=dict(
        type='SingleRoIExtractor',
        roi_layer=dict(type='RoIAlign', output_size=14, sampling_ratio=2, mode='legacy'),
        out_channels=256,
        featmap_strides=[4, 8, 16, 32],
    ),
    mask_head=dict(
        type='FCNMaskHead',
        num_convs=4,
        in_channels=256,
        conv_out_channels=256,
        num_classes=num_classes,
        mask_convention='legacy',
    ),
    track_head=dict(type='TrackHead', num_fcs=2, in_channels=256, fc_out_channels=1024, roi_feat_size=7),
    tracker=dict(type='MaskTrackTracker', match_coeff=dict(det_score=1.0, iou=2.0, label=10.0)),
    train_cfg=dict(
        rpn=dict(
            assigner=dict(type='MaxIoUAssigner', pos_iou_thr=0.7, neg_iou_thr=0.3, min_pos_iou=0.3),
            sampler=dict(
                type='RandomSampler', num=64, pos_fraction=0.5, neg_pos_ub=-1, add_gt_as_proposals=False
            ),
            allowed_border=0,
            pos_weight=-1,
        ),
        rpn_proposal=None,  # proposals of training follow test_cfg.rpn, as in 2019
        rcnn=dict(
            assigner=dict(type='MaxIoUAssigner', pos_iou_thr=0.5, neg_iou_thr=0.5, min_pos_iou=0.5),
            sampler=dict(
                type='RandomSampler', num=128, pos_fraction=0.25, neg_pos_ub=-1, add_gt_as_proposals=True
            ),
            mask_size=28,
            pos_weight=-1,
        ),
    ),
    test_cfg=dict(
        rpn=dict(
            nms_across_levels=False,
            nms_pre=200,
            nms_post=200,
            max_per_img=200,
            nms=dict(type='nms', iou_threshold=0.7),
            min_bbox_size=0,
        ),
        rcnn=dict(
            score_thr=0.05, nms=dict(type='nms', iou_threshold=0.5), max_per_img=10, mask_thr_binary=0.5
        ),
    ),
)

# --- data: data/README.md says where the files go ---
dataset_type = 'YTVOSDataset'
data_root = 'data/'
train_pipeline = [
    dict(type='LoadImage'),
    dict(type='LoadAnnotations', with_mask=True),
    dict(type='Resize', scale=(640, 360), keep_ratio=True),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackInputs'),
]
test_pipeline = [
    dict(type='LoadImage'),
    dict(type='Resize', scale=(640, 360), keep_ratio=True),
    dict(type='PackInputs'),
]
train_dataloader = dict(
    batch_size=8,  # pairs of frames on each GPU; the learning rate below is for 8 in all
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='GroupSampler'),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        ann_file='annotations/instances_train_sub.json',
        data_prefix=dict(img='train/'),
        pipeline=train_pipeline,
    ),
)
test_dataloader = dict(
    batch_size=1,  # frames in one pass
    num_workers=2,
    sampler=dict(type='VideoSampler'),
    batch_sampler=dict(type='VideoBatchSampler'),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        ann_file='annotations/instances_val_sub.json',
        data_prefix=dict(img='val/'),
        pipeline=test_pipeline,
        test_mode=True,
    ),
)
test_evaluator = dict(
    type='YTVISMetric', ann_file=data_root + 'annotations/instances_val_sub.json', metric='segm'
)
# The public validation file of YouTube-VIS has no objects: `train.py --validate` needs a file that has.
val_dataloader = test_dataloader
val_evaluator = test_evaluator

# --- schedule: 12 epochs, warm-up of 500 iterations from a third ---
train_cfg = dict(type='ResumableEpochLoop', max_epochs=12, val_interval=1)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='SGD', lr=0.005, momentum=0.9, weight_decay=0.0001),
    clip_grad=dict(max_norm=35, norm_type=2),
)
param_scheduler = [
    dict(type='LinearLR', start_factor=1.0 / 3, by_epoch=False, begin=0, end=501),
    dict(type='MultiStepLR', milestones=[8, 11], gamma=0.1, by_epoch=True),
]

# --- running ---
default_scope = 'mmdet'
custom_imports = dict(imports=['mmdet.registry'])  # so that mmengine knows mmdet
runner_type = 'mmdet.TrackRunner'
default_hooks = dict(
    logger=dict(type='LoggerHook', interval=50),
    checkpoint=dict(type='CheckpointHook', interval=1),
)
env_cfg = dict(dist_cfg=dict(backend='nccl'))
log_level = 'INFO'
# 2019 started from COCO: mask_rcnn_r50_fpn_1x_20181010-069fa190.pth of mmdetection's old zoo (MODEL_ZOO.md).
# Tensors that do not fit are listed; class_map='coco' also takes the rows of categories COCO has, too.
load_from = None
load_options = dict(class_map=None)
work_dir = './work_dirs/masktrack_rcnn_r50_fpn_1x_youtubevos'
