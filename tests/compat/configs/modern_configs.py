"""Configs of MaskTrack R-CNN in the schemas of mmtracking 0.x and 1.x and of mmdetection 3."""

NORM = dict(mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375])
ZERO = [0.0, 0.0, 0.0, 0.0]


def _extractor(size):
    layer = dict(type='RoIAlign', output_size=size, sampling_ratio=0)
    return dict(type='SingleRoIExtractor', roi_layer=layer, out_channels=256, featmap_strides=[4, 8, 16, 32])


def _stage(pos, neg, num, fraction, add, **more):
    assigner = dict(type='MaxIoUAssigner', pos_iou_thr=pos, neg_iou_thr=neg, min_pos_iou=neg)
    assigner.update(match_low_quality=True, ignore_iof_thr=-1)
    sampler = dict(type='RandomSampler', num=num, pos_fraction=fraction, neg_pos_ub=-1)
    sampler['add_gt_as_proposals'] = add
    return dict(assigner=assigner, sampler=sampler, pos_weight=-1, debug=False, **more)


def _coder(stds):
    return dict(type='DeltaXYWHBBoxCoder', target_means=ZERO, target_stds=stds)


_NMS = dict(nms_pre=200, max_per_img=200, nms=dict(type='nms', iou_threshold=0.7), min_bbox_size=0)
DETECTOR = dict(
    type='MaskRCNN',
    backbone=dict(
        type='ResNet',
        depth=50,
        num_stages=4,
        out_indices=(0, 1, 2, 3),
        frozen_stages=1,
        norm_cfg=dict(type='BN', requires_grad=True),
        norm_eval=True,
        style='pytorch',
        init_cfg=dict(type='Pretrained', checkpoint='torchvision://resnet50'),
    ),
    neck=dict(type='FPN', in_channels=[256, 512, 1024, 2048], out_channels=256, num_outs=5),
    rpn_head=dict(
        type='RPNHead',
        in_channels=256,
        feat_channels=256,
        anchor_generator=dict(
            type='AnchorGenerator', scales=[8], ratios=[0.5, 1.0, 2.0], strides=[4, 8, 16, 32, 64]
        ),
        bbox_coder=_coder([1.0, 1.0, 1.0, 1.0]),
        loss_cls=dict(type='CrossEntropyLoss', use_sigmoid=True, loss_weight=1.0),
        loss_bbox=dict(type='L1Loss', loss_weight=1.0),
    ),
    roi_head=dict(
        type='StandardRoIHead',
        bbox_roi_extractor=_extractor(7),
        bbox_head=dict(
            type='Shared2FCBBoxHead',
            in_channels=256,
            fc_out_channels=1024,
            roi_feat_size=7,
            num_classes=40,
            bbox_coder=_coder([0.1, 0.1, 0.2, 0.2]),
            reg_class_agnostic=False,
            loss_cls=dict(type='CrossEntropyLoss', use_sigmoid=False, loss_weight=1.0),
            loss_bbox=dict(type='L1Loss', loss_weight=1.0),
        ),
        mask_roi_extractor=_extractor(14),
        mask_head=dict(
            type='FCNMaskHead',
            num_convs=4,
            in_channels=256,
            conv_out_channels=256,
            num_classes=40,
            loss_mask=dict(type='CrossEntropyLoss', use_mask=True, loss_weight=1.0),
        ),
    ),
    train_cfg=dict(
        rpn=_stage(0.7, 0.3, 64, 0.5, False, allowed_border=-1),
        rpn_proposal=_NMS,
        rcnn=_stage(0.5, 0.5, 128, 0.25, True, mask_size=28),
    ),
    test_cfg=dict(
        rpn=_NMS,
        rcnn=dict(
            score_thr=0.01, nms=dict(type='nms', iou_threshold=0.5), max_per_img=100, mask_thr_binary=0.5
        ),
    ),
    init_cfg=dict(type='Pretrained', checkpoint='https://example.org/mask_rcnn_coco.pth'),
)
TRACK = dict(
    track_head=dict(
        type='RoITrackHead',
        roi_extractor=_extractor(7),
        embed_head=dict(
            type='RoIEmbedHead', num_fcs=2, roi_feat_size=7, in_channels=256, fc_out_channels=1024
        ),
        train_cfg=_stage(0.5, 0.5, 128, 0.25, True),
    ),
    tracker=dict(
        type='MaskTrackRCNNTracker',
        match_weights=dict(det_score=1.0, iou=2.0, det_label=10.0),
        num_frames_retain=20,
    ),
)
_ROOT = 'data/youtube_vis_2019/'
_REFERENCE = dict(num_ref_imgs=1, frame_range=100, filter_key_img=True)


