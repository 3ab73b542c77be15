"""Checkpoints with odd contents: each command does its work or says in one line what is wrong."""

import random

import pytest
import torch
from mmengine.config import Config

from mmdet.apis import init_detector, register_all_modules
from mmdet.registry import MODELS
from mmdet.utils import UserError
from tools.inspect_checkpoint import main as inspect
from tools.publish_model import main as publish

from ..model_configs import program_cfg
from ..mutations import mutated, mutated_bytes


@pytest.fixture(scope='module')
def sound():
    register_all_modules()
    torch.manual_seed(0)
    model = MODELS.build(program_cfg())
    config = Config(dict(model=program_cfg()))
    meta = dict(
        epoch=1,
        iter=10,
        cfg=config.pretty_text,
        CLASSES=['a', 'b', 'c'],
        dataset_meta=dict(classes=['a', 'b', 'c'], cat_ids=[1, 2, 3]),
        mmengine_version='0.10.12',
    )
    return config, dict(
        meta=meta,
        state_dict=dict(model.state_dict()),
        optimizer=dict(state={0: {}}, param_groups=[dict(lr=0.1, params=[0])]),
        message_hub=dict(log_scalars={}),
    )


def run(main, *args):
    """Run a tool; it ends well, or with one line."""
    try:
        main([str(arg) for arg in args])
    except SystemExit as end:
        assert end.code == 2


def use(config, path, out):
    try:
        model = init_detector(config, path)
        assert all(isinstance(name, str) for name in model.dataset_meta.get('classes', ()))
    except UserError:
        pass
    run(inspect, path)
    run(inspect, path, '--json')
    run(publish, path, out / 'published')


@pytest.mark.parametrize(
    'change',
    [
        {'meta': 3},
        {'meta': None},
        {7: torch.zeros(2)},
        {'meta': {'CLASSES': [1, 2, 3]}},
        {'meta': {'CLASSES': 'abc', 3: 4}},
        {'meta': {'dataset_meta': {'classes': [['a'], 'b', 'c']}}},
        {'meta': {'dataset_meta': {1: 2, 'CLASSES': {'a': 1}}}},
        {'meta': {'mmengine_version': 3, 'mmdet_version': None, 'cfg': b'x'}},
        {'state_dict': {'x': 'y'}},
        {'state_dict': []},
        {'ema_state_dict': {3: torch.zeros(2)}},
        {'optimizer': None, 'message_hub': [1]},
    ],
)
def test_contents_of_other_types(sound, tmp_path, capsys, change):
    config, content = sound
    torch.save({**content, **change}, tmp_path / 'odd.pth')
    use(config, tmp_path / 'odd.pth', tmp_path)
    assert 'Traceback' not in capsys.readouterr().err


@pytest.mark.long
@pytest.mark.parametrize('kind', ['contents', 'bytes'])
def test_altered_files(sound, tmp_path, capsys, kind):
    config, content = sound
    rng = random.Random(0)
    path = tmp_path / 'odd.pth'
    torch.save(content, path, _use_new_zipfile_serialization=kind == 'contents')
    data = path.read_bytes()
    for _ in range(1500):
        if kind == 'contents':
            torch.save(mutated(content, rng), path)
        else:
            path.write_bytes(mutated_bytes(data, rng))
        use(config, path, tmp_path)
        for file in tmp_path.glob('published*'):
            file.unlink()
    assert 'Traceback' not in capsys.readouterr().err
