"""Reading checkpoints: what is accepted, what is refused, and that nothing runs on loading."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer
from mmengine.model import BaseModule
from mmengine.runner import CheckpointLoader

import mmdet.engine.checkpoint as checkpoint_module
from mmdet.engine import read_checkpoint, trusting, write_checkpoint
from mmdet.engine.checkpoint import state_dict_of
from mmdet.utils import UserError

from .toy import toy_runner


class Payload:
    """On unpickling creates a file: harmless, and it shows that code ran."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return (os.mkdir, (self.path,))


@pytest.fixture
def malicious(tmp_path):
    """A checkpoint that makes the folder ``ran`` when it is unpickled."""
    path = tmp_path / 'malicious.pth'
    state = {'head.weight': torch.zeros(3, 4)}
    torch.save(
        {'state_dict': state, 'meta': {'epoch': 1, 'iter': 1, 'note': Payload(tmp_path / 'ran')}}, path
    )
    return path


def test_malicious_pickle_is_refused_with_the_reason_and_the_flag(malicious, tmp_path):
    with pytest.raises(UserError, match=r'refused.*mkdir.*--trust-checkpoint'):
        read_checkpoint(malicious)
    assert not (tmp_path / 'ran').exists()


@pytest.mark.parametrize('zipped', [True, False])
def test_old_and_new_file_formats_are_refused_alike(tmp_path, zipped):
    path = tmp_path / 'x.pth'
    torch.save({'a': Payload(tmp_path / 'ran')}, path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(UserError, match='mkdir'):
        read_checkpoint(path)
    with pytest.raises(UserError, match='mkdir'):
        CheckpointLoader.load_checkpoint(str(path), map_location='cpu')
    assert not (tmp_path / 'ran').exists()


def test_trusted_file_is_loaded(malicious, tmp_path):
    with trusting():
        assert 'state_dict' in read_checkpoint(malicious)
    assert (tmp_path / 'ran').is_dir()
    with pytest.raises(UserError):
        read_checkpoint(malicious)


def test_pretrained_init_is_safe_too(malicious, tmp_path):
    module = BaseModule(init_cfg=dict(type='Pretrained', checkpoint=str(malicious)))
    module.head = torch.nn.Linear(4, 3)
    with pytest.raises(UserError, match='refused'):
        module.init_weights()
    assert not (tmp_path / 'ran').exists()


@pytest.mark.parametrize('resume', [False, True])
def test_load_from_and_resume_are_safe(malicious, tmp_path, resume):
    runner = toy_runner(tmp_path / 'run', load_from=str(malicious), resume=resume)
    with pytest.raises(UserError, match='refused'):
        runner.train()
    assert not (tmp_path / 'ran').exists()


def test_getattr_is_not_free(tmp_path):
    class Reach:
        def __reduce__(self):
            return (getattr, (np.ndarray, 'tofile'))

    torch.save({'a': Reach()}, tmp_path / 'x.pth')
    with pytest.raises(UserError, match='refused'):
        read_checkpoint(tmp_path / 'x.pth')


def test_checkpoint_of_mmengine_with_log_histories_loads(tmp_path):
    history = HistoryBuffer([1.0, 2.0], [1, 1])
    history._statistics_methods = {'mean': HistoryBuffer.mean, 'max': HistoryBuffer.max}
    content = {
        'message_hub': {'log_scalars': {'loss': history}, 'best': np.float64(0.5), 'when': np.zeros(2)},
        'state_dict': {'w': torch.ones(2)},
    }
    torch.save(content, tmp_path / 'x.pth')
    loaded = read_checkpoint(tmp_path / 'x.pth')
    assert torch.equal(loaded['state_dict']['w'], torch.ones(2))
    assert loaded['message_hub']['best'] == 0.5
    assert not isinstance(loaded['message_hub']['log_scalars']['loss'], HistoryBuffer)


class Forged:
    """Unpickles by a call of the given function."""

    def __init__(self, function, *args, state=None):
        self.call = (function, args) if state is None else (function, args, state)

    def __reduce__(self):
        return self.call


def forged_array(shape, kind):
    """An array that is filled with 32 bytes."""
    start = (np._core.multiarray._reconstruct, np.ndarray, (0,), b'b')
    return Forged(*start, state=(1, shape, np.dtype(kind), False, POINTERS))


POINTERS = b'\x41' * 32
FORGERIES = {
    'objects out of bytes': Forged(np.ndarray, (4,), np.dtype('O'), POINTERS),
    'an array with arguments': Forged(np.ndarray, (4,), np.dtype('f8'), POINTERS),
    'an empty array of objects': Forged(np._core.multiarray._reconstruct, np.ndarray, (0,), b'O'),
    'an array filled with objects': forged_array((4,), 'O'),
    'a scalar object': Forged(np._core.multiarray.scalar, np.dtype('O'), POINTERS[:8]),
    'a record': np.zeros(2, dtype=[('a', 'O'), ('b', 'f8')]),
    'an array of objects': np.array([{}, []], dtype=object),
    'a subarray': np.dtype(('O', (2,))),
    'too few bytes': forged_array((1 << 40,), 'f8'),
    'a negative shape': forged_array((-1, -4), 'f8'),
    'another number of bytes': Forged(np._core.multiarray.scalar, np.dtype('f8'), b'1234'),
    'a method of an array': Forged(getattr, np.ndarray, 'tofile'),
}


@pytest.mark.parametrize('name', FORGERIES)
@pytest.mark.parametrize('place', ['state_dict', 'meta', 'optimizer', 'message_hub'])
@pytest.mark.parametrize('zipped', [True, False])
def test_no_forged_array_becomes_an_object(tmp_path, name, place, zipped):
    content = {'state_dict': {'w': torch.ones(1)}, 'meta': {}, 'optimizer': {}, 'message_hub': {}}
    content[place]['x'] = FORGERIES[name]
    torch.save(content, tmp_path / 'x.pth', _use_new_zipfile_serialization=zipped)
    with pytest.raises(UserError, match=r'x\.pth (is refused|cannot be read)'):
        read_checkpoint(tmp_path / 'x.pth')


def test_arrays_and_numbers_of_numpy_become_tensors_and_numbers(tmp_path):
    content = {
        'state_dict': {'w': np.arange(6, dtype='>f4').reshape(2, 3), 'f': np.asfortranarray(np.eye(2, 3))},
        'meta': {'best': [np.float32(0.5), np.int64(3), np.bool_(True)], 'pair': (np.zeros((0, 2), 'u1'),)},
    }
    torch.save(content, tmp_path / 'x.pth')
    loaded = read_checkpoint(tmp_path / 'x.pth')
    assert torch.equal(loaded['state_dict']['w'], torch.arange(6.0).reshape(2, 3))
    assert torch.equal(loaded['state_dict']['f'], torch.eye(2, 3, dtype=torch.float64))
    assert loaded['meta']['best'] == [0.5, 3, True]
    assert loaded['meta']['pair'][0].shape == (0, 2)


def test_tensors_that_are_not_dense_are_refused(tmp_path):
    for tensor in (torch.eye(3).to_sparse(), torch.quantize_per_tensor(torch.rand(3), 0.1, 0, torch.qint8)):
        torch.save({'state_dict': {'w': tensor}}, tmp_path / 'x.pth')
        with pytest.raises(UserError, match='not dense'):
            read_checkpoint(tmp_path / 'x.pth')


def test_checkpoints_of_our_runner_need_nothing_but_data(tmp_path):
    runner = toy_runner(tmp_path, epochs=1, val=True)
    runner.train()
    content = torch.load(tmp_path / 'epoch_1.pth', weights_only=True)  # no allowed names at all
    assert content['meta']['epoch'] == 1
    assert content['meta']['seed'] == 7
    assert content['meta']['dataset_meta']['classes'] == ('a', 'b', 'c')
    assert set(content) >= {'state_dict', 'optimizer', 'param_schedulers', 'message_hub', 'random_states'}


@pytest.mark.parametrize(
    ('name', 'data', 'message'),
    [
        ('empty.pth', b'', 'truncated or no checkpoint'),
        ('text.pth', b'not a checkpoint at all', 'no checkpoint'),
        ('model.safetensors', b'12345678{no', 'cannot be read as safetensors'),
        ('model.safetensors', b'version https://git-lfs.github.com/spec/v1', 'a pointer of Git LFS'),
        ('model.safetensors', b'<!DOCTYPE html>', 'it begins with'),
        ('model.safetensors', b'PK\x03\x04', 'rename it to .pth'),
    ],
)
def test_damaged_files_are_named(tmp_path, name, data, message):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(UserError, match=f'{name}.*{message}'):
        read_checkpoint(tmp_path / name)


@pytest.mark.parametrize('zipped', [True, False])
@pytest.mark.parametrize('share', [0.1, 0.5, 0.9])
def test_truncated_files_are_named(tmp_path, zipped, share):
    path = tmp_path / 'x.pth'
    torch.save({'state_dict': {'w': torch.rand(1000)}}, path, _use_new_zipfile_serialization=zipped)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with pytest.raises(UserError, match=r'x.pth cannot be read; it is truncated or no checkpoint'):
        read_checkpoint(path)


def test_missing_file_and_folder_and_list(tmp_path):
    (tmp_path / 'epoch_12.pth').touch()
    with pytest.raises(UserError, match=r"does not exist \(did you mean 'epoch_12.pth'"):
        read_checkpoint(tmp_path / 'epoch_13.pth')
    with pytest.raises(UserError, match='is a folder'):
        read_checkpoint(tmp_path)
    torch.save([1, 2], tmp_path / 'list.pth')
    with pytest.raises(UserError, match='holds a list, expected a dict'):
        read_checkpoint(tmp_path / 'list.pth')


def test_safetensors_are_read_under_any_name(tmp_path):
    write_checkpoint({'meta': {}, 'state_dict': {'w': torch.ones(2)}}, tmp_path / 'x.safetensors')
    (tmp_path / 'x.safetensors').rename(tmp_path / 'x.pth')
    assert torch.equal(read_checkpoint(tmp_path / 'x.pth')['state_dict']['w'], torch.ones(2))


def test_tensors_without_values_are_refused(tmp_path):
    torch.save({'state_dict': {'w': torch.ones(2, device='meta')}}, tmp_path / 'x.pth')
    with pytest.raises(UserError, match='it holds a tensor without values'):
        read_checkpoint(tmp_path / 'x.pth')


def test_safetensors_round_trip(tmp_path):
    content = {'meta': {'classes': ['a', 'b'], 'note': 'text'}, 'state_dict': {'w': torch.rand(3, 2)}}
    write_checkpoint(content, tmp_path / 'x.safetensors')
    loaded = read_checkpoint(tmp_path / 'x.safetensors')
    assert torch.equal(loaded['state_dict']['w'], content['state_dict']['w'])
    assert loaded['meta']['classes'] == ['a', 'b']
    assert loaded['meta']['note'] == 'text'


def test_crash_while_writing_keeps_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / 'x.pth'
    write_checkpoint({'state_dict': {'w': torch.ones(1)}}, path)

    def half(content, file):
        file.write(b'half')
        raise OSError('disk full')

    monkeypatch.setattr(checkpoint_module.torch, 'save', half)
    with pytest.raises(OSError, match='disk full'):
        write_checkpoint({'state_dict': {}}, path)
    monkeypatch.undo()
    assert torch.equal(read_checkpoint(path)['state_dict']['w'], torch.ones(1))
    assert [p.name for p in tmp_path.iterdir()] == ['x.pth']


def test_state_dict_of_strips_module_and_wants_tensors():
    state = {'module.a': torch.ones(1), 'module.b': torch.ones(2)}
    assert list(state_dict_of({'state_dict': state})) == ['a', 'b']
    assert list(state_dict_of(state)) == ['a', 'b']
    with pytest.raises(UserError, match='got the keys: epoch, lr'):
        state_dict_of({'epoch': 1, 'lr': 0.1})


# --- addresses ---


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """An empty download cache and no network."""
    monkeypatch.setattr(torch.hub, 'get_dir', lambda: str(tmp_path / 'hub'))

    def refuse(*args, **kwargs):
        raise OSError('no network')

    monkeypatch.setattr('urllib.request.urlopen', refuse)
    (tmp_path / 'hub' / 'checkpoints').mkdir(parents=True)
    return tmp_path / 'hub' / 'checkpoints'


@pytest.mark.parametrize('address', ['torchvision://resnet50', 'modelzoo://resnet50'])
def test_imagenet_weights_come_from_the_cache(hub, address):
    torch.save({'conv1.weight': torch.ones(1)}, hub / 'resnet50-0676ba61.pth')
    assert list(read_checkpoint(address)) == ['conv1.weight']


def test_no_network_says_where_to_put_the_file(hub):
    with pytest.raises(UserError, match=r'cannot download .*resnet50.*put it at .*hub/checkpoints/resnet50'):
        read_checkpoint('torchvision://resnet50')


@pytest.mark.parametrize(
    ('address', 'message'),
    [
        ('torchvision://resnet5', r"no weights named 'resnet5' \(did you mean 'resnet"),
        ('s3://bucket/file.pth', r'scheme s3:// is not supported'),
        ('open-mmlab://nothing_like_it_exists', 'no weights named'),
    ],
)
def test_unknown_addresses(hub, address, message):
    with pytest.raises(UserError, match=message):
        read_checkpoint(address)


def test_every_scheme_of_mmengine_goes_through_ours():
    assert set(CheckpointLoader._schemes.values()) == {checkpoint_module._load_for_mmengine}


def test_pickle_module_is_not_used_directly():
    source = Path(checkpoint_module.__file__).read_text(encoding='utf-8')
    assert 'pickle.load' not in source
    assert source.count('weights_only=False') == 1


@pytest.mark.parametrize(
    'content, reason',
    [
        (b'<!DOCTYPE html>\n<html>', r"it begins with b'<!DOCTYPE html>'"),
        (b'version https://git-lfs.github.com/spec/v1\noid sha256:1', 'a pointer of Git LFS; git lfs pull'),
        (b'video,object,category\n', "it begins with b'video,object,category'"),
        (b'', 'truncated or no checkpoint'),
    ],
)
def test_other_files_are_told_by_their_beginning(tmp_path, content, reason):
    (tmp_path / 'x.pth').write_bytes(content)
    with pytest.raises(UserError, match=reason) as caught:
        read_checkpoint(tmp_path / 'x.pth')
    assert 'weights_only' not in str(caught.value)


def test_a_full_disk_is_one_line_with_the_path(tmp_path):
    code = (
        'import resource, sys, torch\n'
        'from mmdet.engine import write_checkpoint\n'
        'from mmdet.utils import cli_main\n'
        'resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))\n'
        "cli_main(lambda: write_checkpoint({'state_dict': {'w': torch.zeros(10**6)}}, sys.argv[1]))()\n"
    )
    path = tmp_path / 'x.pth'
    done = subprocess.run(
        [sys.executable, '-c', code, str(path)], capture_output=True, text=True, timeout=120
    )
    assert (done.returncode, done.stderr) == (2, f'error: {path}: File too large\n')
    assert list(tmp_path.iterdir()) == []
