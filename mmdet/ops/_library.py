"""Loads the compiled operators, and warns once if there are none."""

import os
import warnings
from pathlib import Path

import torch

API_VERSION = 1
"""Version that csrc/ops.cpp reports. A library of another version is not used."""

LIBRARY = Path(__file__).with_name('_C.so')


def load(library: Path = LIBRARY) -> str | None:
    """Load the compiled operators.

    Args:
        library (Path): what ``bash compile.sh`` builds.

    Returns:
        str | None: the reason why they cannot be used, or None if they can.
    """
    if os.environ.get('MASKTRACK_OPS') == 'plain':
        return 'MASKTRACK_OPS=plain selects plain PyTorch'
    if not library.is_file():
        return 'they have not been built'
    try:
        torch.ops.load_library(str(library))
        version = torch.ops.masktrack.api_version()
    except (OSError, RuntimeError, AttributeError) as error:
        return f'the library does not load with torch {torch.__version__} ({str(error).splitlines()[0]})'
    if version != API_VERSION:
        return f'the library was built from other sources (version {version}, expected {API_VERSION})'
    return None


# Plain values instead of cached functions, as torch.compile reads them while it traces a model.
LOAD_ERROR = load()
HAS_CUDA_KERNELS = LOAD_ERROR is None and torch.ops.masktrack.has_cuda()
_warned = set()


def ops_available(device: str | torch.device = 'cpu') -> bool:
    """Whether compiled operators exist for ``device``; otherwise the functions run as plain PyTorch.

    Args:
        device (str | torch.device): where the tensors live.
    """
    kind = torch.device(device).type
    if kind == 'cuda':
        return HAS_CUDA_KERNELS
    # 'meta' stands for the fake kernels, which come with the library.
    return kind in ('cpu', 'meta') and LOAD_ERROR is None


def use_compiled(tensor: torch.Tensor) -> bool:
    """Whether to use compiled operators for the device of ``tensor``; warns once if not."""
    if ops_available(tensor.device):
        return True
    kind = tensor.device.type
    if kind not in _warned:
        _warned.add(kind)
        reason = LOAD_ERROR or f'the library has no kernels for device {kind!r}'
        warnings.warn(
            f'compiled operators are not used: {reason}. RoIAlign and NMS run as plain PyTorch, with '
            'the same results but slower. To build them: bash compile.sh',
            stacklevel=4,
        )
    return False
