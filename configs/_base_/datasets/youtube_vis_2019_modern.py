# YouTube-VIS 2019; boxes and sizes in the conventions of mmdetection 2 and 3.
# data/README.md says where the files go.
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
    batch_size=1,  # frames in one pass
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
