# A small MaskTrack R-CNN that trains from scratch on synthetic videos on a CPU; `make demo` runs it.
#
#   python tools/make_synthetic_dataset.py data/synthetic --train-videos 80 --val-videos 16 --difficulty 0.3
#   python tools/train.py configs/masktrack_rcnn_demo_synthetic.py --validate --seed 0
#
# Nothing is pretrained: the norm is GroupNorm, which does not mind small batches, and no stage is frozen.

# --- model: half the stages' width of ResNet-18, 64 channels in the pyramid ---
num_classes = 5
channels = 64
norm_cfg = dict(type='GN', num_groups=8)
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
        depth=18,
        base_channels=32,
        out_indices=(0, 1, 2, 3),
        frozen_stages=-1,
        norm_cfg=norm_cfg,
        norm_eval=False,
        zero_init_residual=False,
    ),
    neck=dict(
        type='FPN', in_channels=[32, 64, 128, 256], out_channels=channels, num_outs=5, norm_cfg=norm_cfg
    ),
    rpn_head=dict(
        type='RPNHead',
        in_channels=channels,
        feat_channels=channels,
        # objects are 20 to 60 pixels: anchors of 16, 32, 64, ... pixels
        anchor_generator=dict(
            type='LegacyAnchorGenerator', scales=[4], ratios=[0.5, 1.0, 2.0], strides=[4, 8, 16, 32, 64]
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
        out_channels=channels,
        featmap_strides=[4, 8, 16, 32],
        finest_scale=28,  # half of the usual, as images and objects are small
    ),
    bbox_head=dict(
        type='SharedFCBBoxHead',
        num_shared_fcs=2,
        in_channels=channels,
        fc_out_channels=256,
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
        out_channels=channels,
        featmap_strides=[4, 8, 16, 32],
        finest_scale=28,
    ),
    mask_head=dict(
        type='FCNMaskHead',
        num_convs=2,
        in_channels=channels,
        conv_out_channels=channels,
        num_classes=num_classes,
        mask_convention='legacy',
    ),
    track_head=dict(type='TrackHead', num_fcs=2, in_channels=channels, fc_out_channels=256, roi_feat_size=7),
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
        rpn_proposal=None,
        rcnn=dict(
            assigner=dict(type='MaxIoUAssigner', pos_iou_thr=0.5, neg_iou_thr=0.5, min_pos_iou=0.5),
            sampler=dict(
                type='RandomSampler', num=64, pos_fraction=0.25, neg_pos_ub=-1, add_gt_as_proposals=True
            ),
            mask_size=28,
            pos_weight=-1,
        ),
    ),
    test_cfg=dict(
        rpn=dict(
            nms_across_levels=False,
            nms_pre=100,
            nms_post=100,
            max_per_img=100,
            nms=dict(type='nms', iou_threshold=0.7),
            min_bbox_size=0,
        ),
        rcnn=dict(
            score_thr=0.05, nms=dict(type='nms', iou_threshold=0.5), max_per_img=10, mask_thr_binary=0.5
        ),
    ),
)

# --- data: made by tools/make_synthetic_dataset.py ---
data_root = 'data/synthetic/'
val_ann_file = 'annotations/instances_val_sub.json'
test_pipeline = [
    dict(type='LoadImage'),
    dict(type='Resize', scale=(160, 96), keep_ratio=True),
    dict(type='PackInputs'),
]
train_dataloader = dict(
    batch_size=8,
    num_workers=0,
    sampler=dict(type='GroupSampler'),
    dataset=dict(
        type='YTVOSDataset',
        data_root=data_root,
        ann_file='annotations/instances_train_sub.json',
        data_prefix=dict(img='train/JPEGImages/'),
        pipeline=[
            dict(type='LoadImage'),
            dict(type='LoadAnnotations', with_mask=True),
            dict(type='Resize', scale=(160, 96), keep_ratio=True),
            dict(type='RandomFlip', prob=0.5),
            dict(type='PackInputs'),
        ],
    ),
)
val_dataloader = dict(
    batch_size=4,
    num_workers=0,
    sampler=dict(type='VideoSampler'),
    batch_sampler=dict(type='VideoBatchSampler'),
    dataset=dict(
        type='YTVOSDataset',
        data_root=data_root,
        ann_file=val_ann_file,
        data_prefix=dict(img='valid/JPEGImages/'),
        pipeline=test_pipeline,
        test_mode=True,
    ),
)
val_evaluator = dict(type='YTVISMetric', ann_file=data_root + val_ann_file, metric='segm')
test_dataloader = val_dataloader
test_evaluator = val_evaluator

# --- schedule ---
train_cfg = dict(by_epoch=True, max_epochs=8, val_interval=2)
val_cfg = dict()
test_cfg = dict()
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=0.0015, weight_decay=0.01),
    clip_grad=dict(max_norm=10, norm_type=2),
)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=51),
    dict(type='CosineAnnealingLR', by_epoch=False, begin=51, T_max=900, end=951, eta_min_ratio=0.02),
]

# --- running ---
default_hooks = dict(
    logger=dict(type='LoggerHook', interval=20),
    checkpoint=dict(
        type='CheckpointHook', interval=1, max_keep_ckpts=2, save_best='ytvis/segm_AP', rule='greater'
    ),
)
load_from = None
work_dir = './work_dirs/masktrack_rcnn_demo_synthetic'
