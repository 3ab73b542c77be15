# MaskTrack R-CNN, ResNet-101 and FPN, YouTube-VIS 2019, in the conventions of mmtracking.
#
#   python tools/convert_checkpoint.py \
#       masktrack_rcnn_r101_fpn_12e_youtubevis2019_20211023_150038-454dc48b.pth masktrack_r101_2019.pth
#   python tools/test_video.py configs/masktrack_rcnn_r101_fpn_12e_youtubevis2019.py masktrack_r101_2019.pth \
#       --out results
#   python tools/train.py configs/masktrack_rcnn_r101_fpn_12e_youtubevis2019.py
_base_ = './masktrack_rcnn_r50_fpn_12e_youtubevis2019.py'

model = dict(backbone=dict(depth=101, init_cfg=dict(type='Pretrained', checkpoint='torchvision://resnet101')))

work_dir = './work_dirs/masktrack_rcnn_r101_fpn_12e_youtubevis2019'
