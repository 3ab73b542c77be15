"""Finding and loading the compiled library, and what happens without it."""

import os
import subprocess
import sys
import types
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

PROGRAM = """
import warnings
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter('always')
    import torch
    from pathlib import Path
    from mmdet.ops import _library
    {prepare}
    from mmdet.ops import nms, ops_available, roi_align
    keep = nms(torch.tensor([[0., 0, 9, 9], [0, 0, 9, 8]]), torch.tensor([.9, .8]), .5)
    for _ in range(3):
        out = roi_align(torch.ones(1, 1, 4, 4), torch.tensor([[0, 0., 0, 3, 3]]), 2)
print(keep.tolist(), float(out.sum()), ops_available())
for one in caught:
    if 'compiled operators' in str(one.message):
        print(one.message)
"""


def run(prepare='', **environment):
    done = subprocess.run(
        [sys.executable, '-c', PROGRAM.format(prepare=prepare)],
        cwd=ROOT,
        env={**os.environ, 'PYTHONPATH': str(ROOT), **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_plain_path_warns_once_and_says_how_to_build():
    answer, *warning = run(MASKTRACK_OPS='plain')
    assert answer == '[0] 4.0 False'
    assert len(warning) == 1
    assert 'MASKTRACK_OPS=plain' in warning[0] and 'bash compile.sh' in warning[0]


def test_missing_library():
    lines = run("_library.LOAD_ERROR = _library.load(Path('nowhere.so'))")
    assert lines[0] == '[0] 4.0 False'
    assert 'they have not been built' in lines[1]


def test_library_that_does_not_load(tmp_path):
    broken = tmp_path / 'broken.so'
    broken.write_bytes(b'not a library')
    lines = run(f'_library.LOAD_ERROR = _library.load(Path({str(broken)!r}))')
    assert lines[0] == '[0] 4.0 False'
    assert 'does not load with torch' in lines[1]


def test_library_from_other_sources():
    from mmdet.ops import ops_available
    from mmdet.ops._library import API_VERSION

    if not ops_available():
        pytest.skip('compiled operators are not built')
    lines = run('_library.API_VERSION = 999; _library.LOAD_ERROR = _library.load()')
    assert lines[0] == '[0] 4.0 False'
    assert f'built from other sources (version {API_VERSION}, expected 999)' in lines[1]


def test_device_without_kernels_takes_the_plain_path():
    from mmdet.ops import ops_available

    assert not ops_available('xpu')


def test_gpu_of_another_generation_takes_the_plain_path(monkeypatch):
    """A kernel is tried once; one that refuses the GPU is no error, anything else is."""
    from mmdet.ops import _library

    tried = []

    def kernel(error):
        def run(*arguments):
            tried.append(1)
            if error:
                raise RuntimeError(error)

        return types.SimpleNamespace(masktrack=types.SimpleNamespace(nms_mask=run))

    monkeypatch.setattr(_library, 'HAS_CUDA_KERNELS', True)
    monkeypatch.setattr(_library.torch.cuda, 'is_available', lambda: True)
    monkeypatch.setattr(_library.torch, 'zeros', lambda *shape, device: None)
    for message, answer in (
        (None, True),
        ('CUDA error: no kernel image is available for execution on the device', False),
        ('CUDA error: the provided PTX was compiled with an unsupported toolchain.', False),
    ):
        monkeypatch.setattr(_library, '_runs', {})
        monkeypatch.setattr(_library.torch, 'ops', kernel(message))
        assert [_library.ops_available('cuda:1') for _ in range(2)] == [answer, answer]
    assert len(tried) == 3
    monkeypatch.setattr(_library, '_runs', {})
    monkeypatch.setattr(_library.torch, 'ops', kernel('CUDA error: an illegal memory access was encountered'))
    with pytest.raises(RuntimeError, match='illegal memory'):
        _library.ops_available('cuda:1')
