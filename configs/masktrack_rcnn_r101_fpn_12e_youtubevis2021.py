# MaskTrack R-CNN, ResNet-101 and FPN, YouTube-VIS 2021, in the conventions of mmtracking.
#
#   python tools/test_video.py --model masktrack_rcnn_r101_fpn_12e_youtubevis2021 --out results
#   python tools/train.py configs/masktrack_rcnn_r101_fpn_12e_youtubevis2021.py
_base_ = [
    './_base_/models/masktrack_rcnn_r50_fpn_modern.py',
    './_base_/datasets/youtube_vis_2021_modern.py',
    './_base_/schedules/schedule_12e.py',
    './_base_/default_runtime.py',
]

model = dict(backbone=dict(depth=101, init_cfg=dict(type='Pretrained', checkpoint='torchvision://resnet101')))

optim_wrapper = dict(optimizer=dict(lr=0.00125))  # for batches of 8 pairs
work_dir = './work_dirs/masktrack_rcnn_r101_fpn_12e_youtubevis2021'
