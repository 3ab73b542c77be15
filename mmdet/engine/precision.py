"""Precisions of a GPU and of a CPU: which a device has, and how a model runs in one."""

import contextlib
from collections.abc import Iterator

import torch

from mmdet.utils import PRECISIONS, UserError

_HALF = {'bf16': torch.bfloat16, 'fp16': torch.float16}


def allow_tf32(allowed: bool) -> None:
    """Let a GPU round the factors of float32 products and convolutions to 10 bits, or not.

    PyTorch allows it in convolutions unless told otherwise; training and :func:`~mmdet.apis.init_detector`
    switch it off, for all models of the process.
    """
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = allowed


def check_precision(name: str, device: torch.device | str) -> None:
    """Raise a UserError unless a device can run in a precision of ``mmdet.utils.PRECISIONS``."""
    device = torch.device(device)
    if name not in PRECISIONS:
        raise UserError(f'unknown precision {name!r}: expected {", ".join(PRECISIONS)}')
    if not _has(name, device):
        others = ', '.join(other for other in PRECISIONS if _has(other, device))
        what = torch.cuda.get_device_name(device) if device.type == 'cuda' else f'this {device.type.upper()}'
        raise UserError(f'precision {name} is not available on {what}: use {others}')


def _has(name, device):
    if name == 'fp32':
        return True
    if device.type == 'cuda':
        new = torch.cuda.get_device_capability(device) >= (8, 0)
        return new or name == 'fp16'
    if device.type != 'cpu' or name == 'tf32':
        return False
    return getattr(torch.ops.mkldnn, f'_is_mkldnn_{name}_supported')()


@contextlib.contextmanager
def running_in(name: str | None, device: torch.device | str) -> Iterator[None]:
    """Run in a precision: bf16 and fp16 by autocast, so that weights stay float32; TF32 only by its name.

    Args:
        name (str | None): of ``mmdet.utils.PRECISIONS``; None changes nothing.
        device (torch.device | str): of the model.
    """
    if name is None:
        yield
        return
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    allow_tf32(name == 'tf32')
    try:
        kind, half = torch.device(device).type, _HALF.get(name)
        with torch.autocast(kind, half) if half else contextlib.nullcontext():
            yield
    finally:
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before
