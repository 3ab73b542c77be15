"""The rest of a MaskTrack R-CNN config of mmtracking or mmdetection 3: data, loops, optimizer, hooks."""

from mmengine.config import Config

from mmdet.utils import UserError, shown

from .data import SPLITS, read_datasets, split_keys, upgrade_data
from .fields import Fields, Refusals
from .modern import upgrade_modern_model, without_scopes
from .upgrade import LEGACY_KEYS, upgrade_engine
from .values import check_value

# What is taken over as it is. Hooks and visualizers of the other projects have no counterpart and no effect
# on training.
_AS_IT_IS = ('log_level', 'work_dir', 'load_from', 'resume', 'randomness', 'auto_scale_lr', 'env_cfg')
_HOOKS = ('logger', 'checkpoint')


def upgrade_modern(config):
    """Bring a MaskTrack R-CNN config of mmtracking or mmdetection 3 to the native schema.

    Args:
        config (Config): as read from the file.

    Returns:
        tuple[Config, list[str]]: the native config, with ``_refused`` as
        :func:`.upgrade.upgrade_config` gives it, and notes for the user.

    Raises:
        UserError: the model, or a key that all jobs need, is not supported.
    """
    values = without_scopes(config._cfg_dict.to_dict())
    refused, notes = Refusals(), []
    model, start = upgrade_modern_model(values['model'], refused)
    if start is not None:
        notes.append(
            f'training starts from {start} there: convert that file with tools/convert_checkpoint.py '
            'and give it with --load-from'
        )
    if any(f'{split}_dataloader' in values for split in SPLITS) or 'optim_wrapper' in values:
        parts, preprocessor = _new_engine(values, refused)
    else:
        data = values.get('data')
        known = {key: value for key, value in values.items() if key in LEGACY_KEYS}
        fields = Fields(known, '')
        fields.drop('data', 'model', 'train_cfg', 'test_cfg')
        parts, preprocessor = ({}, None) if data is None else upgrade_data(data, refused, modern=True)
        parts.update(upgrade_engine(fields, refused))
        fields.drop('load_options')
        fields.done()
    preprocessor = model.pop('data_preprocessor', None) or preprocessor
    if preprocessor is not None:
        model = {'type': model.pop('type'), 'data_preprocessor': preprocessor, **model}
    new = {'model': model, **parts}
    if refused:
        new['_refused'] = dict(refused)
    return Config(new, filename=config.filename), notes


def _new_engine(values, refused):
    """Data and training of a config for mmengine; also the preprocessor where a pipeline normalizes."""
    new, preprocessor = {}, None
    for split in SPLITS:
        loader = values.get(f'{split}_dataloader')
        if loader is None:
            continue
        with refused.of(split):
            parts, norm = _loader(Fields(loader, f'{split}_dataloader'), split)
            new.update(parts)
            preprocessor = preprocessor or norm or None
    with refused.of('train'):
        new.update(_training(values))
    fields = Fields({key: values[key] for key in _AS_IT_IS if key in values}, '')
    new.update(fields.move(*_AS_IT_IS))
    return new, preprocessor


def _loader(fields, split):
    batch, workers = fields.take('batch_size', 1), fields.take('num_workers', 0)
    dataset = fields.take('dataset')
    if isinstance(dataset, dict) and isinstance(dataset.get('data_prefix'), dict):
        prefix = dataset['data_prefix']
        dataset = {key: value for key, value in dataset.items() if key != 'data_prefix'}
        dataset['img_prefix'] = prefix.get('img_path', prefix.get('img', ''))
    datasets = read_datasets(dataset, fields.name('dataset'), split, modern=True)
    return split_keys(datasets, split, batch, workers), datasets[0][1]


def _training(values):
    new = {}
    loop = values.get('train_cfg')
    if loop is not None:
        fields = Fields(loop, 'train_cfg')
        fields.take_type('EpochBasedTrainLoop')
        new['train_cfg'] = {
            'type': 'ResumableEpochLoop',
            'max_epochs': fields.take('max_epochs'),
            **fields.move('val_begin', 'val_interval'),
        }
        fields.drop('interval', 'dynamic_intervals')
        fields.done()
    for key in ('optim_wrapper', 'param_scheduler'):
        if values.get(key) is not None:
            check_value(key, key, values[key])
            new[key] = values[key]
    hooks = values.get('default_hooks') or {}
    if not isinstance(hooks, dict):
        raise UserError(f'default_hooks: expected a dict, got {shown(hooks)}')
    kept = {name: hooks[name] for name in _HOOKS if hooks.get(name)}
    if kept:
        new['default_hooks'] = kept
    return new
