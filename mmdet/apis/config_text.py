"""Configs as Python text a person would write: one assignment a key, ``dict(...)``, few lines."""

import keyword
import math

from mmdet.utils import UserError, suggest

WIDTH = 110
# The order in which a reader asks; other keys follow in the order of the config.
_ORDER = (
    'default_scope',
    'model',
    'train_dataloader',
    'val_dataloader',
    'test_dataloader',
    'val_evaluator',
    'test_evaluator',
    'train_cfg',
    'val_cfg',
    'test_cfg',
    'optim_wrapper',
    'param_scheduler',
    'default_hooks',
)


def _entries(value, indent):
    """Return opening text, closing text and the rendered items of a container, or None for a plain value."""
    if isinstance(value, dict):
        if all(isinstance(k, str) and k.isidentifier() and not keyword.iskeyword(k) for k in value):
            return 'dict(', ')', [f'{k}={render(v, indent + 4, len(k) + 1)}' for k, v in value.items()]
        return '{', '}', [f'{k!r}: {render(v, indent + 4, len(repr(k)) + 2)}' for k, v in value.items()]
    if isinstance(value, tuple) and len(value) == 1:
        return '(', ',)', [render(value[0], indent + 4)]
    if isinstance(value, (list, tuple)):
        brackets = '[]' if isinstance(value, list) else '()'
        return brackets[0], brackets[1], [render(v, indent + 4) for v in value]
    return None


def render(value, indent=0, used=0):
    """Return Python source of a value; what does not fit a line is laid out one item a line.

    Args:
        value: dict, list, tuple or plain value.
        indent (int): columns the surrounding block is indented by.
        used (int): columns taken by what stands before the value on its line.
    """
    parts = _entries(value, indent)
    if parts is None:
        if isinstance(value, float) and not math.isfinite(value):
            return f"float('{value}')"  # nan and inf have no literal
        long = isinstance(value, int) and value.bit_length() > 10_000
        return hex(value) if long else repr(value)
    opening, closing, items = parts
    line = opening + ', '.join(items) + closing
    if len(line) + indent + used < WIDTH and '\n' not in line:
        return line
    pad = ' ' * (indent + 4)
    return opening + '\n' + ''.join(f'{pad}{item},\n' for item in items) + ' ' * indent + closing.lstrip(',')


def config_text(config):
    """Return the text of a whole config that reads back as the same config.

    Args:
        config (Config): native or not.
    """
    values = config._cfg_dict.to_dict()
    keys = [key for key in _ORDER if key in values] + [key for key in values if key not in _ORDER]
    return ''.join(f'{key} = {render(values[key], used=len(key) + 3)}\n' for key in keys)


def lookup(config, name):
    """Return the part of a config with a dotted name such as ``model.backbone``.

    Raises:
        UserError: there is no such part; names the close one.
    """
    node = config._cfg_dict.to_dict()
    for part in name.split('.'):
        if isinstance(node, (list, tuple)) and part.isdigit() and int(part) < len(node):
            node = node[int(part)]
        elif isinstance(node, dict) and part in node:
            node = node[part]
        else:
            near = suggest(part, node) if isinstance(node, dict) else ''
            raise UserError(f'{name}: the config has no {part!r}{near}')
    return node
