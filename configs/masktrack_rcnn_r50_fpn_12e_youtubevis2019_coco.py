# MaskTrack R-CNN, ResNet-50 and FPN, YouTube-VIS 2019 together with images of COCO 2017 as pseudo pairs.
#
#   python tools/train.py configs/masktrack_rcnn_r50_fpn_12e_youtubevis2019_coco.py
#
# An image of COCO becomes two crops with other colors, whose objects have the same identities. It is used
# if it has an object of a category that both datasets know. No published weights go with it.
_base_ = [
    './_base_/models/masktrack_rcnn_r50_fpn_modern.py',
    './_base_/datasets/youtube_vis_2019_modern.py',
    './_base_/schedules/schedule_12e.py',
    './_base_/default_runtime.py',
]

# --- data: videos as in the base, images from data/coco ---
videos = dict(
    type='YouTubeVIS2019Dataset',
    data_root='data/youtube_vis_2019/',
    box_offset=0,  # x2 = x + w
    ann_file='annotations/instances_train_sub.json',
    data_prefix=dict(img='train/'),
    pipeline=[
        dict(type='LoadImage'),
        dict(type='LoadAnnotations', with_mask=True),
        dict(type='Resize', scale=(640, 360), keep_ratio=True, rounding='modern'),
        dict(type='RandomFlip', prob=0.5, offset=0),
        dict(type='PackInputs'),
    ],
)
images = dict(
    type='CocoPseudoPairs',
    data_root='data/coco/',
    box_offset=0,
    ann_file='annotations/instances_train2017.json',
    data_prefix=dict(img='train2017/'),
    classes='YouTubeVIS2019Dataset',  # the names, in their order
    filter_classes=True,
    # The mouse of COCO is a pointing device, that of YouTube-VIS an animal.
    rename={'motorcycle': 'motorbike', 'tennis racket': 'tennis_racket', 'mouse': None},
    pipeline=[
        dict(type='LoadImage'),
        dict(type='LoadAnnotations', with_mask=True, with_ref_mask=True),  # crops tighten boxes
        dict(type='RandomCrop', scale=(0.6, 0.9), independent=True, offset=0),
        dict(type='PhotoMetricDistortion', independent=True),
        dict(type='Resize', scale=(640, 360), keep_ratio=True, rounding='modern'),
        dict(type='RandomFlip', prob=0.5, offset=0),
        dict(type='PackInputs'),
    ],
)
train_dataloader = dict(
    dataset=dict(_delete_=True, type='ConcatDataset', datasets=[videos, images]),
)

optim_wrapper = dict(optimizer=dict(lr=0.00125))  # for batches of 8 pairs
work_dir = './work_dirs/masktrack_rcnn_r50_fpn_12e_youtubevis2019_coco'
