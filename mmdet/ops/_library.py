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
_runs = {}  # index of a GPU -> whether its generation is among those that the kernels were compiled for


def _runs_on(device):
    """Try a kernel once for each GPU: one of another generation refuses it, and nothing else happens."""
    if not torch.cuda.is_available():
        return True
    index = torch.cuda.current_device() if device.index is None else device.index
    if index not in _runs:
        if torch.compiler.is_compiling():
            return True
        try:
            torch.ops.masktrack.nms_mask(torch.zeros(1, 4, device=f'cuda:{index}'), None, 0.5, 1)
            _runs[index] = True
        except RuntimeError as error:
            if 'no kernel image' not in str(error) and 'PTX' not in str(error):
                raise
            _runs[index] = False
    return _runs[index]


def _reason(device):
    if LOAD_ERROR is not None:
        return LOAD_ERROR
    if device.type == 'cuda' and HAS_CUDA_KERNELS:
        name, (major, minor) = torch.cuda.get_device_name(device), torch.cuda.get_device_capability(device)
        return (
            f'the library was not compiled for {name} (TORCH_CUDA_ARCH_LIST={major}.{minor} compiles for it)'
        )
    return f'the library has no kernels for device {device.type!r}'


def ops_available(device: str | torch.device = 'cpu') -> bool:
    """Whether compiled operators exist for ``device``; otherwise the functions run as plain PyTorch.

    Args:
        device (str | torch.device): where the tensors live.
    """
    device = torch.device(device)
    kind = device.type
    if kind == 'cuda':
        return HAS_CUDA_KERNELS and _runs_on(device)
    # 'meta' stands for the fake kernels, which come with the library.
    return kind in ('cpu', 'meta') and LOAD_ERROR is None


def use_compiled(tensor: torch.Tensor) -> bool:
    """Whether to use compiled operators for the device of ``tensor``; warns once if not."""
    if ops_available(tensor.device):
        return True
    kind = tensor.device.type
    if kind not in _warned:
        _warned.add(kind)
        warnings.warn(
            f'compiled operators are not used: {_reason(tensor.device)}. RoIAlign and NMS run as plain '
            'PyTorch, with the same results but slower. To build them: bash compile.sh',
            stacklevel=4,
        )
    return False
