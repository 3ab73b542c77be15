"""Texts of configs in the schema of 2019, written from the keys that schema has."""

_MODEL = """
model = dict(
    type='MaskRCNN',
    pretrained={pretrained!r},
    backbone=dict(
        type='ResNet', depth=50, num_stages=4, out_indices=(0, 1, 2, 3), frozen_stages={frozen},
        style='pytorch'),
    neck=dict(type='FPN', in_channels=[256, 512, 1024, 2048], out_channels={width}, num_outs=5),
    rpn_head=dict(
        type='RPNHead', in_channels={width}, feat_channels={width}, anchor_scales=[8],
        anchor_ratios=[0.5, 1.0, 2.0], anchor_strides=[4, 8, 16, 32, 64], target_means=[.0, .0, .0, .0],
        target_stds=[1.0, 1.0, 1.0, 1.0], use_sigmoid_cls=True),
    bbox_roi_extractor=dict(
        type='SingleRoIExtractor', roi_layer=dict(type='RoIAlign', out_size=7, sample_num=2),
        out_channels={width}, featmap_strides=[4, 8, 16, 32]),
    bbox_head=dict(
        type='SharedFCBBoxHead', num_fcs=2, in_channels={width}, fc_out_channels={fc}, roi_feat_size=7,
        num_classes={classes}, target_means=[0., 0., 0., 0.], target_stds=[0.1, 0.1, 0.2, 0.2],
        reg_class_agnostic=False),{track}
    mask_roi_extractor=dict(
        type='SingleRoIExtractor', roi_layer=dict(type='RoIAlign', out_size=14, sample_num=2),
        out_channels={width}, featmap_strides=[4, 8, 16, 32]),
    mask_head=dict(
        type='FCNMaskHead', num_convs=4, in_channels={width}, conv_out_channels={mask},
        num_classes={classes}))
train_cfg = dict(
    rpn=dict(
        assigner=dict(
            type='MaxIoUAssigner', pos_iou_thr=0.7, neg_iou_thr=0.3, min_pos_iou=0.3, ignore_iof_thr=-1),
        sampler=dict(
            type='RandomSampler', num={rpn_num}, pos_fraction=0.5, neg_pos_ub=-1, add_gt_as_proposals=False),
        allowed_border=0, pos_weight=-1, smoothl1_beta=1 / 9.0, debug=False),{proposal}
    rcnn=dict(
        assigner=dict(
            type='MaxIoUAssigner', pos_iou_thr=0.5, neg_iou_thr=0.5, min_pos_iou=0.5, ignore_iof_thr=-1),
        sampler=dict(
            type='RandomSampler', num={rcnn_num}, pos_fraction=0.25, neg_pos_ub=-1, add_gt_as_proposals=True),
        mask_size=28, pos_weight=-1, debug=False))
test_cfg = dict(
    rpn=dict(
        nms_across_levels=False, nms_pre={props}, nms_post={props}, max_num={props}, nms_thr=0.7,
        min_bbox_size=0),
    rcnn=dict(score_thr=0.05, nms=dict(type='nms', iou_thr=0.5), max_per_img={dets}, mask_thr_binary=0.5))
img_norm_cfg = dict(mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], to_rgb=True)
"""
_TRACK = """
    track_head=dict(
        type='TrackHead', num_fcs=2, in_channels={width}, fc_out_channels={fc}, roi_feat_size=7,
        match_coeff=[1.0, 2.0, 10]),"""
_PROPOSAL = """
    rpn_proposal=dict(
        nms_across_levels=False, nms_pre=2000, nms_post=2000, max_num=2000, nms_thr=0.7, min_bbox_size=0),"""
_SCHEDULE = """
optimizer = dict(type='SGD', lr={lr}, momentum=0.9, weight_decay=0.0001)
optimizer_config = dict(grad_clip=dict(max_norm=35, norm_type=2))
lr_config = dict(policy='step', warmup='linear', warmup_iters=500, warmup_ratio=1.0 / 3, step=[8, 11])
checkpoint_config = dict(interval=1)
log_config = dict(interval=50, hooks=[dict(type='TextLoggerHook')])
total_epochs = 12
dist_params = dict(backend='nccl')
log_level = 'INFO'
work_dir = './work_dirs/{name}'
load_from = {load_from!r}
resume_from = None
workflow = [('train', 1)]
"""


