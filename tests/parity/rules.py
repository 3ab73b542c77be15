"""Reading golden numbers and rebuilding the deterministic weights they were made with.

The goldens are inputs and outputs of the 2019 release, recorded by running it on CPU. Weights are not stored:
every tensor follows from its key and shape (splitmix64 seeded with the CRC-32 of the key).
"""

import json
import zlib
from pathlib import Path

import numpy as np
import torch

GOLDEN = Path(__file__).resolve().parents[1] / 'golden'


def load_npz(name):
    """Return the arrays of ``tests/golden/<name>`` as a dict."""
    with np.load(GOLDEN / name) as file:
        return {key: file[key] for key in file.files}


def load_json(name):
    """Return the content of ``tests/golden/<name>``."""
    return json.loads((GOLDEN / name).read_text())


def uniform(key, count):
    """``count`` numbers in [0, 1) that depend only on ``key``, float64."""
    with np.errstate(over='ignore'):
        state = (np.uint64(zlib.crc32(key.encode())) << np.uint64(32)) + np.arange(count, dtype=np.uint64)
        state = state + np.uint64(0x9E3779B97F4A7C15)
        state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        state = state ^ (state >> np.uint64(31))
    return (state >> np.uint64(11)).astype(np.float64) * 2.0**-53


def rule_tensor(key, shape, gain=1.0):
    """The tensor that the weight rule gives for a state-dict entry."""
    last = key.rsplit('.', 1)[-1]
    if last == 'num_batches_tracked':
        return torch.zeros(shape, dtype=torch.int64)
    count = int(np.prod(shape))
    signed = 2 * uniform(key, count) - 1
    if last == 'running_mean':
        value = 0.1 * signed
    elif last == 'running_var':
        value = 1 + 0.25 * signed
    elif last == 'bias':
        value = 0.02 * signed
    elif len(shape) == 1:
        value = (0.5 if '.bn3.' in key else 1.0) * (1 + 0.1 * signed)
    else:
        fan_in = shape[0] if 'mask_head.upsample' in key else int(np.prod(shape[1:]))
        value = signed * np.sqrt(6.0 / fan_in)
    return torch.from_numpy((value * gain).reshape(shape).astype(np.float32))


def fill_by_rule(module, gains=None):
    """Overwrite every parameter and buffer of ``module`` by the rule; returns ``module``."""
    gains = gains or {}
    state = {
        key: rule_tensor(key, tuple(value.shape), gains.get(key, 1.0))
        for key, value in module.state_dict().items()
    }
    module.load_state_dict(state)
    return module


def first_k(count, k, generator=None):
    """The deterministic stand-in for random choice that the goldens were recorded with."""
    return np.arange(k)
