# MaskTrack R-CNN, ResNeXt-101 (64x4d) and FPN, YouTube-VIS 2019, in the conventions of mmtracking.
#
#   python tools/test_video.py --model masktrack_rcnn_x101_fpn_12e_youtubevis2019 --out results
#   python tools/train.py configs/masktrack_rcnn_x101_fpn_12e_youtubevis2019.py
_base_ = [
    './_base_/models/masktrack_rcnn_r50_fpn_modern.py',
    './_base_/datasets/youtube_vis_2019_modern.py',
    './_base_/schedules/schedule_12e.py',
    './_base_/default_runtime.py',
]

model = dict(
    backbone=dict(
        type='ResNeXt',
        depth=101,
        groups=64,
        base_width=4,
        init_cfg=dict(type='Pretrained', checkpoint='open-mmlab://resnext101_64x4d'),
    )
)

optim_wrapper = dict(optimizer=dict(lr=0.00125))  # for batches of 8 pairs
work_dir = './work_dirs/masktrack_rcnn_x101_fpn_12e_youtubevis2019'