# --- mmtracking 0.x: the old engine ---


def _dataset_0(split, steps, reference):
    return dict(
        type='YouTubeVISDataset',
        dataset_version='2019',
        ann_file=f'{_ROOT}annotations/{split}.json',
        img_prefix=f'{_ROOT}{split}/JPEGImages',
        ref_img_sampler=reference,
        pipeline=steps,
    )


_TRAIN_0 = [
    dict(type='LoadMultiImagesFromFile', to_float32=True),
    dict(type='SeqLoadAnnotations', with_bbox=True, with_mask=True, with_track=True),
    dict(type='SeqResize', share_params=True, img_scale=(640, 360), keep_ratio=True),
    dict(type='SeqRandomFlip', share_params=True, flip_ratio=0.5),
    dict(type='SeqNormalize', to_rgb=True, **NORM),
    dict(type='SeqPad', size_divisor=32),
    dict(type='VideoCollect', keys=['img', 'gt_bboxes']),
    dict(type='SeqDefaultFormatBundle', ref_prefix='ref'),
]
_INNER_0 = [
    dict(type='Resize', keep_ratio=True),
    dict(type='RandomFlip'),
    dict(type='Normalize', to_rgb=True, **NORM),
    dict(type='Pad', size_divisor=32),
    dict(type='ImageToTensor', keys=['img']),
    dict(type='VideoCollect', keys=['img']),
]
_TEST_0 = [
    dict(type='LoadImageFromFile'),
    dict(type='MultiScaleFlipAug', img_scale=(640, 360), flip=False, transforms=_INNER_0),
]
TRACKING_0 = dict(
    model=dict(type='MaskTrackRCNN', detector=DETECTOR, **TRACK),
    data=dict(
        samples_per_gpu=1,
        workers_per_gpu=2,
        train=_dataset_0('train', _TRAIN_0, dict(_REFERENCE, method='uniform')),
        val=_dataset_0('valid', _TEST_0, None),
        test=_dataset_0('valid', _TEST_0, None),
    ),
    optimizer=dict(type='SGD', lr=0.00125, momentum=0.9, weight_decay=0.0001),
    optimizer_config=dict(grad_clip=dict(max_norm=35, norm_type=2)),
    lr_config=dict(policy='step', warmup='linear', warmup_iters=500, warmup_ratio=1.0 / 3, step=[8, 11]),
    total_epochs=12,
    evaluation=dict(metric=['track_segm'], interval=13),
    checkpoint_config=dict(interval=1),
    log_config=dict(interval=50, hooks=[dict(type='TextLoggerHook')]),
    dist_params=dict(backend='nccl'),
    log_level='INFO',
    load_from=None,
    resume_from=None,
    workflow=[('train', 1)],
    opencv_num_threads=0,
    mp_start_method='fork',
)

# --- the new engine ---

_OPTIM = dict(
    type='OptimWrapper',
    optimizer=dict(type='SGD', lr=0.00125, momentum=0.9, weight_decay=0.0001),
    clip_grad=dict(max_norm=35, norm_type=2),
)
_METRIC = dict(type='YouTubeVISMetric', metric='youtube_vis_ap', outfile_prefix='x', format_only=True)


