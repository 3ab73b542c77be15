"""Which path reads masks and counts matches: the compiled core, or plain Python with the same bits."""

import functools
import os

from mmdet.utils import UserError


@functools.cache
def _load():
    try:
        from . import _ytvis_core
    except ImportError:
        return None
    return _ytvis_core


def get_core(backend='auto'):
    """The compiled core, or None for plain Python.

    Args:
        backend (str): ``'auto'`` (the core if it is built; the environment variable
            ``MASKTRACK_EVAL_BACKEND`` may say otherwise), ``'cython'`` or ``'python'``.
    """
    if backend == 'auto':
        backend = os.environ.get('MASKTRACK_EVAL_BACKEND', 'auto')
    if backend not in ('auto', 'cython', 'python'):
        raise UserError(f"evaluator backend must be 'auto', 'cython' or 'python', got {backend!r}")
    if backend == 'python':
        return None
    core = _load()
    if core is None and backend == 'cython':
        raise UserError('the compiled core of the evaluator is not built; run: bash compile.sh')
    return core
