"""Mixed precision without a loss scale: bfloat16 on CPU (and on GPUs that have it)."""

import contextlib

import torch
from mmengine.optim import OptimWrapper

from mmdet.registry import OPTIM_WRAPPERS
from mmdet.utils import UserError


@OPTIM_WRAPPERS.register_module()
class AutocastOptimWrapper(OptimWrapper):
    """Run the forward pass under ``torch.autocast``; weights, gradients and updates stay float32.

    mmengine's ``AmpOptimWrapper`` needs a GPU; this one works on any device, with a type that has the range
    of float32 and so needs no loss scale.

    Args:
        dtype (str): ``'bfloat16'``.
        **kwargs: of :class:`mmengine.optim.OptimWrapper`.
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
