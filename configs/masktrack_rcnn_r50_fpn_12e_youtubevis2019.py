# MaskTrack R-CNN, ResNet-50 and FPN, YouTube-VIS 2019, in the conventions of mmtracking and mmdetection 3.
#
#   python tools/test_video.py --model masktrack_rcnn_r50_fpn_12e_youtubevis2019 --out results
#   python tools/train.py configs/masktrack_rcnn_r50_fpn_12e_youtubevis2019.py
#
# What differs from masktrack_rcnn_r50_fpn_1x_youtubevos.py: docs/checkpoints.md, "Conventions".
_base_ = [
    './_base_/models/masktrack_rcnn_r50_fpn_modern.py',
    './_base_/datasets/youtube_vis_2019_modern.py',
    './_base_/schedules/schedule_12e.py',
    './_base_/default_runtime.py',
]

# mmtracking started from mask_rcnn_r50_fpn_1x_coco_20200205-d4b0c5d6.pth of mmdetection 2 (COCO): convert it
# with tools/convert_checkpoint.py and name the result here. What does not fit is listed and stays random.
load_from = None
optim_wrapper = dict(optimizer=dict(lr=0.00125))  # for batches of 8 pairs
work_dir = './work_dirs/masktrack_rcnn_r50_fpn_12e_youtubevis2019'
