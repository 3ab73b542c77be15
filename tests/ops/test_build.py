"""Building and packaging: what is reused, what is named when it is missing, who else owns the import name."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from mmdet.ops import ops_available

from .test_cuda_sources import build_native

ROOT = Path(__file__).resolve().parents[2]
HAS_COMPILER = any(shutil.which(name) for name in ('c++', 'g++', 'clang++'))


def compile_sh(*arguments, **environment):
    return subprocess.run(
        ['bash', str(ROOT / 'compile.sh'), *arguments],
        env={**os.environ, 'PYTHON': sys.executable, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.skipif(not HAS_COMPILER, reason='no C++ compiler')
def test_operators_are_built_where_there_is_a_compiler():
    """Tests of the compiled path skip without the library; this one fails, so that they never all skip."""
    if os.environ.get('MASKTRACK_OPS') == 'plain':
        pytest.skip('MASKTRACK_OPS=plain')
    assert ops_available(), 'run bash compile.sh'


@pytest.mark.skipif(not HAS_COMPILER, reason='no C++ compiler')
def test_second_build_does_nothing():
    first, second = compile_sh(), compile_sh()
    assert first.returncode == 0, first.stderr
    assert 'up to date' in second.stdout and second.stdout.count('\n') == 1
    assert f'torch {build_native.find_torch()[1]}' in second.stdout


def test_missing_compiler_is_named_in_one_line():
    done = compile_sh('--force', CXX='no-such-compiler')
    assert done.returncode == 1
    line = done.stderr.splitlines()[0]
    assert line == 'error: operators not built: no C++ compiler (no-such-compiler), install g++'
    assert 'Traceback' not in done.stderr


def test_missing_torch_is_named(monkeypatch):
    monkeypatch.setattr(build_native.importlib.util, 'find_spec', lambda name: None)
    with pytest.raises(build_native.Missing, match='torch is not installed'):
        build_native.find_torch()


@pytest.mark.parametrize(
    ('version', 'text'), [('2.9.1', 'torch 2.9.1 is too old'), ('2.10.0', 'without its C.. headers')]
)
def test_unfit_torch_is_named(monkeypatch, tmp_path, version, text):
    (tmp_path / 'version.py').write_text(f"__version__ = '{version}'\ncuda: Optional[str] = None\n")
    (tmp_path / '__init__.py').write_text('')
    spec = type('Spec', (), {'origin': str(tmp_path / '__init__.py')})
    monkeypatch.setattr(build_native.importlib.util, 'find_spec', lambda name: spec)
    with pytest.raises(build_native.Missing, match=text):
        build_native.find_torch()


def test_failing_compiler_is_named(tmp_path, capsys):
    broken = tmp_path / 'broken.cpp'
    broken.write_text('int main( {')
    if not HAS_COMPILER:
        pytest.skip('no C++ compiler')
    with pytest.raises(build_native.Missing, match='failed .exit status'):
        build_native.run([*build_native.find_compiler(), '-c', broken, '-o', tmp_path / 'broken.o'])
    assert 'broken.cpp' in capsys.readouterr().err


def test_cuda_part_needs_the_compiler_of_the_same_major_version(monkeypatch, tmp_path):
    nvcc = tmp_path / 'nvcc'
    nvcc.write_text('#!/bin/sh\necho "Cuda compilation tools, release 13.0, V13.0.88"\n')
    nvcc.chmod(0o755)
    monkeypatch.setattr(build_native, 'find_nvcc', lambda: (str(nvcc), tmp_path))
    assert build_native.cuda_part('13.1') == (str(nvcc), tmp_path, 'CPU and CUDA 13.1')
    assert build_native.cuda_part('12.8')[0] is None
    assert 'nvcc is of CUDA 13.0 and torch of CUDA 12.8' in build_native.cuda_part('12.8')[2]
    assert build_native.cuda_part(None) == (None, None, 'CPU')
    monkeypatch.setattr(build_native, 'find_nvcc', lambda: (None, None))
    assert 'nvcc was not found' in build_native.cuda_part('13.0')[2]


def test_architectures_come_from_the_environment(monkeypatch):
    monkeypatch.setenv('TORCH_CUDA_ARCH_LIST', '8.0;9.0+PTX')
    assert build_native.cuda_architectures('13.0') == [
        *('-gencode', 'arch=compute_80,code=sm_80'),
        *('-gencode', 'arch=compute_90,code=sm_90'),
        *('-gencode', 'arch=compute_90,code=compute_90'),
    ]
    monkeypatch.delenv('TORCH_CUDA_ARCH_LIST')
    assert 'arch=compute_90,code=sm_90' in build_native.cuda_architectures('13.0')


@pytest.fixture(scope='module')
def checkout(tmp_path_factory):
    """A copy of what packaging needs."""
    pytest.importorskip('setuptools')
    folder = tmp_path_factory.mktemp('checkout')
    for name in (
        'setup.py',
        'build_native.py',
        'compile.sh',
        'pyproject.toml',
        'MANIFEST.in',
        'LICENSE',
        'NOTICE',
    ):
        shutil.copy(ROOT / name, folder)
    (folder / 'README.md').write_text('readme\n')
    shutil.copytree(ROOT / 'configs', folder / 'configs')
    shutil.copytree(ROOT / 'mmdet', folder / 'mmdet', ignore=shutil.ignore_patterns('*.so', '__pycache__'))
    return folder


def setup_py(folder, *arguments, **environment):
    return subprocess.run(
        [sys.executable, 'setup.py', '-q', *arguments],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_wheel_without_compiler_has_no_library_and_says_so(checkout):
    done = setup_py(checkout, 'bdist_wheel', CXX='no-such-compiler')
    assert done.returncode == 0, done.stderr[-2000:]
    assert 'operators not built: no C++ compiler' in done.stderr
    (wheel,) = (checkout / 'dist').glob('masktrack_rcnn-*.whl')
    names = zipfile.ZipFile(wheel).namelist()
    assert 'mmdet/ops/roi_align.py' in names
    configs = {f'mmdet/{path.relative_to(ROOT)}' for path in (ROOT / 'configs').rglob('*.py')}
    assert len(configs) > 15 and configs <= set(names)
    assert not [name for name in names if name.endswith(('.so', '.cu', '.cpp'))]
    wheel.unlink()


def test_library_can_be_insisted_on(checkout):
    done = setup_py(checkout, 'bdist_wheel', CXX='no-such-compiler', MASKTRACK_REQUIRE_NATIVE='1')
    assert done.returncode != 0
    assert 'MASKTRACK_REQUIRE_NATIVE=1' in done.stderr


def test_other_distribution_of_mmdet_is_refused(checkout, tmp_path):
    """A sitecustomize stands in for an environment in which the other distribution is installed."""
    metadata = tmp_path / 'mmdet-3.3.0.dist-info' / 'METADATA'
    metadata.parent.mkdir()
    metadata.write_text('Metadata-Version: 2.1\nName: mmdet\nVersion: 3.3.0\n')
    (tmp_path / 'sitecustomize.py').write_text(
        'import sysconfig\n'
        f'real, here = sysconfig.get_path, {str(tmp_path)!r}\n'
        'sysconfig.get_path = lambda name, *rest: here if name == "purelib" else real(name, *rest)\n'
    )
    done = setup_py(checkout, '--version', PYTHONPATH=str(tmp_path))
    assert done.returncode != 0
    message = done.stderr.splitlines()[-1]
    assert 'the distribution mmdet 3.3.0 is installed' in message and 'pip uninstall mmdet' in message


@pytest.mark.long
@pytest.mark.skipif(not HAS_COMPILER, reason='no C++ compiler')
def test_wheel_imports_from_outside_the_checkout(checkout, tmp_path):
    done = setup_py(checkout, 'bdist_wheel', MASKTRACK_REQUIRE_NATIVE='1')
    assert done.returncode == 0, done.stderr[-2000:]
    (wheel,) = (checkout / 'dist').glob('masktrack_rcnn-*.whl')
    zipfile.ZipFile(wheel).extractall(tmp_path)
    program = (
        'import mmdet, torch; from mmdet.ops import nms, ops_available; '
        'print(mmdet.__file__, ops_available(), nms(torch.zeros(1, 4), torch.ones(1), .5).tolist())'
    )
    answer = subprocess.run(
        [sys.executable, '-c', program],
        cwd=tmp_path,
        env={**os.environ, 'PYTHONPATH': str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert answer[0].startswith(str(tmp_path)) and answer[1:] == ['True', '[0]']
