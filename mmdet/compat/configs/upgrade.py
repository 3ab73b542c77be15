"""The whole config of 2019 or mmdetection 1, upgraded key by key."""

from mmengine.config import Config

from mmdet.utils import UserError

from .data import upgrade_data
from .fields import Fields, Refusals
from .model import upgrade_model
from .schedule import (
    upgrade_epochs,
    upgrade_hooks,
    upgrade_optimizer,
    upgrade_running,
    upgrade_schedule,
    upgrade_workflow,
)

# Every top-level key of the old schema.
LEGACY_KEYS = {
    'model',
    'train_cfg',
    'test_cfg',
    'data',
    'optimizer',
    'optimizer_config',
    'lr_config',
    'checkpoint_config',
    'log_config',
    'total_epochs',
    'dist_params',
    'log_level',
    'work_dir',
    'load_from',
    'resume_from',
    'workflow',
    'evaluation',
    'fp16',
    'cudnn_benchmark',
    'gpus',
    'device_ids',
    'gpu_ids',
    'seed',
    'find_unused_parameters',
    'load_options',
    'runner',
    'opencv_num_threads',
    'mp_start_method',
}
# Keys that only training reads.
_TRAINING_KEYS = {
    *('optimizer', 'optimizer_config', 'lr_config', 'checkpoint_config', 'log_config', 'total_epochs'),
    *('workflow', 'evaluation', 'fp16', 'runner'),
    *('hooks', 'custom_hooks', 'extra_hooks', 'dist_runner', 'auto_resume'),
}
# Further settings of the old engine that only training reads, and are not supported.
_REFUSED = ('hooks', 'custom_hooks', 'extra_hooks', 'dist_runner', 'auto_resume')


def upgrade_config(config):
    """Bring a config of 2019 or mmdetection 1 to the native schema.

    Relative paths stay as they are: relative to the working directory. Variables of the config's author that
    are no keys of the schema are left out, as their values have been put in place already.

    Args:
        config (Config): as read from the file.

    Returns:
        Config: native; builds the same model, schedule and data order. What one job alone needs and cannot
        use is left out; ``_refused`` says why, by job ('train', 'val', 'test').

    Raises:
        UserError: the model, or a key that all jobs need, is not supported.
    """
    fields = Fields({key: config[key] for key in config if key in LEGACY_KEYS or key in _REFUSED}, '')
    if fields.values.get('model') is None:
        raise UserError('there is no model')
    refused = Refusals()
    train_cfg, test_cfg = (fields.values.pop(key, None) for key in ('train_cfg', 'test_cfg'))
    model = upgrade_model(fields.values.pop('model'), train_cfg, test_cfg, refused)
    data, preprocessor = {}, None
    if fields.values.get('data') is not None:
        data, preprocessor = upgrade_data(fields.values.pop('data'), refused, 'mask_head' in model)
    fields.drop('data')
    if preprocessor is not None:
        model = {'type': model.pop('type'), 'data_preprocessor': preprocessor, **model}
    new = {'model': model, **data, **upgrade_engine(fields, refused)}
    if model['train_cfg'] is None:
        for key in ('train_dataloader', 'train_cfg', 'optim_wrapper', 'param_scheduler'):
            new.pop(key, None)
    new.update(fields.move('load_options'))
    fields.done()
    if refused:
        new['_refused'] = dict(refused)
    return Config(new, filename=config.filename)


def upgrade_engine(fields, refused):
    """Upgrade loop, optimizer, schedule, hooks and environment of the old engine (mmcv).

    Args:
        fields (Fields): top level of the config; the keys are taken from it.
        refused (Refusals): gets what stands against training.

    Returns:
        dict: new top-level keys; a part that is refused is missing.
    """
    new = {}
    values, fields.values = fields.values, {}
    taken = {key: values.pop(key) for key in list(values) if key in _TRAINING_KEYS}
    training = Fields(taken, '')
    with refused.of('train'):
        for key in _REFUSED:
            training.refuse(key, 'hooks of the old engine do not run here', (None, [], ()))
        upgrade_workflow(training)
        epochs, interval = upgrade_epochs(training)
        if epochs is not None:
            loop = {'type': 'ResumableEpochLoop', 'max_epochs': epochs, 'val_interval': interval}
            new['train_cfg'] = loop
        wrapper = upgrade_optimizer(training)
        if wrapper is not None:
            new['optim_wrapper'] = wrapper
        schedulers = upgrade_schedule(training, epochs)
        if schedulers is not None:
            new['param_scheduler'] = schedulers
        new.update(upgrade_hooks(training))
    if 'train' in refused:
        for key in ('train_cfg', 'optim_wrapper', 'param_scheduler'):
            new.pop(key, None)
    fields.values = values
    new.update(upgrade_running(fields))
    return new
