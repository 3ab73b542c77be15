"""Loading of the compiled operators, and the one warning where there are none."""

import functools
import os
import warnings
from pathlib import Path

import torch

API_VERSION = 1
"""Number that csrc/ops.cpp reports. A library from other sources is not used."""

LIBRARY = Path(__file__).with_name('_C.so')


@functools.cache
def load_error():
    """Load the compiled operators once per process.

    Returns:
        str | None: why they cannot be used, or None where they can.
    """
    if os.environ.get('MASKTRACK_OPS') == 'plain':
        return 'MASKTRACK_OPS=plain asks for plain PyTorch'
    if not LIBRARY.is_file():
        return 'they have not been built'
    try:
        torch.ops.load_library(str(LIBRARY))
        version = torch.ops.masktrack.api_version()
    except (OSError, RuntimeError, AttributeError) as error:
        return f'the library does not load with torch {torch.__version__} ({str(error).splitlines()[0]})'
    if version != API_VERSION:
        return f'the library was built from other sources (version {version}, expected {API_VERSION})'
    return None


@functools.cache
def has_cuda_kernels():
    """Whether the library has kernels for NVIDIA GPUs."""
    return load_error() is None and torch.ops.masktrack.has_cuda()


def ops_available(device='cpu'):
    """Whether compiled operators exist for ``device``; without them the same functions run as plain PyTorch.

    Args:
        device (str | torch.device): where the tensors live.
    """
    kind = torch.device(device).type
    if kind == 'cuda':
        return has_cuda_kernels()
    # 'meta' stands for the fake kernels, which come with the library.
    return kind in ('cpu', 'meta') and load_error() is None


@functools.cache
def _warn(device_type):
    reason = load_error()
    if reason is None:
        reason = f'the library has no kernels for device {device_type!r}'
    warnings.warn(
        f'compiled operators are not used: {reason}. RoIAlign and NMS run as plain PyTorch, with the same '
        'results but slower. To build them: bash compile.sh',
        stacklevel=4,
    )


def use_compiled(tensor):
    """Decide the path for the device of ``tensor``; warns the first time that it is plain PyTorch."""
    if ops_available(tensor.device):
        return True
    _warn(tensor.device.type)
    return False
