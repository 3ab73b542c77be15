# MaskTrack R-CNN, ResNet-50 and FPN, OVIS (25 categories, long videos, heavy occlusion).
#
#   python tools/train.py configs/masktrack_rcnn_r50_fpn_12e_ovis.py
#
# No published weights go with it; docs/datasets.md says where the files of OVIS go.
_base_ = [
    './_base_/models/masktrack_rcnn_r50_fpn_modern.py',
    './_base_/datasets/youtube_vis_2019_modern.py',
    './_base_/schedules/schedule_12e.py',
    './_base_/default_runtime.py',
]

num_classes = 25  # without background
model = dict(bbox_head=dict(num_classes=num_classes), mask_head=dict(num_classes=num_classes))

data_root = 'data/ovis/'
train_dataloader = dict(dataset=dict(type='OVISDataset', data_root=data_root))
test_dataloader = dict(dataset=dict(type='OVISDataset', data_root=data_root))
test_evaluator = dict(ann_file=data_root + 'annotations/instances_val_sub.json')
val_dataloader = test_dataloader
val_evaluator = test_evaluator

optim_wrapper = dict(optimizer=dict(lr=0.00125))  # for batches of 8 pairs
work_dir = './work_dirs/masktrack_rcnn_r50_fpn_12e_ovis'
