# A small MaskTrack R-CNN that trains from scratch on synthetic videos on a CPU; `make demo` runs it.
#
#   python tools/make_synthetic_dataset.py data/synthetic --train-videos 80 --val-videos 16 --difficulty 0.3
#   python tools/train.py configs/masktrack_rcnn_demo_synthetic.py --validate --seed 0
#
# Nothing is pretrained: the norm is GroupNorm, which does not mind small batches, and no stage is frozen.

_base_ = [
    './_base_/models/masktrack_rcnn_r50_fpn_2019.py',
    './_base_/datasets/youtube_vis.py',
    './_base_/default_runtime.py',
]

# --- model: half the stages' width of ResNet-18, 64 channels in the pyramid ---
num_classes = 5
channels = 64
norm_cfg = dict(type='GN', num_groups=8)
small_objects = dict(
    out_channels=channels, finest_scale=28
)  # half of the usual, as images and objects are small
model = dict(
    backbone=dict(
        _delete_=True,
        type='ResNet',
        depth=18,
        base_channels=32,
        out_indices=(0, 1, 2, 3),
        frozen_stages=-1,
        norm_cfg=norm_cfg,
        norm_eval=False,
        zero_init_residual=False,
    ),
    neck=dict(in_channels=[32, 64, 128, 256], out_channels=channels, norm_cfg=norm_cfg),
    rpn_head=dict(
        in_channels=channels,
        feat_channels=channels,
        anchor_generator=dict(scales=[4]),  # objects are 20 to 60 pixels: anchors of 16, 32, 64, ... pixels
    ),
    bbox_roi_extractor=small_objects,
    bbox_head=dict(in_channels=channels, fc_out_channels=256, num_classes=num_classes),
    mask_roi_extractor=small_objects,
    mask_head=dict(num_convs=2, in_channels=channels, conv_out_channels=channels, num_classes=num_classes),
    track_head=dict(in_channels=channels, fc_out_channels=256),
    train_cfg=dict(rcnn=dict(sampler=dict(num=64))),
    test_cfg=dict(rpn=dict(nms_pre=100, nms_post=100, max_per_img=100)),
)

# --- data: made by tools/make_synthetic_dataset.py ---
data_root = 'data/synthetic/'
train_pipeline = [
    dict(type='LoadImage'),
    dict(type='LoadAnnotations', with_mask=True),
    dict(type='Resize', scale=(160, 96), keep_ratio=True),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackInputs'),
]
test_pipeline = [
    dict(type='LoadImage'),
    dict(type='Resize', scale=(160, 96), keep_ratio=True),
    dict(type='PackInputs'),
]
train_dataloader = dict(
    num_workers=0,
    persistent_workers=False,
    dataset=dict(data_root=data_root, data_prefix=dict(img='train/JPEGImages/'), pipeline=train_pipeline),
)
test_dataloader = dict(
    batch_size=4,
    num_workers=0,
    dataset=dict(data_root=data_root, data_prefix=dict(img='valid/JPEGImages/'), pipeline=test_pipeline),
)
test_evaluator = dict(ann_file=data_root + 'annotations/instances_val_sub.json')
val_dataloader = test_dataloader
val_evaluator = test_evaluator

# --- schedule ---
train_cfg = dict(type='ResumableEpochLoop', max_epochs=8, val_interval=2)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
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
work_dir = './work_dirs/masktrack_rcnn_demo_synthetic'
