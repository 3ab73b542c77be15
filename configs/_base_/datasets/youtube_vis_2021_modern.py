# YouTube-VIS 2021; otherwise as 2019.
_base_ = './youtube_vis_2019_modern.py'

dataset_type = 'YouTubeVIS2021Dataset'
data_root = 'data/youtube_vis_2021/'
train_dataloader = dict(dataset=dict(type=dataset_type, data_root=data_root))
test_dataloader = dict(dataset=dict(type=dataset_type, data_root=data_root))
test_evaluator = dict(ann_file=data_root + 'annotations/instances_val_sub.json')
val_dataloader = test_dataloader
val_evaluator = test_evaluator
