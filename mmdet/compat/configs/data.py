"""The data part of a foreign config: ``data`` into data loaders, pipelines and the preprocessor."""

import posixpath

from mmdet.utils import UserError

from .fields import Fields, unsupported
from .pipelines import read_pipeline, reference_frames, resize_step

# Their dataset -> ours, and whether it has videos.
_DATASETS = {
    'YTVOSDataset': ('YTVOSDataset', True),
    'YouTubeVISDataset': ('YTVOSDataset', True),
    'CocoDataset': ('CocoDataset', False),
}
_NO_MEANING = (
    *('num_max_proposals', 'with_track', 'with_crowd', 'with_label', 'test_mode', 'debug', 'min_size'),
    *('ref_img_sampler_test', 'key_img_sampler', 'load_as_video', 'filter_cfg', 'seg_suffix'),
)
SPLITS = ('train', 'val', 'test')


def upgrade_data(data, refused, masks=True, modern=False):
    """Upgrade ``data`` of a config with the old engine.

    Args:
        data (dict): ``imgs_per_gpu``, ``workers_per_gpu`` and ``train``, ``val``, ``test``. A dataset has its
            settings itself (2019) or in a ``pipeline`` (later).
        refused (Refusals): gets what stands against training, validation or testing.
        masks (bool): whether the model has masks to be scored.
        modern (bool): boxes and sizes in the conventions of mmdetection 2 and later.

    Returns:
        tuple: new top-level keys, and the ``data_preprocessor`` that all parts agree on (None without any).

    Raises:
        UserError: a key beside the three parts is not supported.
    """
    fields = Fields(data, 'data')
    few = fields.take('samples_per_gpu', 2)
    batch, workers = fields.take('imgs_per_gpu', few), fields.take('workers_per_gpu', 0)
    fields.drop('videos_per_gpu', 'persistent_workers', 'shuffle')
    new, preprocessor = {}, None
    for split in SPLITS:
        values = fields.values.pop(split, None)
        if values is None:
            continue
        with refused.of(split):
            datasets = read_datasets(values, f'data.{split}', split, modern)
            preprocessor = _agreed(preprocessor, datasets, split)
            new.update(split_keys(datasets, split, batch, workers, masks))
    fields.done()
    return new, preprocessor


def read_datasets(values, where, split, modern):
    """Read the datasets of a part; several where there is a list of them or of annotation files, as in 2019.

    Args:
        values (dict | list[dict]): as in the config.
        where (str): dotted name, for messages.
        split (str): 'train', 'val' or 'test'.
        modern (bool): conventions of mmdetection 2 and later.

    Returns:
        list[tuple]: of each, what :func:`_dataset` returns.

    Raises:
        UserError: names the key that is not supported.
    """
    several = isinstance(values, (list, tuple))
    parts = []
    for number, part in enumerate(values if several else [values]):
        name = f'{where}[{number}]' if several else where
        fields = Fields(part, name)
        files = fields.take('ann_file')
        folders = fields.take('img_prefix', '')
        listed = isinstance(files, (list, tuple))
        files = list(files) if listed else [files]
        folders = list(folders) if isinstance(folders, (list, tuple)) else [folders] * len(files)
        if len(folders) != len(files):
            raise UserError(f'{name}.img_prefix: expected one folder for each of {len(files)} ann_file')
        for file, folder in zip(files, folders):
            one = {**fields.values, 'ann_file': file, 'img_prefix': folder}
            parts.append(_dataset(Fields(one, name), split, modern))
    if not parts:
        raise UserError(f'{where}: an empty list of datasets')
    if len(parts) > 1 and split != 'train':
        raise unsupported(f'{where}.ann_file: {len(parts)} files', 'a test reads one annotation file')
    return parts


