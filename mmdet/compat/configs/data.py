"""The data part of a 2019 config: ``data`` into data loaders, pipelines and the preprocessor."""

from mmdet.utils import UserError

from .fields import Fields, plain, unsupported

VIDEO_DATASETS = ('YTVOSDataset',)
IMAGE_DATASETS = ('CocoDataset',)
_NO_MEANING = ('num_max_proposals', 'with_track', 'with_crowd', 'with_label', 'test_mode', 'debug')


def upgrade_data(data):
    """Upgrade ``data`` of a 2019 config.

    Args:
        data (dict): ``imgs_per_gpu``, ``workers_per_gpu`` and ``train``, ``val``, ``test``.

    Returns:
        tuple: new top-level keys, and the ``data_preprocessor`` that all parts agree on (None without any).

    Raises:
        UserError: names the key that is not supported.
    """
    fields = Fields(data, 'data')
    batch, workers = fields.take('imgs_per_gpu', 2), fields.take('workers_per_gpu', 0)
    fields.take('videos_per_gpu', None)
    new, preprocessors = {}, {}
    for split in ('train', 'val', 'test'):
        old = fields.sub(split, None)
        if old is None:
            continue
        with_mask = old.take('with_mask', True)
        kind = old.take_type(*VIDEO_DATASETS, *IMAGE_DATASETS)
        ann_file = old.values.get('ann_file')
        preprocessors[split] = _preprocessor(old)
        dataset = _dataset(old, kind, split, with_mask)
        video = kind in VIDEO_DATASETS
        new[f'{split}_dataloader'] = _loader(dataset, split, batch, workers, video)
        if split != 'train':
            metric = {'type': 'YTVISMetric', 'ann_file': ann_file, 'metric': 'segm'}
            if not video:
                metric.update(type='CocoMetric', metric=['bbox', 'segm'] if with_mask else 'bbox')
            new[f'{split}_evaluator'] = metric
            new[f'{split}_cfg'] = {'type': 'ValLoop' if split == 'val' else 'TestLoop'}
    fields.done()
    return new, _agreed(preprocessors)


def _loader(dataset, split, batch, workers, video):
    if split == 'train':
        loader = {'batch_size': batch, 'num_workers': workers}
        if workers:
            loader['persistent_workers'] = True
        return {**loader, 'sampler': {'type': 'GroupSampler'}, 'dataset': dataset}
    loader = {'batch_size': 1, 'num_workers': workers}
    if video:
        loader.update(sampler={'type': 'VideoSampler'}, batch_sampler={'type': 'VideoBatchSampler'})
    else:
        loader.update(sampler={'type': 'DefaultSampler', 'shuffle': False})
    return {**loader, 'dataset': dataset}


def _preprocessor(fields):
    norm = fields.sub('img_norm_cfg')
    new = {
        'type': 'DataPreprocessor',
        'mean': norm.take('mean'),
        'std': norm.take('std'),
        'bgr_to_rgb': norm.take('to_rgb', True),
        'pad_size_divisor': fields.take('size_divisor', None) or 1,
    }
    norm.done()
    return new


def _agreed(preprocessors):
    """One model normalizes one way: the three parts of ``data`` must agree."""
    if not preprocessors:
        return None
    first = next(iter(preprocessors))
    for split, value in preprocessors.items():
        if value != preprocessors[first]:
            raise UserError(
                f'data.{split}: img_norm_cfg and size_divisor differ from those of data.{first}, which '
                'is not supported: the model normalizes and pads one way'
            )
    return preprocessors[first]


def _dataset(fields, kind, split, with_mask):
    for key in _NO_MEANING:
        fields.take(key, None)
    why = 'it is not supported here'
    for key in ('proposal_file', 'extra_aug', 'seg_prefix', 'crop_mask'):
        fields.refuse(key, why)
    fields.refuse('with_semantic_seg', why, (None, False))
    jitter = fields.take('aug_ref_bbox_param', None)
    flip = fields.take('flip_ratio', 0)
    resize = _resize(fields, split)
    pipeline = [{'type': 'LoadImage'}]
    if split == 'train':
        pipeline.append({'type': 'LoadAnnotations', 'with_mask': bool(with_mask)})
        pipeline.append(resize)
        pipeline.append({'type': 'RandomFlip', 'prob': flip})
        if jitter is not None:
            center, size = jitter
            pipeline.append({'type': 'RefBoxJitter', 'center': center, 'size': size})
    else:
        if flip:
            raise unsupported(f'data.{split}.flip_ratio={flip}', 'it never worked in testing')
        pipeline.append(resize)
    pipeline.append({'type': 'PackInputs'})
    new = {
        'type': kind,
        'ann_file': fields.take('ann_file'),
        'data_prefix': {'img': fields.take('img_prefix', '')},
        'pipeline': pipeline,
    }
    if split != 'train':
        new['test_mode'] = True
    fields.done()
    return new


def _resize(fields, split):
    scale, mode = fields.take('img_scale'), fields.take('multiscale_mode', 'value')
    keep_ratio = fields.take('resize_keep_ratio', True)
    # A pair is one scale, also as a list: JSON has no tuples.
    pairs = [scale] if not any(isinstance(pair, (list, tuple)) for pair in scale) else scale
    several = len(pairs) > 1
    scale = [tuple(pair) for pair in pairs] if several else pairs[0]
    if several and split != 'train':
        raise unsupported(f'data.{split}.img_scale={scale!r}', 'testing takes one scale')
    if several:
        return {'type': 'Resize', 'scales': scale, 'mode': mode, 'keep_ratio': keep_ratio}
    return {'type': 'Resize', 'scale': tuple(plain(scale)), 'keep_ratio': keep_ratio}
