"""Files of configs: executed Python, the same values from every format, one line for what cannot be read."""

import json

import pytest

from mmdet.apis import load_config
from mmdet.apis.config_file import read_config
from mmdet.utils import UserError
from tests.compat.configs.old_configs import SMALL_CFG, YOUTUBEVOS_2019


def write(tmp_path, text, name='config.py'):
    (tmp_path / name).write_text(text)
    return tmp_path / name


@pytest.mark.parametrize(
    'imports', ['import numpy as np', 'import os, numpy as np', 'from numpy import sqrt']
)
def test_imports_work_as_in_any_python_file(tmp_path, imports):
    name = 'sqrt' if 'sqrt' in imports else 'np.sqrt'
    config = read_config(write(tmp_path, f'{imports}\nlr = {name}(4e-6)\nsteps = [{name}(4.0)]\n'))
    assert type(config.lr) is float and config.lr == pytest.approx(0.002)
    assert config.steps == [2.0] and set(config.keys()) == {'lr', 'steps'}


def test_values_become_plain(tmp_path):
    text = (
        'import collections\nimport numpy as np\nfrom pathlib import Path\n'
        'def helper(x): return x\n'
        'a = dict(b=np.arange(3), c=Path("x") / "y", d=range(2), e=dict(type=collections.OrderedDict))\n'
        'print("noise")\n'
    )
    config = read_config(write(tmp_path, text))
    assert config.to_dict() == {
        'a': dict(b=[0, 1, 2], c='x/y', d=[0, 1], e=dict(type='collections.OrderedDict'))
    }


def test_read_base_is_read_in_the_lazy_way(tmp_path):
    write(tmp_path, 'optim_wrapper = dict(optimizer=dict(lr=0.1))\n', 'base.py')
    text = (
        'from mmengine.config import read_base\nfrom torch.optim import SGD\n'
        'with read_base():\n    from .base import *\n'
        'optim_wrapper.update(optimizer=dict(type=SGD, lr=0.2))\n'
    )
    config = read_config(write(tmp_path, text))
    assert config.optim_wrapper.optimizer.type.startswith('torch.optim')
    assert config.optim_wrapper.optimizer.lr == 0.2


def lists(value):
    """Tuples as lists: the other formats have no tuples."""
    if isinstance(value, dict):
        return {key: lists(item) for key, item in value.items()}
    return [lists(item) for item in value] if isinstance(value, (list, tuple)) else value


@pytest.mark.parametrize('text', [SMALL_CFG, YOUTUBEVOS_2019])
def test_all_formats_read_alike(tmp_path, text):
    import yaml

    python = write(tmp_path, text)
    values = lists(read_config(python).to_dict())
    write(tmp_path, json.dumps(values), 'config.json')
    write(tmp_path, yaml.safe_dump(values).replace('0.0001', '1e-4'), 'config.yaml')
    expected = lists(load_config(python, quiet=True).to_dict())
    for name in ('config.json', 'config.yaml'):
        assert lists(load_config(tmp_path / name, quiet=True).to_dict()) == expected, name


@pytest.mark.parametrize(
    ('text', 'name', 'message'),
    [
        ('\nimport nothing_of_that_name\n', 'x.py', "x.py, line 2: .*No module named 'nothing_of_that_name'"),
        ('a = 1\nb = [0][1]\n', 'x.py', 'x.py, line 2: .*IndexError'),
        ('import sys\nsys.exit(3)\n', 'x.py', 'x.py, line 2: .*SystemExit'),
        ('assert False\n', 'x.py', 'x.py, line 1: .*AssertionError: no message'),
        (
            'model = dict(a=object())\n',
            'x.py',
            'model.a: expected .* dicts, got object',
        ),
        ('{"a": 1', 'x.json', 'x.json: cannot be read: JSONDecodeError'),
        ('[1, 2]', 'x.json', 'expected keys and values, got a list'),
        ('a: [1', 'x.yaml', 'x.yaml: cannot be read'),
        ('- 1\n- 2\n', 'x.yaml', 'x.yaml: '),
        ('', 'x.yaml', 'x.yaml: '),
        ("_base_ = '../models/gone.py'\n", 'x.py', 'gone.py, which it builds on, does not exist'),
    ],
)
def test_what_cannot_be_read_is_one_line(tmp_path, text, name, message):
    with pytest.raises(UserError, match=message) as caught:
        load_config(write(tmp_path, text, name))
    assert '\n' not in str(caught.value)


def test_a_config_whose_bases_are_missing_is_recognized_all_the_same(tmp_path):
    text = "_base_ = ['../gone.py']\nmodel = dict(type='MaskTrackRCNN', detector=dict(), track_head=dict())\n"
    with pytest.raises(UserError, match=r'gone.py.*does not exist.*masktrack_rcnn_r50_fpn_12e'):
        load_config(write(tmp_path, text))
    text = "_base_ = ['../gone.py']\nmodel = dict(roi_head=dict(bbox_head=dict(num_classes=3)))\n"
    with pytest.raises(UserError, match=r'gone.py.*does not exist.*mmdetection 2 or 3 \(it has'):
        load_config(write(tmp_path, text))


@pytest.mark.parametrize(
    'text, message',
    [
        ('x = (\n', r"base\.py, line 1: '\(' was never closed"),
        ('\ufeffx = 1\n', r'base\.py: begins with a byte'),
    ],
)
def test_a_base_whose_text_cannot_be_read_is_named(tmp_path, text, message):
    (tmp_path / 'base.py').write_text(text, encoding='utf-8')
    (tmp_path / 'c.py').write_text("_base_ = ['./base.py']\n")
    with pytest.raises(UserError, match=message):
        read_config(tmp_path / 'c.py')
