"""Stand-ins for the names, beyond torch's own, that checkpoints of mmengine and mmdetection contain.

Whatever a pickle may call is a tool in an attacker's hands: ``numpy.ndarray`` with a dtype of objects turns
bytes of the file into pointers. So nothing of numpy is allowed. Its names lead to the functions and classes
here, which take numbers of a few types and check all lengths; docs/checkpoints.md has the argument for each.
:func:`resolved` then replaces what they made by plain values and tensors.
"""

import math
import pickle
import re
from typing import Any

import numpy as np
import torch

NUMBERS = re.compile(r'[<>=|]?(?:b1|i[1248]|u[1248]|f[248]|c(?:8|16)|\?)')


class LogHistory:
    """In place of mmengine's ``HistoryBuffer``: attributes of a log that nobody calls."""


def attribute_of_log_history(owner: Any, name: Any) -> str:
    """In place of ``getattr``, which log histories refer to their own methods by; gives the name alone."""
    if owner is not LogHistory or not isinstance(name, str):
        raise pickle.UnpicklingError(f'Unsupported global: GLOBAL builtins.getattr of {owner!r}')
    return name


class NumberType:
    """In place of ``numpy.dtype``: numbers only, no objects, records or subarrays."""

    def __init__(self, name: Any, *_):
        if not isinstance(name, str) or not NUMBERS.fullmatch(name):
            raise pickle.UnpicklingError(f'Unsupported global: GLOBAL numpy.dtype of {name!r}')
        self.dtype = np.dtype(name)

    def __setstate__(self, state: Any):
        """Take the byte order; names, fields and subarrays must be None."""
        order, *rest = state[1:5] if isinstance(state, tuple) and len(state) >= 5 else [None]
        if order not in ('<', '>', '=', '|') or any(part is not None for part in rest):
            raise pickle.UnpicklingError('Unsupported global: GLOBAL numpy.dtype with fields')
        self.dtype = self.dtype.newbyteorder(order)


class Array:
    """In place of ``numpy.ndarray``: filled by :meth:`__setstate__`, whose lengths must agree."""

    value = None

    def __new__(cls, *args):
        """Refuse arguments: they would choose a type and memory."""
        if args:
            raise pickle.UnpicklingError('Unsupported global: GLOBAL numpy.ndarray called with arguments')
        return super().__new__(cls)

    def __setstate__(self, state: Any):
        """Take (version, shape, type, column-major, bytes)."""
        _, shape, kind, by_column, data = state
        if type(kind) is not NumberType or type(data) is not bytes:
            raise pickle.UnpicklingError('Unsupported global: GLOBAL numpy.ndarray without numbers')
        if len(data) != math.prod(int(side) for side in shape) * kind.dtype.itemsize:
            raise pickle.UnpicklingError('Unsupported global: GLOBAL numpy.ndarray of another length')
        self.value = np.frombuffer(data, kind.dtype).reshape(shape, order='F' if by_column else 'C')


def empty_array(kind: Any, *_) -> Array:
    """In place of ``numpy.core.multiarray._reconstruct``."""
    if kind is not Array:
        raise pickle.UnpicklingError('Unsupported global: GLOBAL numpy.core.multiarray._reconstruct')
    return Array()


def no_bytes() -> bytes:
    """In place of ``bytes``, which pickles call without arguments for the content of an empty array."""
    return b''


def number(kind: Any, data: Any = b'') -> bool | int | float | complex:
    """In place of ``numpy.core.multiarray.scalar``: one number as Python's own."""
    if type(kind) is not NumberType or type(data) is not bytes or len(data) != kind.dtype.itemsize:
        raise pickle.UnpicklingError('Unsupported global: GLOBAL numpy.core.multiarray.scalar')
    return np.frombuffer(data, kind.dtype)[0].item()


#: Stand-in, and the name in the pickle that leads to it.
STAND_INS = [
    (LogHistory, 'mmengine.logging.history_buffer.HistoryBuffer'),
    (attribute_of_log_history, 'builtins.getattr'),
    (no_bytes, 'builtins.bytes'),
    (NumberType, 'numpy.dtype'),
    (Array, 'numpy.ndarray'),
    *((empty_array, f'numpy.{core}.multiarray._reconstruct') for core in ('core', '_core')),
    *((number, f'numpy.{core}.multiarray.scalar') for core in ('core', '_core')),
]


def resolved(value: Any) -> Any:
    """Replace arrays by tensors, in dicts, lists and tuples at any depth.

    Raises:
        pickle.UnpicklingError: an array was never filled.
        TypeError: a tensor is not dense: models cannot use it, and some operators crash on it.
    """
    if isinstance(value, torch.Tensor):
        return _checked(value)
    if isinstance(value, Array):
        array = value.value
        if array is None:
            raise pickle.UnpicklingError('Unsupported global: GLOBAL numpy.ndarray without content')
        return torch.from_numpy(array.astype(array.dtype.newbyteorder('='), order='C', copy=True))
    if isinstance(value, dict):
        for key, inner in value.items():
            new = resolved(inner)
            if new is not inner:
                value[key] = new
        return value
    if isinstance(value, list):
        value[:] = [resolved(inner) for inner in value]
        return value
    if type(value) is tuple:
        return tuple(resolved(inner) for inner in value)
    return value


def _checked(tensor):
    """A tensor, if it is dense and lies within its memory."""
    dense = tensor.layout == torch.strided and not tensor.is_quantized and not tensor.is_nested
    if type(tensor) not in (torch.Tensor, torch.nn.Parameter) or not dense:
        raise TypeError(f'it holds a tensor that is not dense ({type(tensor).__name__}, {tensor.layout})')
    if tensor.is_meta:
        raise TypeError('it holds a tensor without values')
    steps = sum((side - 1) * step for side, step in zip(tensor.shape, tensor.stride()))
    end = tensor.storage_offset() + steps + 1 if tensor.numel() else 0
    if end * tensor.element_size() > tensor.untyped_storage().nbytes():
        raise TypeError('it holds a tensor that reaches beyond its memory')
    return tensor