def _training(scope):
    return dict(
        optim_wrapper=_OPTIM,
        param_scheduler=[
            dict(type=f'{scope}LinearLR', start_factor=1.0 / 3, by_epoch=False, begin=0, end=500),
            dict(type=f'{scope}MultiStepLR', begin=0, end=12, by_epoch=True, milestones=[8, 11], gamma=0.1),
        ],
        train_cfg=dict(type='EpochBasedTrainLoop', max_epochs=12, val_begin=13),
        val_cfg=dict(type='ValLoop'),
        test_cfg=dict(type='TestLoop'),
        val_evaluator=_METRIC,
        test_evaluator=_METRIC,
        default_hooks=dict(
            timer=dict(type='IterTimerHook'),
            logger=dict(type='LoggerHook', interval=50),
            checkpoint=dict(type='CheckpointHook', interval=1),
            visualization=dict(type='TrackVisualizationHook', draw=False),
        ),
        visualizer=dict(type='TrackLocalVisualizer', vis_backends=[dict(type='LocalVisBackend')]),
        default_scope='mmtrack' if scope else 'mmdet',
    )


def _loader(split, steps, **more):
    test = {} if split == 'train' else dict(test_mode=True)
    dataset = dict(
        type='YouTubeVISDataset',
        data_root=_ROOT,
        dataset_version='2019',
        ann_file=f'annotations/{split}.json',
        data_prefix=dict(img_path=f'{split}/JPEGImages'),
        pipeline=steps,
        **test,
        **more,
    )
    sampler = dict(type='DefaultSampler', shuffle=split == 'train')
    return dict(batch_size=1, num_workers=2, persistent_workers=True, sampler=sampler, dataset=dataset)


def _frames(scope, test=False):
    flip = [] if test else [dict(type=f'{scope}RandomFlip', prob=0.5)]
    load = dict(type='LoadTrackAnnotations', with_mask=True)
    resize = dict(type=f'{scope}Resize', scale=(640, 360), keep_ratio=True)
    return [dict(type='LoadImageFromFile'), load, resize, *flip]


_SHARED_1 = dict(type='TransformBroadcaster', share_random_params=True, transforms=_frames('mmdet.'))
TRACKING_1 = dict(
    model=dict(
        type='MaskTrackRCNN',
        data_preprocessor=dict(type='TrackDataPreprocessor', bgr_to_rgb=True, pad_size_divisor=32, **NORM),
        detector=dict(DETECTOR, _scope_='mmdet'),
        **TRACK,
    ),
    train_dataloader=_loader(
        'train',
        [_SHARED_1, dict(type='PackTrackInputs', ref_prefix='ref', num_key_frames=1)],
        load_as_video=True,
        ref_img_sampler=dict(_REFERENCE, method='uniform'),
    ),
    val_dataloader=_loader('valid', [*_frames('mmdet.', True), dict(type='PackTrackInputs')]),
    test_dataloader=_loader('valid', [*_frames('mmdet.', True), dict(type='PackTrackInputs')]),
    **_training('mmdet.'),
)
_PREPROCESSOR_3 = dict(
    type='TrackDataPreprocessor', bgr_to_rgb=True, pad_mask=True, pad_size_divisor=32, **NORM
)
DETECTOR_3 = dict(DETECTOR, data_preprocessor=dict(_PREPROCESSOR_3, type='DetDataPreprocessor'))
_TEST_3 = [
    dict(type='TransformBroadcaster', transforms=_frames('', True)),
    dict(type='PackTrackInputs'),
]
TRACKING_3 = dict(
    model=dict(type='MaskTrackRCNN', data_preprocessor=_PREPROCESSOR_3, detector=DETECTOR, **TRACK),
    train_dataloader=_loader(
        'train',
        [
            dict(type='UniformRefFrameSample', **_REFERENCE),
            dict(type='TransformBroadcaster', share_random_params=True, transforms=_frames('')),
            dict(type='PackTrackInputs'),
        ],
    ),
    val_dataloader=_loader('valid', _TEST_3),
    test_dataloader=_loader('valid', _TEST_3),
    **_training(''),
)
