"""A whole config for converted weights: model, data, evaluation and a schedule to train on with."""


def full_config(converted, data_root=None, load_from=None):
    """Complete a conversion's model config into one that the tools run.

    Args:
        converted (Converted): result of ``convert_checkpoint``.
        data_root (str | None): folder of the dataset; the usual one by default.
        load_from (str | None): checkpoint that fine-tuning starts from.

    Returns:
        dict: native config; data of YouTube-VIS for a tracking model, else of COCO.
    """
    tracking = converted.model['type'] == 'MaskTrackRCNN'
    conventions = converted.conventions
    parts = _video_data(data_root) if tracking else _image_data(data_root, 'mask_head' in converted.model)
    train, test, evaluator, sampler = parts
    offset = 1 if conventions.nms_offset else 0
    resize = dict(type='Resize', scale=tuple(conventions.scale), keep_ratio=True)
    if conventions.scale_factor != 'ratio':
        resize['rounding'] = {'per_axis': 'modern'}.get(conventions.scale_factor, conventions.scale_factor)
    flip = dict(type='RandomFlip', prob=0.5)
    if not offset:
        flip['offset'] = 0
        train['box_offset'] = test['box_offset'] = 0
        if not tracking:
            evaluator['box_offset'] = 0
    if converted.classes:
        train['classes'] = test['classes'] = list(converted.classes)
    annotations = dict(type='LoadAnnotations', with_mask='mask_head' in converted.model)
    load, pack = dict(type='LoadImage'), dict(type='PackInputs')
    train['pipeline'] = [load, annotations, resize, flip, pack]
    test.update(pipeline=[load, resize, pack], test_mode=True)
    workers = dict(num_workers=2)
    # For 8 pairs: 2019 used 0.005, mmtracking 0.00125. For 2 images on one GPU: a share of 0.02 for 16.
    rate = (0.005 if offset else 0.00125) if tracking else 0.0025
    test_loader = dict(batch_size=1, **workers, sampler=sampler, dataset=test)
    if tracking:
        test_loader['batch_sampler'] = dict(type='VideoBatchSampler')
    return dict(
        model=converted.model,
        train_dataloader=dict(
            batch_size=8 if tracking else 2, **workers, sampler=dict(type='GroupSampler'), dataset=train
        ),
        val_dataloader=test_loader,
        test_dataloader=test_loader,
        val_evaluator=evaluator,
        test_evaluator=evaluator,
        train_cfg=dict(type='ResumableEpochLoop', max_epochs=12, val_interval=1),
        val_cfg=dict(type='ValLoop'),
        test_cfg=dict(type='TestLoop'),
        optim_wrapper=dict(
            type='OptimWrapper',
            optimizer=dict(type='SGD', lr=rate, momentum=0.9, weight_decay=0.0001),
            clip_grad=dict(max_norm=35, norm_type=2),
        ),
        param_scheduler=[
            dict(type='LinearLR', start_factor=1.0 / 3.0, by_epoch=False, begin=0, end=501),
            dict(type='MultiStepLR', milestones=[8, 11], gamma=0.1, by_epoch=True),
        ],
        load_from=load_from,
    )


def _video_data(data_root):
    root = data_root or 'data/'
    ann_file = 'annotations/instances_val_sub.json'
    train = dict(
        type='YTVOSDataset',
        data_root=root,
        ann_file='annotations/instances_train_sub.json',
        data_prefix=dict(img='train/'),
    )
    test = dict(type='YTVOSDataset', data_root=root, ann_file=ann_file, data_prefix=dict(img='val/'))
    evaluator = dict(type='YTVISMetric', ann_file=f'{root.rstrip("/")}/{ann_file}', metric='segm')
    return train, test, evaluator, dict(type='VideoSampler')


def _image_data(data_root, masks):
    root = data_root or 'data/coco/'
    train, test = (
        dict(
            type='CocoDataset',
            data_root=root,
            ann_file=f'annotations/instances_{split}2017.json',
            data_prefix=dict(img=f'{split}2017/'),
        )
        for split in ('train', 'val')
    )
    evaluator = dict(
        type='CocoMetric',
        ann_file=f'{root.rstrip("/")}/annotations/instances_val2017.json',
        metric=['bbox', 'segm'] if masks else ['bbox'],
    )
    return train, test, evaluator, dict(type='DefaultSampler', shuffle=False)
