# MaskTrack R-CNN, ResNet-50 and FPN, YouTube-VIS 2019, in the conventions of mmtracking and mmdetection 3.
#
#   python tools/convert_checkpoint.py \
#       masktrack_rcnn_r50_fpn_12e_youtubevis2019_20211022_194830-6ca6b91e.pth masktrack_r50_2019.pth
#   python tools/test_video.py configs/masktrack_rcnn_r50_fpn_12e_youtubevis2019.py masktrack_r50_2019.pth \
#       --out results
#   python tools/train.py configs/masktrack_rcnn_r50_fpn_12e_youtubevis2019.py
#
# What differs from masktrack_rcnn_r50_fpn_1x_youtubevos.py: docs/checkpoints.md, "Conventions".

# --- model: continuous boxes, anchors centered on the grid, aligned RoIAlign with adaptive sampling ---
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
            type='AnchorGenerator', scales=[8], ratios=[0.5, 1.0, 2.0], strides=[4, 8, 16, 32, 64]
        ),
        bbox_coder=dict(type='DeltaXYWHBBoxCoder', target_means=box_means, target_stds=[1.0, 1.0, 1.0, 1.0]),
        loss_cls=dict(type='CrossEntropyLoss', use_sigmoid=True, loss_weight=1.0),
        loss_bbox=dict(type='L1Loss', loss_weight=1.0),
    ),
    bbox_roi_extractor=dict(
        type='SingleRoIExtractor',
        roi_layer=dict(type='RoIAlign', output_size=7, sampling_ratio=0, mode='aligned'),
        out_channels=256,
        featmap_strides=[4, 8, 16, 32],
        offset=0,
    ),
    bbox_head=dict(
        type='SharedFCBBoxHead',
        num_shared_fcs=2,
        in_channels=256,
        fc_out_channels=1024,
        roi_feat_size=7,
        num_classes=num_classes,
        bbox_coder=dict(type='DeltaXYWHBBoxCoder', target_means=box_means, target_stds=[0.1, 0.1, 0.2, 0.2]),
        reg_class_agnostic=False,
        loss_cls=dict(type='CrossEntropyLoss', loss_weight=1.0),
        loss_bbox=dict(type='L1Loss', loss_weight=1.0),
    ),
    mask_roi_extractor=dict(
        type='SingleRoIExtractor',
        roi_layer=dict(type='RoIAlign', output_size=14, sampling_ratio=0, mode='aligned'),
        out_channels=256,
        featmap_strides=[4, 8, 16, 32],
        offset=0,
    ),
    mask_head=dict(
        type='FCNMaskHead',
        num_convs=4,
        in_channels=256,
        conv_out_channels=256,
        num_classes=num_classes,
        mask_convention='continuous',
    ),
    track_head=dict(
        type='TrackHead', num_fcs=2, in_channels=256, fc_out_channels=1024, roi_feat_size=7, relu_last=True
    ),
    tracker=dict(
        type='MaskTrackTracker',
        match_coeff=dict(det_score=1.0, iou=2.0, label=10.0),
        offset=0,
        update_label=True,  # memory takes the label of the last match
        max_age=20,  # objects not seen for 20 frames are forgotten
        age_on_empty=False,  # but only when a frame has detections
    ),
    train_cfg=dict(
        rpn=dict(
            assigner=dict(type='MaxIoUAssigner', pos_iou_thr=0.7, neg_iou_thr=0.3, min_pos_iou=0.3, offset=0),
            sampler=dict(
                type='RandomSampler', num=64, pos_fraction=0.5, neg_pos_ub=-1, add_gt_as_proposals=False
            ),
            allowed_border=-1,  # anchors may leave the image
            pos_weight=-1,
        ),
        rpn_proposal=None,  # proposals of training follow test_cfg.rpn
        rcnn=dict(
            assigner=dict(type='MaxIoUAssigner', pos_iou_thr=0.5, neg_iou_thr=0.5, min_pos_iou=0.5, offset=0),
            sampler=dict(
                type='RandomSampler', num=128, pos_fraction=0.25, neg_pos_ub=-1, add_gt_as_proposals=True
            ),
            mask_size=28,
            pos_weight=-1,
        ),
    ),
    test_cfg=dict(
        # Suppressed level by level, then the best of all levels.
        rpn=dict(nms_pre=200, max_per_img=200, nms=dict(type='nms', iou_threshold=0.7), min_bbox_size=0),
        rcnn=dict(
            score_thr=0.01,
            nms=dict(type='nms', iou_threshold=0.5),
            max_per_img=100,
            mask_thr_binary=0.5,
            always_sort=True,
        ),
    ),
)

# --- data: data/README.md says where the files go ---
dataset_type = 'YouTubeVIS2019Dataset'
data_root = 'data/youtube_vis_2019/'
train_pipeline = [
    dict(type='LoadImage'),
    dict(type='LoadAnnotations', with_mask=True),
    dict(type='Resize', scale=(640, 360), keep_ratio=True, rounding='modern'),
    dict(type='RandomFlip', prob=0.5, offset=0),
    dict(type='PackInputs'),
]
test_pipeline = [
    dict(type='LoadImage'),
    dict(type='Resize', scale=(640, 360), keep_ratio=True, rounding='modern'),
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
        box_offset=0,  # x2 = x + w
        ann_file='annotations/instances_train_sub.json',
        data_prefix=dict(img='train/'),
        pipeline=train_pipeline,
    ),
)
test_dataloader = dict(
    batch_size=1,  # frames of one video in one pass
    num_workers=2,
    sampler=dict(type='VideoSampler'),
    batch_sampler=dict(type='VideoBatchSampler'),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        box_offset=0,  # x2 = x + w
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
train_cfg = dict(by_epoch=True, max_epochs=12, val_interval=1)
val_cfg = dict()
test_cfg = dict()
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='SGD', lr=0.00125, momentum=0.9, weight_decay=0.0001),
    clip_grad=dict(max_norm=35, norm_type=2),
)
param_scheduler = [
    dict(type='LinearLR', start_factor=1.0 / 3, by_epoch=False, begin=0, end=501),
    dict(type='MultiStepLR', milestones=[8, 11], gamma=0.1, by_epoch=True),
]

# --- running ---
default_hooks = dict(
    logger=dict(type='LoggerHook', interval=50),
    checkpoint=dict(type='CheckpointHook', interval=1),
)
env_cfg = dict(dist_cfg=dict(backend='nccl'))
log_level = 'INFO'
# mmtracking started from mask_rcnn_r50_fpn_1x_coco_20200205-d4b0c5d6.pth of mmdetection 2 (COCO): convert it
# with tools/convert_checkpoint.py and name the result here. What does not fit is listed and stays random.
load_from = None
load_options = dict(class_map=None)
work_dir = './work_dirs/masktrack_rcnn_r50_fpn_12e_youtubevis2019'
