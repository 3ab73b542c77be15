# MaskTrack R-CNN, ResNet-50 and FPN, OVIS (25 categories, long videos, heavy occlusion).
#
#   python tools/train.py configs/masktrack_rcnn_r50_fpn_12e_ovis.py
#
# No published weights go with it; docs/datasets.md says where the files of OVIS go.
_base_ = './masktrack_rcnn_r50_fpn_12e_youtubevis2019.py'

num_classes = 25  # without background
model = dict(bbox_head=dict(num_classes=num_classes), mask_head=dict(num_classes=num_classes))

data_root = 'data/ovis/'
train_dataloader = dict(dataset=dict(type='OVISDataset', data_root=data_root))
test_dataloader = dict(dataset=dict(type='OVISDataset', data_root=data_root))
test_evaluator = dict(ann_file=data_root + 'annotations/instances_val_sub.json')
val_dataloader = test_dataloader
val_evaluator = test_evaluator

work_dir = './work_dirs/masktrack_rcnn_r50_fpn_12e_ovis'
