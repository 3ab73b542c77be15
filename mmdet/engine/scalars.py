"""Numbers of a training: at which iteration they are logged, and how Weights & Biases gets them."""

from mmengine.visualization import WandbVisBackend as _WandbVisBackend

from mmdet.registry import VISBACKENDS
from mmdet.utils import UserError

from .components import with_loop_type


def log_by_iteration(default_hooks):
    """Return default hooks whose logger puts scores at iterations, on the same axis as the losses.

    mmengine puts them at epochs, where a validation within an epoch has no place.

    Args:
        default_hooks (dict | None): of a config; what it says stays.
    """
    hooks = dict(default_hooks or {})
    logger = hooks.get('logger', {'type': 'LoggerHook'})
    if isinstance(logger, dict) and logger.get('type') == 'LoggerHook':
        hooks['logger'] = {'log_metric_by_epoch': False, **logger}
    return hooks


def number_lines(log_processor, loop):
    """Return a log processor's config whose lines count as the training loop does: iterations, or epochs."""
    if not isinstance(log_processor, dict) or not isinstance(loop, dict):
        return log_processor
    return {'by_epoch': with_loop_type(loop).get('type') != 'ResumableIterLoop', **log_processor}


@VISBACKENDS.register_module()
class WandbVisBackend(_WandbVisBackend):
    """mmengine's backend for Weights & Biases, with iterations as the x axis of all numbers.

    mmengine also sends every Python file below the folder where the training was started. Here that needs
    ``log_code_name``.

    Args:
        save_dir (str): folder of the offline files; the runner gives it.
        init_kwargs (dict | None): of ``wandb.init``, such as ``project`` and ``name``.
        define_metric_cfg (dict | list | None): as in mmengine; by default all numbers over ``iter``.
        **kwargs: of :class:`mmengine.visualization.WandbVisBackend`.
    """

    def __init__(self, save_dir, init_kwargs=None, define_metric_cfg=None, **kwargs):
        metrics = define_metric_cfg or [{'name': '*', 'step_metric': 'iter'}]
        super().__init__(save_dir, init_kwargs, metrics, **kwargs)

    def _init_env(self):
        import wandb

        try:
            super()._init_env()
        except wandb.errors.Error as error:
            reason = ' '.join(str(error).split())
            raise UserError(
                f'WandbVisBackend: {reason} (WANDB_MODE=offline writes to the work dir and needs no account)'
            ) from error

    def add_config(self, config, **kwargs):
        """Record the config; the code only if it was asked for."""
        if self._log_code_name is not None:
            super().add_config(config, **kwargs)
        else:
            self.experiment.config.update(config.to_dict(), allow_val_change=True)

    def add_scalars(self, scalar_dict, step=0, file_path=None, **kwargs):
        """Record numbers at an iteration."""
        super().add_scalars({'iter': step, **scalar_dict}, step, file_path, **kwargs)