def _dataset(fields, split, modern):
    """Read one dataset.

    Returns:
        tuple: native dataset, preprocessor (empty if nothing normalizes), whether it has videos, and whether
        masks are loaded (None if the dataset does not say).
    """
    kind = fields.take_type(*_DATASETS)
    ours, video = _DATASETS[kind]
    if 'pipeline' in fields:
        steps = read_pipeline(fields.take('pipeline'), fields.name('pipeline'), split == 'train', modern)
        pipeline, norm, divisor, with_mask = *steps, None
    else:
        pipeline, norm, divisor, with_mask = _own_settings(fields, split, modern)
    preprocessor = norm and {
        'type': 'DataPreprocessor',
        'mean': norm.get('mean'),
        'std': norm.get('std'),
        'bgr_to_rgb': bool(norm.get('to_rgb', True)),
        'pad_size_divisor': divisor,
    }
    if norm and (norm.get('mean') is None or norm.get('std') is None):
        raise UserError(f'{fields.where}: the normalization needs mean and std')
    root = fields.take('data_root', None)
    ann_file, folder = fields.take('ann_file'), fields.take('img_prefix', '')
    if root:
        ann_file, folder = posixpath.join(root, ann_file), posixpath.join(root, folder)
    new = {'type': ours, 'ann_file': ann_file, 'data_prefix': {'img': folder}, 'pipeline': pipeline}
    version = str(fields.take('dataset_version', ''))
    if version in ('2019', '2021'):
        new['type'] = f'YouTubeVIS{version}Dataset'
    if modern:
        new['box_offset'] = 0
    classes = fields.take('classes', None)
    metainfo = fields.sub('metainfo', None)
    if metainfo is not None and classes is None:
        classes = metainfo.values.get('classes')
    if classes is not None:
        new.update(classes=classes, filter_classes=True)
    if split != 'train':
        new['test_mode'] = True
    sampler = fields.sub('ref_img_sampler', None)
    if sampler is not None and split == 'train':
        reference_frames(sampler)
        sampler.done()
    _refuse_the_rest(fields)
    return new, preprocessor, video, with_mask


def _refuse_the_rest(fields):
    fields.drop(*_NO_MEANING)
    for key in ('proposal_file', 'extra_aug', 'seg_prefix', 'crop_mask'):
        fields.refuse(key, 'it is not supported here')
    fields.refuse('with_semantic_seg', 'it is not supported here', (None, False))
    fields.refuse('filter_empty_gt', 'training takes frames with objects', (None, True))
    fields.done()


def _own_settings(fields, split, modern):
    """Pipeline, normalization, padding and masks of a dataset of 2019."""
    with_mask = bool(fields.take('with_mask', True))
    norm = fields.sub('img_norm_cfg')
    values = norm.move('mean', 'std', 'to_rgb')
    norm.done()
    divisor = fields.take('size_divisor', None) or 1
    flip = fields.take('flip_ratio', 0)
    jitter = fields.take('aug_ref_bbox_param', None)
    scale, mode = fields.take('img_scale'), fields.take('multiscale_mode', 'value')
    if scale is None:
        raise UserError(f'{fields.name("img_scale")}: missing')
    keep_ratio = fields.take('resize_keep_ratio', True)
    steps = [resize_step(scale, mode, keep_ratio, split == 'train', fields.where, modern)]
    if split == 'train':
        steps = [{'type': 'LoadAnnotations', 'with_mask': with_mask}, *steps]
        steps.append({'type': 'RandomFlip', 'prob': flip})
        if jitter is not None:
            steps.append({'type': 'RefBoxJitter', 'center': jitter[0], 'size': jitter[1]})
    elif flip:
        raise unsupported(f'{fields.name("flip_ratio")}={flip}', 'testing does not flip')
    return [{'type': 'LoadImage'}, *steps, {'type': 'PackInputs'}], values, divisor, with_mask


def _agreed(preprocessor, datasets, split):
    """One model normalizes one way: all datasets must agree."""
    for _, other, _, _ in datasets:
        if preprocessor is not None and other and other != preprocessor:
            raise UserError(
                f'data.{split}: normalization (img_norm_cfg) and size_divisor differ from those of the part '
                'before, which is not supported: the model normalizes and pads one way'
            )
        preprocessor = preprocessor or other or None
    return preprocessor


def split_keys(datasets, split, batch, workers, masks=True):
    """Return data loader, evaluator and loop of one part, as a dict of top-level keys."""
    dataset, _, video, with_mask = datasets[0]
    masks = masks if with_mask is None else with_mask
    if len(datasets) > 1:
        dataset = {'type': 'ConcatDataset', 'datasets': [entry[0] for entry in datasets]}
    loader = {'batch_size': batch if split == 'train' else 1, 'num_workers': workers}
    if split == 'train':
        if workers:
            loader['persistent_workers'] = True
        return {'train_dataloader': {**loader, 'sampler': {'type': 'GroupSampler'}, 'dataset': dataset}}
    if video:
        loader.update(sampler={'type': 'VideoSampler'}, batch_sampler={'type': 'VideoBatchSampler'})
    else:
        loader.update(sampler={'type': 'DefaultSampler', 'shuffle': False})
    metric = {'type': 'YTVISMetric', 'ann_file': dataset['ann_file'], 'metric': 'segm'}
    if not video:
        metric.update(type='CocoMetric', metric=['bbox', 'segm'] if masks else 'bbox')
    return {
        f'{split}_dataloader': {**loader, 'dataset': dataset},
        f'{split}_evaluator': metric,
        f'{split}_cfg': {'type': 'ValLoop' if split == 'val' else 'TestLoop'},
    }
