# A small MaskTrack R-CNN that learns cells from annotated images and tracks them in a video it never saw, on
# a CPU. docs/tutorials/cells.md says where the data come from and walks through it.
#
#   python tools/train.py configs/masktrack_rcnn_r18_cells.py --seed 0
#   python tools/test_video.py configs/masktrack_rcnn_r18_cells.py CHECKPOINT --out cells --eval segm
#
# Training needs no video: the two images of a pair are crops of one image, taken apart a little.

_base_ = './masktrack_rcnn_demo_synthetic.py'

# --- model: one category, up to a hundred cells a frame ---
num_classes = 1
model = dict(
    both_frames=True,
    data_preprocessor=dict(mean=[97.0] * 3, std=[24.0] * 3),  # of the training images
    bbox_head=dict(  # convolutions: most proposals overlap a cell, and it matters how
        type='ConvFCBBoxHead',
        num_shared_convs=4,
        num_shared_fcs=1,
        conv_out_channels=64,
        norm_cfg=dict(type='GN', num_groups=8),
        num_classes=num_classes,
    ),
    mask_head=dict(num_convs=4, norm_cfg=dict(type='GN', num_groups=8), num_classes=num_classes),
    track_head=dict(loss_weight=0.05),
    tracker=dict(_delete_=True, type='SortTracker'),  # cells look alike: their motion says more
    train_cfg=dict(
        rpn=dict(sampler=dict(num=256), allowed_border=-1), rcnn=dict(sampler=dict(num=128, pos_fraction=0.5))
    ),
    test_cfg=dict(
        rpn=dict(nms_pre=1000, nms_post=300, max_per_img=300), rcnn=dict(score_thr=0.1, max_per_img=100)
    ),
)

# --- data: crops of the images, enlarged so that cells are as large as in the resized video ---
data_root = 'data/cells/'
test_pipeline = [
    dict(type='LoadImage'),
    dict(type='Resize', scale=(640, 640), keep_ratio=True),
    dict(type='PackInputs'),
]
train_dataloader = dict(
    batch_size=2,
    num_workers=0,
    dataset=dict(
        _delete_=True,
        type='CocoPseudoPairs',
        data_root=data_root,
        ann_file='annotations/instances_train.json',
        data_prefix=dict(img='images/train/'),
        pipeline=[
            dict(type='LoadImage'),
            dict(type='LoadAnnotations', with_mask=True, with_ref_mask=True),
            dict(type='RandomCrop', scale=(0.3, 0.6)),
            dict(type='RandomCrop', scale=(0.9, 0.95), independent=True, min_visible=0.3),
            dict(type='Resize', scale=(256, 256), keep_ratio=True),
            dict(type='RandomFlip', prob=0.5),
            dict(
                type='PhotoMetricDistortion',
                independent=True,
                brightness_delta=10,
                contrast_range=(0.8, 1.25),
                saturation_range=(1.0, 1.0),
                hue_delta=0,
            ),
            dict(type='PackInputs'),
        ],
    ),
)
val_dataloader = dict(  # images, for `train.py --validate`
    batch_size=1,
    sampler=dict(_delete_=True, type='DefaultSampler', shuffle=False),
    batch_sampler=None,
    dataset=dict(
        _delete_=True,
        type='CocoDataset',
        data_root=data_root,
        ann_file='annotations/instances_val.json',
        data_prefix=dict(img='images/val/'),
        pipeline=test_pipeline,
        test_mode=True,
    ),
)
val_evaluator = dict(
    _delete_=True,
    type='CocoMetric',
    ann_file=data_root + 'annotations/instances_val.json',
    metric=['bbox', 'segm'],
)
test_dataloader = dict(
    dataset=dict(
        data_root=data_root,
        ann_file='annotations/instances_video_left.json',
        data_prefix=dict(img='images/'),
        pipeline=test_pipeline,
    )
)
test_evaluator = dict(ann_file=data_root + 'annotations/instances_video_left.json')

# --- schedule: 60 epochs of 22 iterations ---
train_cfg = dict(max_epochs=60, val_interval=20)
optim_wrapper = dict(
    # A step of Adam moves the output of a layer in proportion to its inputs, of which these have 3136.
    paramwise_cfg=dict(
        custom_keys={'bbox_head.shared_fcs': dict(lr_mult=0.1), 'track_head.fcs': dict(lr_mult=0.1)}
    )
)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=51),
    dict(type='CosineAnnealingLR', by_epoch=False, begin=51, T_max=1270, end=1321, eta_min_ratio=0.02),
]

# --- running ---
default_hooks = dict(checkpoint=dict(interval=10, save_best=None))
work_dir = './work_dirs/masktrack_rcnn_r18_cells'
