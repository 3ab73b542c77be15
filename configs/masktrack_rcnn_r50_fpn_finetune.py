# From a COCO Mask R-CNN to MaskTrack R-CNN on a small dataset of your own (docs/finetune.md).
#
#   python tools/train.py mine.py --validate    # _base_ = './configs/masktrack_rcnn_r50_fpn_finetune.py'
#
# The schedule counts iterations: an epoch of 110 frames has 28 of them, and a warm-up of 500 would never end.
_base_ = [
    './_base_/models/masktrack_rcnn_r50_fpn_modern.py',
    './_base_/datasets/youtube_vis.py',
    './_base_/default_runtime.py',
]

# --- model: that of maskrcnn_r50_fpn_coco.py, in its conventions, and what tracks ---
num_classes = 1  # categories of your annotation file, without background
roi_align = dict(sampling_ratio=2, mode='unaligned')
coder = dict(clip_shrinking=False)
model = dict(
    backbone=dict(
        frozen_stages=1
    ),  # stem and first stage stay as they are; 2 to 4: more, for very few images
    rpn_head=dict(
        anchor_generator=dict(
            _delete_=True,
            type='AnchorGenerator',
            sizes=[[32], [64], [128], [256], [512]],
            ratios=[0.5, 1.0, 2.0],
            strides=[4, 8, 16, 32, 64],
            rounded=True,
            image_strides=True,
        ),
        bbox_coder=coder,
    ),
    bbox_roi_extractor=dict(roi_layer=roi_align),
    bbox_head=dict(num_classes=num_classes, bbox_coder=coder),
    mask_roi_extractor=dict(roi_layer=roi_align),
    mask_head=dict(num_classes=num_classes, mask_convention='torchvision'),
)

# --- data: data/train, data/val and data/annotations, or your own paths; classes are those of the json ---
scale = (640, 360)  # longest and shortest side; small objects need more
train_pipeline = [
    dict(type='LoadImage'),
    dict(type='LoadAnnotations', with_mask=True),
    dict(type='Resize', scale=scale, keep_ratio=True, rounding='torchvision'),
    dict(type='RandomFlip', prob=0.5, offset=0),
    dict(type='PackInputs'),
]
test_pipeline = [
    dict(type='LoadImage'),
    dict(type='Resize', scale=scale, keep_ratio=True, rounding='torchvision'),
    dict(type='PackInputs'),
]
train_dataloader = dict(batch_size=4, dataset=dict(box_offset=0, pipeline=train_pipeline))
test_dataloader = dict(dataset=dict(box_offset=0, pipeline=test_pipeline))
val_dataloader = test_dataloader

# --- schedule: one GPU, batches of 4 pairs ---
max_iters = 1000
warm_up = max_iters // 20
train_cfg = dict(type='ResumableIterLoop', max_iters=max_iters, val_interval=max_iters // 5)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='SGD', lr=0.0025, momentum=0.9, weight_decay=0.0001),  # scale with the batch size
    clip_grad=dict(max_norm=35, norm_type=2),
)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=warm_up + 1),
    dict(
        type='CosineAnnealingLR', by_epoch=False, begin=warm_up + 1, eta_min_ratio=0.02
    ),  # to the last iteration
]

# --- running ---
default_hooks = dict(
    logger=dict(interval=10),
    checkpoint=dict(
        interval=max_iters // 5, by_epoch=False, max_keep_ckpts=1, save_best='ytvis/segm_AP', rule='greater'
    ),
)
load_from = 'maskrcnn_r50_fpn_coco'  # by name (MODEL_ZOO.md), or a path
load_options = dict(
    class_map='coco'
)  # of classifier and masks: rows of the background and of shared categories
work_dir = './work_dirs/masktrack_rcnn_r50_fpn_finetune'
