"""Loading of the compiled operators, and the one warning where there are none."""

import os
import warnings
from pathlib import Path

import torch

API_VERSION = 1
"""Number that csrc/ops.cpp reports. A library from other sources is not used."""

LIBRARY = Path(__file__).with_name('_C.so')


def load(library: Path = LIBRARY) -> str | None:
    """Load the compiled operators.

    Args:
        library (Path): what ``bash compile.sh`` builds.

    Returns:
        str | None: why they cannot be used, or None where they can.
    """
    if os.environ.get('MASKTRACK_OPS') == 'plain':
        return 'MASKTRACK_OPS=plain asks for plain PyTorch'
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


# Plain values and no cached functions: a compiled model reads them while it is traced.
LOAD_ERROR = load()
HAS_CUDA_KERNELS = LOAD_ERROR is None and torch.ops.masktrack.has_cuda()
_warned = set()


def ops_available(device: str | torch.device = 'cpu') -> bool:
    """Whether compiled operators exist for ``device``; without them the same functions run as plain PyTorch.

    Args:
        device (str | torch.device): where the tensors live.
    """
    kind = torch.device(device).type
    if kind == 'cuda':
        return HAS_CUDA_KERNELS
    # 'meta' stands for the fake kernels, which come with the library.
    return kind in ('cpu', 'meta') and LOAD_ERROR is None


def use_compiled(tensor: torch.Tensor) -> bool:
    """Decide the path for the device of ``tensor``; warns the first time that it is plain PyTorch."""
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
