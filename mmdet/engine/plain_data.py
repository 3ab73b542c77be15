"""Turning run-time state into plain data, so that a checkpoint needs no code to be read."""

import collections

import numpy as np
import torch

# Logging averages over a window of at most this many iterations; older values need not be carried along.
HISTORY = 1000


def to_plain(value):
    """Return ``value`` made of dict, list, tuple, str, numbers and tensors only.

    Numpy values become tensors and numbers, other iterables lists; what has no such form becomes its text.
    """
    if value is None or isinstance(value, (bool, int, float, str, bytes, torch.Tensor)):
        # Subclasses (such as numpy's float64, which is a float) would be pickled as themselves.
        for kind in (bool, int, float, str, bytes):
            if isinstance(value, kind):
                return kind(value)
        return value
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray) and value.dtype != object:
        return torch.from_numpy(value.copy())
    if isinstance(value, dict):
        return {to_plain(k): to_plain(v) for k, v in value.items()}
    if isinstance(value, tuple):
        return tuple(to_plain(v) for v in value)
    if isinstance(value, (list, set, frozenset, collections.deque, np.ndarray)):
        return [to_plain(v) for v in value]
    return str(value)


def histories_to_plain(hub_state):
    """Turn the state of a MessageHub into plain data, with the last :data:`HISTORY` values of each scalar."""
    scalars = {}
    for name, history in hub_state['log_scalars'].items():
        values, counts = history.data
        scalars[name] = [
            torch.tensor(np.asarray(values[-HISTORY:], dtype=np.float64)),
            torch.tensor(np.asarray(counts[-HISTORY:], dtype=np.float64)),
        ]
    # The config text is in the checkpoint's meta already.
    info = {k: to_plain(v) for k, v in hub_state['runtime_info'].items() if k != 'cfg'}
    return {
        'log_scalars': scalars,
        'runtime_info': info,
        'resumed_keys': to_plain(dict(hub_state['resumed_keys'])),
    }


def histories_from_plain(state, history_class):
    """Undo :func:`histories_to_plain`; what another program wrote there is left out.

    Args:
        state (dict): from a checkpoint.
        history_class (type): ``HistoryBuffer``.
    """
    scalars = {}
    for name, value in state.get('log_scalars', {}).items():
        if isinstance(value, (list, tuple)) and len(value) == 2:
            scalars[name] = history_class(value[0].tolist(), value[1].tolist())
    return {
        'log_scalars': scalars,
        'runtime_info': dict(state.get('runtime_info', {})),
        'resumed_keys': dict(state.get('resumed_keys', {})),
    }
