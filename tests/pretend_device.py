"""A device that does not exist: counts what would make an accelerator wait for the host, without one.

Tensors of it say that they live on 'meta' and compute on the CPU. What PyTorch would do on a GPU is read
off the operators: a number that Python wants, a count that a shape depends on and a blocking copy are waits.
Small copies to the device with ``non_blocking=True`` are none, as CUDA stages them. It cannot see kernels
and streams.
"""

import collections
import contextlib
import traceback
from unittest import mock

import numpy as np
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

DEVICE = torch.device('meta')
CPU = torch.device('cpu')

#: Operators whose result, or whose shape, the host must know.
COUNTED = {
    'aten::_local_scalar_dense': 'number',
    'aten::nonzero': 'nonzero',
    'aten::masked_select': 'masked_select',
    'aten::_unique2': 'unique',
    'aten::unique_dim': 'unique',
    'aten::unique_consecutive': 'unique',
    'aten::bincount': 'bincount',
    'aten::equal': 'equal',
}
INDEXING = ('aten::index', 'aten::index_put', 'aten::index_put_', 'aten::_index_put_impl_')


class PretendTensor(torch.Tensor):
    """A tensor on the pretended device; ``inner`` holds its numbers."""

    __torch_function__ = torch._C._disabled_torch_function_impl

    @staticmethod
    def __new__(cls, inner):
        options = dict(strides=inner.stride(), storage_offset=inner.storage_offset(), dtype=inner.dtype)
        made = torch.Tensor._make_wrapper_subclass(cls, inner.size(), device=DEVICE, **options)
        made.inner = inner
        return made

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        return PretendDevice.current.run(func, args, kwargs or {})

    def __repr__(self):
        return f'PretendTensor({self.inner})'

    def numpy(self, *args, **kwargs):
        """As on a GPU: refused."""
        raise TypeError("can't convert a tensor of a device to numpy")

    __array__ = numpy

    def tolist(self):
        """One copy, as on a GPU."""
        return self.cpu().tolist()

    def new_tensor(self, data, **options):
        """A blocking copy to the device."""
        return torch.tensor(data, **{'dtype': self.dtype, 'device': DEVICE, **options})

    def __getitem__(self, index):
        return super().__getitem__(_as_tensors(index))

    def __setitem__(self, index, value):
        super().__setitem__(_as_tensors(index), value)


class PretendDevice(TorchDispatchMode):
    """Within it, tensors moved to :data:`DEVICE` are watched.

    Attributes:
        waits (Counter): (kind, place in the package) -> number.
        mixed (list[tuple]): operators that got tensors of both devices, and where.
    """

    current = None

    def __enter__(self):
        self.waits, self.mixed = collections.Counter(), []
        self._patches = contextlib.ExitStack()
        make, autocast = torch.tensor, torch.autocast

        def tensor(data, *, dtype=None, device=None, requires_grad=False, pin_memory=False):
            made = make(data, dtype=dtype)
            return made.to(DEVICE) if _is_device(device) else made

        def on_cpu(kind, *args, **kwargs):
            return autocast('cpu' if _is_device(kind) else kind, *args, **kwargs)

        self._patches.enter_context(mock.patch.object(torch, 'tensor', tensor))
        self._patches.enter_context(mock.patch.object(torch, 'autocast', on_cpu))
        PretendDevice.current = self
        return super().__enter__()

    def __exit__(self, *error):
        super().__exit__(*error)
        PretendDevice.current = None
        self._patches.close()

    @property
    def total(self):
        """Waits so far."""
        return sum(self.waits.values())

    def report(self):
        """Lines with all waits, the most frequent place first."""
        return '\n'.join(f'{n:4d} {kind:12s} {place}' for (kind, place), n in self.waits.most_common())

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        return self.run(func, args, kwargs or {})

    def run(self, func, args, kwargs):
        """Run an operator on the numbers, and look at what it is."""
        name = func._schema.name
        tensors = [value for value in tree_leaves((args, kwargs)) if isinstance(value, torch.Tensor)]
        here = any(isinstance(value, PretendTensor) for value in tensors)
        wanted = kwargs.get('device')
        if name in ('aten::_to_copy', 'aten::copy_'):
            source, target = (args[0], wanted) if name == 'aten::_to_copy' else (args[1], args[0].device)
            here = _is_device(target) if target is not None else here
            blocks = not (kwargs.get('non_blocking') or (name == 'aten::copy_' and len(args) > 2 and args[2]))
            if here != isinstance(source, PretendTensor) and blocks:
                self._wait('to device' if here else 'to host')
        else:
            self._look(name, func, args, tensors, here)
            here = here or _is_device(wanted)
        kwargs = {**kwargs, 'device': CPU} if _is_device(wanted) else kwargs
        if kwargs.get('pin_memory'):
            kwargs = {**kwargs, 'pin_memory': False}
        out = func(*tree_map(_inner, args), **tree_map(_inner, kwargs))
        if func._schema.is_mutable and name.endswith('_'):
            return args[0]
        return tree_map(_wrapped, out) if here else out

    def _look(self, name, func, args, tensors, here):
        if not here:
            return
        if name in COUNTED:
            self._wait(COUNTED[name])
        elif name in INDEXING:
            for index in args[1]:
                if index is None:
                    continue
                if index.dtype in (torch.bool, torch.uint8):
                    self._wait('bool index')
                elif not isinstance(index, PretendTensor):
                    self._wait('to device')
            tensors = [args[0], *args[2:3]]
        elif name == 'aten::repeat_interleave' and func._overloadname == 'Tensor':
            self._wait('repeats')
        if any(value.dim() and not isinstance(value, PretendTensor) for value in tensors):
            self.mixed.append((name, _place()))

    def _wait(self, kind):
        self.waits[kind, _place()] += 1


def to_device(module):
    """Move a module, as ``module.to(device)`` would."""
    for part in module.modules():
        for name, value in list(part._parameters.items()):
            if value is not None:
                moved = PretendTensor(value.detach().clone())
                part._parameters[name] = torch.nn.Parameter(moved, requires_grad=value.requires_grad)
        for name, value in list(part._buffers.items()):
            if value is not None:
                part._buffers[name] = PretendTensor(value.clone())
        if hasattr(part, '_non_blocking'):  # a preprocessor of mmengine
            part._device = DEVICE
    return module


def _is_device(device):
    return device is not None and torch.device(device).type == DEVICE.type


def _inner(value):
    return value.inner if isinstance(value, PretendTensor) else value


def _wrapped(value):
    return (
        PretendTensor(value)
        if isinstance(value, torch.Tensor) and not isinstance(value, PretendTensor)
        else value
    )


def _as_tensors(index):
    if isinstance(index, tuple):
        return tuple(_as_tensors(part) for part in index)
    if isinstance(index, list | np.ndarray):
        return torch.as_tensor(np.asarray(index))
    return index


def _place():
    """The innermost line of the package, or of mmengine, outside the plain operators."""
    stack = traceback.extract_stack(limit=60)[::-1]
    for part, skipped in (('/mmdet/', '/ops/_plain'), ('/mmengine/', '\0'), ('/torch/', '_python_dispatch')):
        for frame in stack:
            if part in frame.filename and skipped not in frame.filename:
                return f'{frame.filename.rpartition(part)[2]}:{frame.lineno}'
    return '?'