def _model(**values):
    track = _TRACK.format(**values) if values.pop('tracking') else ''
    return _MODEL.format(track=track, **values)


SMALL_CFG = (
    _model(
        pretrained=None,
        frozen=-1,
        width=64,
        fc=128,
        classes=6,
        mask=32,
        rpn_num=64,
        rcnn_num=64,
        props=200,
        dets=10,
        proposal='',
        tracking=True,
    )
    + """
data = dict(
    imgs_per_gpu=4, workers_per_gpu=0,
    train=dict(
        type='YTVOSDataset', ann_file='train_data/ann.json', img_prefix='train_data/images',
        img_scale=(192, 128),
        img_norm_cfg=img_norm_cfg, size_divisor=32, flip_ratio=0.5, with_mask=True, with_crowd=True,
        with_label=True, with_track=True),
    test=dict(
        type='YTVOSDataset', ann_file='videos/ann.json', img_prefix='videos/images', img_scale=(192, 128),
        img_norm_cfg=img_norm_cfg, size_divisor=32, flip_ratio=0, with_mask=False, with_label=False,
        test_mode=True, with_track=True))
"""
)

YOUTUBEVOS_2019 = (
    _model(
        pretrained='modelzoo://resnet50',
        frozen=1,
        width=256,
        fc=1024,
        classes=41,
        mask=256,
        rpn_num=64,
        rcnn_num=128,
        props=200,
        dets=10,
        proposal='',
        tracking=True,
    )
    + """
dataset_type = 'YTVOSDataset'
data_root = '../../data/youtubeVIS/'
data = dict(
    imgs_per_gpu=8, workers_per_gpu=4,
    train=dict(
        type=dataset_type, ann_file=data_root + 'annotations/instances_train_sub.json',
        img_prefix=data_root + 'train/JPEGImages', img_scale=(640, 360), img_norm_cfg=img_norm_cfg,
        size_divisor=32, flip_ratio=0.5, with_mask=True, with_crowd=True, with_label=True, with_track=True),
    val=dict(
        type=dataset_type, ann_file=data_root + 'annotations/instances_val_sub.json',
        img_prefix=data_root + 'val/JPEGImages', img_scale=(640, 360), img_norm_cfg=img_norm_cfg,
        size_divisor=32, flip_ratio=0, with_mask=True, with_crowd=True, with_label=True, with_track=True),
    test=dict(
        type=dataset_type, ann_file=data_root + 'annotations/instances_val_sub.json',
        img_prefix=data_root + 'val/JPEGImages', img_scale=(640, 360), img_norm_cfg=img_norm_cfg,
        size_divisor=32, flip_ratio=0, with_mask=False, with_label=False, test_mode=True, with_track=True))
"""
    + _SCHEDULE.format(
        lr=0.005,
        name='masktrack_rcnn_r50_fpn_1x_youtubevos',
        load_from='./pretrained_models/mask_rcnn_r50_fpn_1x_20181010-069fa190.pth',
    )
)

COCO_2019 = (
    _model(
        pretrained='modelzoo://resnet50',
        frozen=1,
        width=256,
        fc=1024,
        classes=81,
        mask=256,
        rpn_num=256,
        rcnn_num=512,
        props=1000,
        dets=100,
        proposal=_PROPOSAL,
        tracking=False,
    )
    + """
dataset_type = 'CocoDataset'
data_root = 'data/coco/'
data = dict(
    imgs_per_gpu=2, workers_per_gpu=2,
    train=dict(
        type=dataset_type, ann_file=data_root + 'annotations/instances_train2017.json',
        img_prefix=data_root + 'train2017/', img_scale=(1333, 800), img_norm_cfg=img_norm_cfg,
        size_divisor=32, flip_ratio=0.5, with_mask=True, with_crowd=True, with_label=True),
    test=dict(
        type=dataset_type, ann_file=data_root + 'annotations/instances_val2017.json',
        img_prefix=data_root + 'val2017/', img_scale=(1333, 800), img_norm_cfg=img_norm_cfg, size_divisor=32,
        flip_ratio=0, with_mask=True, with_label=False, test_mode=True))
"""
    + _SCHEDULE.format(lr=0.02, name='mask_rcnn_r50_fpn_1x', load_from=None)
)
