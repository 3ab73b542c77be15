"""Optimizer wrappers: no step on gradients that are not finite; bfloat16 without a loss scale."""

import contextlib
import math

import torch
from mmengine.optim import OptimWrapper as _OptimWrapper

from mmdet.registry import OPTIM_WRAPPERS
from mmdet.utils import UserError


@OPTIM_WRAPPERS.register_module()
class OptimWrapper(_OptimWrapper):
    """mmengine's wrapper, but a step on gradients that are not finite is not taken.

    One such step makes every weight NaN, also where all losses are finite. Gradients are reduced before the
    step, so all processes decide alike. ``NonFiniteLossHook`` then stops the training.

    Takes the arguments of :class:`mmengine.optim.OptimWrapper`.

    Attributes:
        finite (bool): whether the last step was taken.
    """

    finite = True

    def step(self, **kwargs):
        """Update the parameters if the norm of all gradients is finite. A GPU waits once, for the norm."""
        groups = self.optimizer.param_groups
        params = [p for group in groups for p in group['params'] if p.grad is not None]
        by_norm = self.clip_grad_kwargs and self.clip_func is torch.nn.utils.clip_grad_norm_
        options = dict(self.clip_grad_kwargs) if by_norm else {}
        limit = options.pop('max_norm', None)
        options.pop('error_if_nonfinite', None)
        total = torch.nn.utils.get_total_norm([p.grad for p in params], **options)
        norm = float(total)
        self.finite = math.isfinite(norm)
        if self.finite and by_norm:
            if norm > 0.999 * limit:  # the factor of smaller ones is exactly 1
                torch.nn.utils.clip_grads_with_norm_(params, limit, total, foreach=options.get('foreach'))
            self.message_hub.update_scalar(f'train/{self.grad_name}', norm)
            self.optimizer.step(**kwargs)
        elif self.finite:
            super().step(**kwargs)


@OPTIM_WRAPPERS.register_module()
class AutocastOptimWrapper(OptimWrapper):
    """Run the forward pass under ``torch.autocast``; weights, gradients and updates stay float32.

    mmengine's ``AmpOptimWrapper`` needs a GPU; this one works on any device, with a type that has the range
    of float32 and so needs no loss scale.

    Args:
        dtype (str): ``'bfloat16'``.
        **kwargs: of :class:`OptimWrapper`.
    """

    def __init__(self, dtype='bfloat16', **kwargs):
        super().__init__(**kwargs)
        if dtype != 'bfloat16':
            raise UserError(
                f"optim_wrapper.dtype: expected 'bfloat16', got {dtype!r}; for float16 use AmpOptimWrapper"
            )
        self.dtype = torch.bfloat16

    @contextlib.contextmanager
    def optim_context(self, model):
        """Enter autocast on the device of the model's parameters."""
        device = next(model.parameters()).device.type
        with super().optim_context(model), torch.autocast(device_type=device, dtype=self.dtype):
            yield
