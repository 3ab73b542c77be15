# MaskTrack R-CNN, ResNet-101 and FPN, YouTube-VIS 2021, in the conventions of mmtracking.
#
#   python tools/convert_checkpoint.py \
#       masktrack_rcnn_r101_fpn_12e_youtubevis2021_20211026_045509-3c49e4f3.pth masktrack_r101_2021.pth
#   python tools/test_video.py configs/masktrack_rcnn_r101_fpn_12e_youtubevis2021.py masktrack_r101_2021.pth \
#       --out results
#   python tools/train.py configs/masktrack_rcnn_r101_fpn_12e_youtubevis2021.py
_base_ = './masktrack_rcnn_r50_fpn_12e_youtubevis2019.py'

model = dict(backbone=dict(depth=101, init_cfg=dict(type='Pretrained', checkpoint='torchvision://resnet101')))

data_root = 'data/youtube_vis_2021/'
train_dataloader = dict(dataset=dict(type='YouTubeVIS2021Dataset', data_root=data_root))
test_dataloader = dict(dataset=dict(type='YouTubeVIS2021Dataset', data_root=data_root))
test_evaluator = dict(ann_file=data_root + 'annotations/instances_val_sub.json')
val_dataloader = test_dataloader
val_evaluator = test_evaluator

work_dir = './work_dirs/masktrack_rcnn_r101_fpn_12e_youtubevis2021'
