# A small MaskTrack R-CNN trained from scratch on a few custom clips, on a CPU.
#
#   ln -s /path/to/clips data/clips     # JPEGImages/ and annotations/instances.json in YouTube-VIS format
#   python tools/train.py configs/masktrack_rcnn_r18_scratch_clips.py --validate --seed 0
#
# It learns its own clips by heart: training and testing read the same file, so the score says that the
# chain works on real images, not how good a model is. Give val_dataloader another file to learn more.
# Classes come from the json; num_classes must be their number.

_base_ = './masktrack_rcnn_demo_synthetic.py'

# --- model: seven categories, up to some forty objects a frame ---
num_classes = 7
model = dict(
    both_frames=True,  # few frames: learn from both of a pair
    bbox_head=dict(
        type='ConvFCBBoxHead',
        num_shared_convs=4,
        num_shared_fcs=1,
        conv_out_channels=64,
        norm_cfg=dict(type='GN', num_groups=8),
        num_classes=num_classes,
    ),
    mask_head=dict(num_classes=num_classes),
    track_head=dict(loss_weight=0.05),  # of 1, its gradient drowns the others in the backbone
    train_cfg=dict(rpn=dict(sampler=dict(num=128)), rcnn=dict(sampler=dict(num=128))),
    test_cfg=dict(
        rpn=dict(nms_pre=300, nms_post=300, max_per_img=300),
        rcnn=dict(nms=dict(class_agnostic=True), max_per_img=50),
    ),
)

# --- data ---
data_root = 'data/clips/'
ann_file = 'annotations/instances.json'
scale = (320, 256)
test_pipeline = [
    dict(type='LoadImage'),
    dict(type='Resize', scale=scale, keep_ratio=True),
    dict(type='PackInputs'),
]
train_dataloader = dict(
    batch_size=4,
    dataset=dict(
        data_root=data_root,
        ann_file=ann_file,
        data_prefix=dict(img='JPEGImages/'),
        pipeline=[
            dict(type='LoadImage'),
            dict(type='LoadAnnotations', with_mask=True, with_ref_mask=True),
            dict(type='Resize', scale=scale, keep_ratio=True),
            dict(type='RandomFlip', prob=0.5),
            dict(type='PackInputs'),
        ],
    ),
)
val_dataloader = dict(
    dataset=dict(
        data_root=data_root,
        ann_file=ann_file,
        data_prefix=dict(img='JPEGImages/'),
        pipeline=test_pipeline,
    )
)
val_evaluator = dict(ann_file=data_root + ann_file)
test_dataloader = val_dataloader
test_evaluator = val_evaluator

# --- schedule: 60 epochs of 36 iterations ---
train_cfg = dict(max_epochs=60, val_interval=10)
optim_wrapper = dict(
    # A step of Adam moves the output of a layer in proportion to its inputs, of which these have 3136.
    paramwise_cfg=dict(
        custom_keys={'bbox_head.shared_fcs': dict(lr_mult=0.1), 'track_head.fcs': dict(lr_mult=0.1)}
    )
)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=51),
    dict(type='CosineAnnealingLR', by_epoch=False, begin=51, T_max=2110, end=2161, eta_min_ratio=0.02),
]

# --- running ---
default_hooks = dict(checkpoint=dict(interval=10))
work_dir = './work_dirs/masktrack_rcnn_r18_scratch_clips'
