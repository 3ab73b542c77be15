"""The whole config of 2019 or mmdetection 1, upgraded key by key."""

from mmengine.config import Config

from mmdet.utils import UserError

from .data import upgrade_data
from .fields import Fields
from .model import upgrade_model
from .schedule import upgrade_hooks, upgrade_optimizer, upgrade_running, upgrade_schedule, upgrade_workflow

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
}
# Further settings of the old code that are not supported.
_REFUSED = ('hooks', 'custom_hooks', 'extra_hooks', 'dist_runner', 'auto_resume', 'runner')


def upgrade_config(config):
    """Bring a config of 2019 to the native schema.

    Relative paths stay as they are: relative to the working directory. Variables of the config's author that
    are no keys of the schema are left out, as their values have been put in place already.

    Args:
        config (Config): as read from the file.

    Returns:
        Config: native; builds the same model, schedule and data order.

    Raises:
        UserError: names a key that is not supported.
    """
    values = {key: config[key] for key in config if key in LEGACY_KEYS or key in _REFUSED}
    fields = Fields(values, '')
    for key in _REFUSED:
        fields.refuse(key, 'hooks of the old engine do not run here')
    upgrade_workflow(fields)
    if 'model' not in fields:
        raise UserError('the config has no model')
    model = upgrade_model(fields.take('model'), fields.take('train_cfg', None), fields.take('test_cfg', None))
    data, preprocessor = upgrade_data(fields.take('data')) if 'data' in fields else ({}, None)
    if preprocessor is not None:
        model = {'type': model.pop('type'), 'data_preprocessor': preprocessor, **model}
    new = {'model': model, **data}
    if model['train_cfg'] is not None:
        new.update(_training(fields, new))
    else:
        new.pop('train_dataloader', None)
        _training(fields, new)
    new.update(upgrade_hooks(fields))
    new.update(upgrade_running(fields))
    new.update(fields.move('load_options'))
    fields.done()
    return Config(new, filename=config.filename)


def _training(fields, new):
    """Loop, optimizer and schedule; a config without them is for testing only."""
    epochs, evaluation = fields.take('total_epochs', None), fields.sub('evaluation', None)
    interval = evaluation.take('interval', 1) if evaluation else 1
    out = {}
    if epochs is not None:
        out['train_cfg'] = {'type': 'ResumableEpochLoop', 'max_epochs': epochs, 'val_interval': interval}
    wrapper = upgrade_optimizer(fields)
    if wrapper is not None:
        out['optim_wrapper'] = wrapper
    schedulers = upgrade_schedule(fields, epochs)
    if schedulers is not None:
        out['param_scheduler'] = schedulers
    return out
