# Mask R-CNN with ResNet-50 and FPN on COCO, in the conventions of torchvision: maskrcnn_resnet50_fpn.
#
#   python tools/test.py --model maskrcnn_r50_fpn_coco --out results --eval bbox segm
#   python tools/train.py configs/maskrcnn_r50_fpn_coco.py --load-from maskrcnn_r50_fpn_coco
#
# What differs from mmdetection's conventions: docs/checkpoints.md, "Conventions". Of torchvision's 90 columns
# the 80 that COCO uses are kept.
_base_ = ['./_base_/datasets/coco.py', './_base_/schedules/schedule_12e.py', './_base_/default_runtime.py']

num_classes = 80  # without background
norm_cfg = dict(type='BN', requires_grad=True)
roi_align = dict(type='RoIAlign', sampling_ratio=2, mode='unaligned')
roi_extractor = dict(type='SingleRoIExtractor', out_channels=256, featmap_strides=[4, 8, 16, 32], offset=0)
box_means = [0.0, 0.0, 0.0, 0.0]
smooth_l1 = dict(type='SmoothL1Loss', beta=1.0 / 9.0, loss_weight=1.0)
model = dict(
    type='MaskRCNN',
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
        frozen_stages=1,
        style='pytorch',
        norm_cfg=norm_cfg,
        norm_eval=True,
        init_cfg=dict(type='Pretrained', checkpoint='torchvision://resnet50'),
    ),
    neck=dict(type='FPN', in_channels=[256, 512, 1024, 2048], out_channels=256, num_outs=5),
    rpn_head=dict(
        type='RPNHead',
        in_channels=256,
        feat_channels=256,
        anchor_generator=dict(
            type='AnchorGenerator',
            sizes=[[32], [64], [128], [256], [512]],
            ratios=[0.5, 1.0, 2.0],
            strides=[4, 8, 16, 32, 64],
            rounded=True,
            image_strides=True,
        ),
        bbox_coder=dict(
            type='DeltaXYWHBBoxCoder',
            target_means=box_means,
            target_stds=[1.0, 1.0, 1.0, 1.0],
            clip_shrinking=False,
        ),
        loss_cls=dict(type='CrossEntropyLoss', use_sigmoid=True, loss_weight=1.0),
        loss_bbox=smooth_l1,
    ),
    bbox_roi_extractor=dict(roi_layer=dict(output_size=7, **roi_align), **roi_extractor),
    bbox_head=dict(
        type='SharedFCBBoxHead',
        num_shared_fcs=2,
        in_channels=256,
        fc_out_channels=1024,
        roi_feat_size=7,
        num_classes=num_classes,
        bbox_coder=dict(
            type='DeltaXYWHBBoxCoder',
            target_means=box_means,
            target_stds=[0.1, 0.1, 0.2, 0.2],
            clip_shrinking=False,
        ),
        reg_class_agnostic=False,
        loss_cls=dict(type='CrossEntropyLoss', loss_weight=1.0),
        loss_bbox=smooth_l1,
    ),
    mask_roi_extractor=dict(roi_layer=dict(output_size=14, **roi_align), **roi_extractor),
    mask_head=dict(
        type='FCNMaskHead',
        num_convs=4,
        in_channels=256,
        conv_out_channels=256,
        num_classes=num_classes,
        mask_convention='torchvision',
    ),
    tracker=dict(type='SortTracker', offset=0),  # on videos; needs no training
    train_cfg=dict(
        rpn=dict(
            assigner=dict(type='MaxIoUAssigner', pos_iou_thr=0.7, neg_iou_thr=0.3, min_pos_iou=0.3, offset=0),
            sampler=dict(
                type='RandomSampler', num=256, pos_fraction=0.5, neg_pos_ub=-1, add_gt_as_proposals=False
            ),
            allowed_border=-1,
            pos_weight=-1,
        ),
        rpn_proposal=dict(
            nms_pre=2000, max_per_img=2000, nms=dict(type='nms', iou_threshold=0.7), min_bbox_size=1e-3
        ),
        rcnn=dict(
            assigner=dict(
                type='MaxIoUAssigner',
                pos_iou_thr=0.5,
                neg_iou_thr=0.5,
                min_pos_iou=0.5,
                match_low_quality=False,
                offset=0,
            ),
            sampler=dict(
                type='RandomSampler', num=512, pos_fraction=0.25, neg_pos_ub=-1, add_gt_as_proposals=True
            ),
            mask_size=28,
            pos_weight=-1,
        ),
    ),
    test_cfg=dict(
        rpn=dict(nms_pre=1000, max_per_img=1000, nms=dict(type='nms', iou_threshold=0.7), min_bbox_size=1e-3),
        rcnn=dict(
            score_thr=0.05,
            nms=dict(type='nms', iou_threshold=0.5),
            max_per_img=100,
            mask_thr_binary=0.5,
            min_bbox_size=1e-2,
            always_sort=True,
        ),
    ),
)

# --- data: boxes are continuous (x2 = x + w); images are resized as torchvision does ---
resize = dict(type='Resize', scale=(1333, 800), keep_ratio=True, rounding='torchvision')
train_pipeline = [
    dict(type='LoadImage'),
    dict(type='LoadAnnotations', with_mask=True),
    resize,
    dict(type='RandomFlip', prob=0.5, offset=0),
    dict(type='PackInputs'),
]
test_pipeline = [dict(type='LoadImage'), resize, dict(type='PackInputs')]
train_dataloader = dict(
    dataset=dict(type='Coco2017Dataset', box_offset=0, pipeline=train_pipeline),
)
test_dataloader = dict(dataset=dict(type='Coco2017Dataset', box_offset=0, pipeline=test_pipeline))
test_evaluator = dict(box_offset=0)
val_dataloader = test_dataloader
val_evaluator = test_evaluator

optim_wrapper = dict(optimizer=dict(lr=0.02))  # for 16 images in all (8 GPUs)
work_dir = './work_dirs/maskrcnn_r50_fpn_coco'
