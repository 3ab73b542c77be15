"""Thousands of damaged configs: each is used or refused in one line, and what is accepted can be written."""

import copy
import functools
import random

import pytest
import torch
from mmengine.config import Config

from mmdet.apis import load_config
from mmdet.apis.config import building
from mmdet.apis.config_file import read_config
from mmdet.apis.config_text import config_text
from mmdet.engine.components import check_components
from mmdet.registry import MODELS
from mmdet.utils import UserError

from .modern_configs import TRACKING_0, TRACKING_1, TRACKING_3
from .old_configs import COCO_2019, SMALL_CFG, YOUTUBEVOS_2019
from .test_upgrade import with_pipeline

VALUES = (
    *(None, True, False, -1, 0, 1, 2, 3, 7, 10**9, -(10**30), 10**5000, 0.5, 1.5, -0.1, 1e-300, 1e300),
    *(float('nan'), float('inf'), -float('inf'), '', 'x', '1', 'ResNet', 'a\0b', 'a\nb', '\ud800', 'é'),
    *([], [1], [0.5, 2], [None], ['x'], [[]], [[1, 2]], (), (1, 2), {}, {'type': None}, {'type': 'X'}),
    *({'type': 'ResNet'}, {'a': 1}, [{'type': 'X'}], [{}], {1: 2}, {'a': {'b': []}}),
)


def parse(text):
    """The settings of a config text, without its variables."""
    names = {}
    exec(text, names)
    variables = ('__builtins__', 'img_norm_cfg', 'dataset_type', 'data_root')
    return {key: value for key, value in names.items() if key not in variables}


def seeds():
    old = [parse(text) for text in (SMALL_CFG, YOUTUBEVOS_2019, COCO_2019)]
    later = copy.deepcopy(old[2])
    data = Config(later).data
    later['data'].update({split: dict(with_pipeline(data[split], split)) for split in ('train', 'test')})
    later = Config(later).to_dict()
    return [*old, *old, later, TRACKING_0, TRACKING_1, TRACKING_3]


def places(node, path=()):
    """Paths of all values in a config."""
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in items:
        yield (*path, key)
        yield from places(value, (*path, key))


def mutate(config, rng):
    """Change one place: another value, one from elsewhere, a missing key, a misspelled one, one too many."""
    path = rng.choice(list(places(config)))
    node = config
    for key in path[:-1]:
        node = node[key]
    key, how = path[-1], rng.choice('vvvvvmdtaw')
    if how == 'v':
        node[key] = copy.deepcopy(rng.choice(VALUES))
    elif how == 'm':
        other = config
        for step in rng.choice(list(places(config))):
            other = other[step]
        node[key] = copy.deepcopy(other)
    elif how == 'd':
        del node[key]
    elif how == 't' and isinstance(key, str):
        position = rng.randrange(len(key))
        node[key[:position] + key[position + 1 :]] = node.pop(key)
    elif how == 'a' and isinstance(node, dict):
        node[rng.choice(('typo', 'type', 'interval', 'num', 'pipeline', 'hooks'))] = rng.choice(VALUES)
    else:
        node[key] = [node[key]]


def source(value):
    """Python source of a value, numbers without a literal included."""
    if isinstance(value, dict):
        return '{' + ', '.join(f'{source(k)}: {source(v)}' for k, v in value.items()) + '}'
    if isinstance(value, (list, tuple)):
        return f'{type(value).__name__}([{", ".join(map(source, value))}])'
    if isinstance(value, float):
        return f"float('{value}')"
    return '10**5000' if isinstance(value, int) and value > 10**4000 else ascii(value)


def equal(left, right):
    return all(source(left.get(key)) == source(right.get(key)) for key in {*left, *right})


@pytest.mark.long
def test_damaged_configs(tmp_path, monkeypatch, capsys):
    """Every third one goes through files; the others start from the values, which is faster."""
    rng, starts, path, again = random.Random(9), seeds(), tmp_path / 'config.py', tmp_path / 'again.py'
    accepted = refused = built = 0
    for number in range(3000):
        values = copy.deepcopy(rng.choice(starts))
        for _ in range(rng.choice((1, 1, 2, 3))):
            mutate(values, rng)
        read = read_config
        if number % 3 == 0:
            path.write_text(''.join(f'{key} = {source(value)}\n' for key, value in values.items() if key))
        else:
            read = functools.partial(lambda values, path: Config(values, filename=str(path)), values)
        monkeypatch.setattr('mmdet.apis.config.read_config', read)
        try:
            native = load_config(path)
            accepted += 1
            if number % 3 == 0:
                again.write_text(config_text(native))
                assert equal(load_config(again).to_dict(), native.to_dict()), number
            check_components(native)
            if number % 4 == 0:
                with building('the model'), torch.device('meta'):
                    MODELS.build(native.model)
                built += 1
        except UserError as error:
            refused += 1
            assert '\n' not in str(error), (number, error)
    capsys.readouterr()
    assert accepted > 1000 and refused > 1000 and built > 200
