# MaskTrack R-CNN, ResNet-50 and FPN, YouTube-VIS 2021, in the conventions of mmtracking.
#
#   python tools/convert_checkpoint.py \
#       masktrack_rcnn_r50_fpn_12e_youtubevis2021_20211026_044948-10da90d9.pth masktrack_r50_2021.pth
#   python tools/test_video.py configs/masktrack_rcnn_r50_fpn_12e_youtubevis2021.py masktrack_r50_2021.pth \
#       --out results
#   python tools/train.py configs/masktrack_rcnn_r50_fpn_12e_youtubevis2021.py
_base_ = './masktrack_rcnn_r50_fpn_12e_youtubevis2019.py'

data_root = 'data/youtube_vis_2021/'
train_dataloader = dict(dataset=dict(type='YouTubeVIS2021Dataset', data_root=data_root))
test_dataloader = dict(dataset=dict(type='YouTubeVIS2021Dataset', data_root=data_root))
test_evaluator = dict(ann_file=data_root + 'annotations/instances_val_sub.json')
val_dataloader = test_dataloader
val_evaluator = test_evaluator

work_dir = './work_dirs/masktrack_rcnn_r50_fpn_12e_youtubevis2021'
