"""tools/publish_model.py: what is kept, what goes, and the name."""

import hashlib
from collections import OrderedDict

import pytest
import torch
from safetensors import safe_open

from mmdet.engine import read_checkpoint
from tests.compat.checkpoints import foreign
from tools.convert_checkpoint import main as convert
from tools.inspect_checkpoint import main as inspect
from tools.publish_model import main

from .checkpoints import malicious, refused

TEXT = """model = dict(type='MaskRCNN', backbone=dict(style='pytorch'),
    bbox_head=dict(bbox_coder=dict(type='LegacyDeltaXYWHBBoxCoder')),
    bbox_roi_extractor=dict(roi_layer=dict(type='RoIAlign', sampling_ratio=2, mode='legacy')))
"""


def training_checkpoint(path, ema=False):
    """What a run of mmengine leaves: weights, optimizer, schedule, messages, and averaged weights."""
    state = foreign.fill(foreign.mmdet_shapes(1))
    meta = dict(
        epoch=3, iter=120, cfg=TEXT, mmengine_version='0.10.12', dataset_meta=dict(classes=tuple('abcde'))
    )
    content = dict(
        meta=meta,
        state_dict=state,
        optimizer=dict(state={}, param_groups=[]),
        param_schedulers=[{}],
        message_hub=dict(log_scalars={}),
    )
    if ema:
        raw = OrderedDict((f'module.{key}', value + 1) for key, value in state.items())
        content['ema_state_dict'] = OrderedDict(steps=torch.tensor(7), **raw)
    torch.save(content, path)
    return state


def published(tmp_path):
    (path,) = [p for p in tmp_path.iterdir() if p.name.startswith('out')]
    return path


@pytest.mark.parametrize('kind', ['pth', 'safetensors'])
def test_only_weights_and_words_remain_under_the_hash(tmp_path, capsys, kind):
    state = training_checkpoint(tmp_path / 'epoch.pth')
    main([str(tmp_path / 'epoch.pth'), str(tmp_path / f'out.{kind}')])
    said = capsys.readouterr().out
    assert 'left out: message_hub, optimizer, param_schedulers' in said
    path = published(tmp_path)
    assert path.name == f'out-{hashlib.sha256(path.read_bytes()).hexdigest()[:8]}.{kind}'
    content = read_checkpoint(path)
    assert set(content) == {'meta', 'state_dict'}
    assert content['state_dict'].keys() == state.keys()
    assert all(torch.equal(content['state_dict'][key], value) for key, value in state.items())
    meta = content['meta']
    assert meta['CLASSES'] == list('abcde') and meta['epoch'] == 3 and meta['config'] == TEXT
    assert meta['conventions']['RoIAlign'] == 'legacy, 2x2 samples'
    assert meta['conventions']['boxes'] == 'inclusive pixels (+1)'


@pytest.mark.parametrize('kind', ['pth', 'safetensors'])
def test_the_same_checkpoint_always_gets_the_same_name(tmp_path, kind):
    training_checkpoint(tmp_path / 'epoch.pth')
    names = set()
    for turn in range(3):
        main([str(tmp_path / 'epoch.pth'), str(tmp_path / f'turn{turn}' / f'out.{kind}')])
        names.add(published(tmp_path / f'turn{turn}').name)
    assert len(names) == 1


def test_the_file_is_what_the_safetensors_library_reads(tmp_path):
    state = training_checkpoint(tmp_path / 'epoch.pth')
    main([str(tmp_path / 'epoch.pth'), str(tmp_path / 'out')])
    with safe_open(published(tmp_path), framework='pt') as file:
        assert set(file.keys()) == set(state)
        assert file.metadata()['format'] == 'pt'
        for key in file.keys():  # noqa: SIM118
            assert torch.equal(file.get_tensor(key), state[key])


@pytest.mark.parametrize(('which', 'shift'), [('auto', 0), ('ema', 0), ('raw', 1)])
def test_averaged_or_raw_weights(tmp_path, capsys, which, shift):
    state = training_checkpoint(tmp_path / 'epoch.pth', ema=True)
    main([str(tmp_path / 'epoch.pth'), str(tmp_path / 'out.pth'), '--weights', which])
    got = read_checkpoint(published(tmp_path))['state_dict']
    assert torch.equal(got['neck.fpn_convs.0.conv.weight'], state['neck.fpn_convs.0.conv.weight'] + shift)
    assert 'steps' not in got and got.keys() == state.keys()
    assert ('averaged weights' in capsys.readouterr().out) == (which != 'raw')


def test_ema_of_a_run_without_is_an_error(tmp_path, capsys):
    training_checkpoint(tmp_path / 'epoch.pth')
    line = refused(capsys, main, tmp_path / 'epoch.pth', tmp_path / 'out', '--weights', 'ema')
    assert 'no averaged weights' in line


def test_half_precision_halves_the_file(tmp_path):
    training_checkpoint(tmp_path / 'epoch.pth')
    main([str(tmp_path / 'epoch.pth'), str(tmp_path / 'out'), '--half'])
    path = published(tmp_path)
    state = read_checkpoint(path)['state_dict']
    assert state['neck.fpn_convs.0.conv.weight'].dtype == torch.float16
    assert state['backbone.bn1.num_batches_tracked'].dtype == torch.int64
    assert path.stat().st_size < 0.55 * (tmp_path / 'epoch.pth').stat().st_size


def test_config_must_fit_the_weights(tmp_path, capsys):
    torch.save(foreign.fill(foreign.mmdet_shapes(2)), tmp_path / 'foreign.pth')
    convert([str(tmp_path / 'foreign.pth'), str(tmp_path / 'w.pth'), '--config-out', str(tmp_path / 'w.py')])
    capsys.readouterr()
    main([str(tmp_path / 'w.pth'), str(tmp_path / 'out'), '--config', str(tmp_path / 'w.py')])
    meta = read_checkpoint(published(tmp_path))['meta']
    assert meta['converted_from']['format'] == 'mmdet2'
    assert meta['conventions']['masks'] == 'continuous'
    wrong = (tmp_path / 'w.py').read_text().replace('fc_out_channels=48', 'fc_out_channels=64')
    (tmp_path / 'wrong.py').write_text(wrong)
    line = refused(capsys, main, tmp_path / 'w.pth', tmp_path / 'other', '--config', tmp_path / 'wrong.py')
    assert 'does not fit' in line
    line = refused(capsys, main, tmp_path / 'w.pth', tmp_path / 'other', '--classes', 'x', 'y')
    assert '2 class names for a classifier of 5' in line


def test_published_file_is_known_as_native(tmp_path, capsys):
    training_checkpoint(tmp_path / 'epoch.pth')
    main([str(tmp_path / 'epoch.pth'), str(tmp_path / 'out')])
    capsys.readouterr()
    inspect([str(published(tmp_path))])
    said = capsys.readouterr().out
    assert 'format native' in said and 'classes: a, b, c, d, e' in said and 'also stored' not in said


def test_a_pickle_that_runs_code_is_refused(tmp_path, capsys):
    mark = tmp_path / 'ran'
    source = malicious(tmp_path / 'bad.pth', mark, foreign.fill(foreign.mmdet_shapes(1)))
    assert '--trust-checkpoint' in refused(capsys, main, source, tmp_path / 'out')
    assert not mark.exists()
    main([str(source), str(tmp_path / 'out'), '--trust-checkpoint'])
    assert mark.exists() and published(tmp_path).suffix == '.safetensors'
