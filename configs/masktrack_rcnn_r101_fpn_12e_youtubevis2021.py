# MaskTrack R-CNN, ResNet-101 and FPN, YouTube-VIS 2021, in the conventions of mmtracking.
#
#   python tools/convert_checkpoint.py \
#       masktrack_rcnn_r101_fpn_12e_youtubevis2021_20211026_045509-3c49e4f3.pth masktrack_r101_2021.pth
#   python tools/test_video.py configs/masktrack_rcnn_r101_fpn_12e_youtubevis2021.py masktrack_r101_2021.pth \
#       --out results
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
