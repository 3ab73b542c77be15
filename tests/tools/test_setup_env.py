"""tools/setup_env.py: it lists what is missing before it changes anything, and keeps an installed torch."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from mmdet.version import __version__

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def setup_env():
    spec = importlib.util.spec_from_file_location('setup_env', ROOT / 'tools' / 'setup_env.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_nothing_is_missing_where_tests_run(setup_env):
    assert setup_env.missing_tools() == []


def test_old_python_is_named(setup_env, monkeypatch):
    monkeypatch.setattr(setup_env, 'MIN_PYTHON', (4, 0))
    (line,) = setup_env.missing_tools()
    assert 'Python 3.' in line and 'too old' in line


def test_missing_headers_compiler_make_and_venv_are_one_line_each(setup_env, monkeypatch, tmp_path):
    monkeypatch.setattr(sysconfig, 'get_path', lambda name: str(tmp_path))
    monkeypatch.setattr(shutil, 'which', lambda name: None)
    monkeypatch.delenv('CXX', raising=False)
    monkeypatch.setitem(sys.modules, 'ensurepip', None)
    lines = setup_env.missing_tools()
    assert len(lines) == 4
    for line, words in zip(lines, ('python3-venv', 'Python.h', 'C++ compiler', 'make is missing')):
        assert words in line and '\n' not in line


def test_a_compiler_named_by_the_user_counts(setup_env, monkeypatch):
    monkeypatch.setenv('CXX', 'no-such-compiler -O2')
    (line,) = setup_env.missing_tools()
    assert 'no-such-compiler' in line
    monkeypatch.setenv('CXX', f'{sys.executable} -O2')
    assert setup_env.missing_tools() == []


def test_main_stops_before_doing_anything(setup_env, monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(setup_env, 'missing_tools', lambda: ['make is missing', 'c++ is missing'])
    monkeypatch.setattr(sys, 'argv', ['setup_env.py', '--venv', str(tmp_path / 'venv')])
    assert setup_env.main() == 1
    assert capsys.readouterr().err == 'error: make is missing\nerror: c++ is missing\n'
    assert not (tmp_path / 'venv').exists()


@pytest.mark.parametrize(
    ('text', 'numbers'), [('2.13.0+cpu', (2, 13)), ('2.10', (2, 10)), ('2.9.1', (2, 9)), ('2.11rc1', (2, 11))]
)
def test_versions(setup_env, text, numbers):
    assert setup_env.parse_version(text) == numbers


def test_torch_of_an_interpreter(setup_env):
    import torch

    found = setup_env.torch_version(sys.executable)  # a CUDA build's distribution has no +cu130
    assert found and torch.__version__.startswith(found)
    assert setup_env.torch_version('/bin/false') == ''


def test_fingerprint_depends_on_requirements_and_the_choice_of_torch(setup_env, monkeypatch, tmp_path):
    first = setup_env.fingerprint('')
    assert first == setup_env.fingerprint('')
    assert first != setup_env.fingerprint('torch==2.13.0')
    shutil.copytree(ROOT / 'requirements', tmp_path / 'requirements')
    monkeypatch.setattr(setup_env, 'REQUIREMENTS', tmp_path / 'requirements')
    assert first == setup_env.fingerprint('')
    (tmp_path / 'requirements' / 'torch.txt').write_text('torch==9.9\n')
    assert first != setup_env.fingerprint('')


class Calls:
    """Records commands instead of running them; pip 'installs' torch 2.13.0."""

    def __init__(self, present):
        self.commands, self.present = [], present

    def run(self, command, **kwargs):
        self.commands.append(' '.join(str(part) for part in command))
        if 'torch.txt' in self.commands[-1] or 'torch==' in self.commands[-1].split('-c ')[0]:
            self.present = '2.13.0'


@pytest.mark.parametrize(
    ('present', 'wanted', 'expected'),
    [
        ('', '', 'requirements/torch.txt'),
        ('2.9.0', '', 'requirements/torch.txt'),
        ('2.11.0+cu130', '', None),
        ('2.11.0+cu130', 'torch==2.13.0 --index-url X', 'torch==2.13.0 --index-url X'),
    ],
)
def test_a_torch_that_is_there_stays_unless_another_is_asked_for(
    setup_env, monkeypatch, tmp_path, present, wanted, expected
):
    calls = Calls(present)
    monkeypatch.setattr(setup_env, 'run', calls.run)
    monkeypatch.setattr(setup_env, 'torch_version', lambda python: calls.present)
    (tmp_path / 'bin').mkdir()
    setup_env.install(tmp_path / 'bin' / 'python', wanted)
    torch_commands, last = calls.commands[:-1], calls.commands[-1]
    assert len(torch_commands) == (expected is not None)
    assert expected is None or expected in torch_commands[0]
    assert 'develop.txt' in last
    # the other requirements may not replace the torch that is installed now
    assert (tmp_path / 'torch-constraint.txt').read_text() == f'torch=={calls.present}\n'


def test_every_requirement_is_pinned_and_within_the_packages_ranges():
    lines = []
    for path in (ROOT / 'requirements').glob('*.txt'):
        lines += [line for line in path.read_text().splitlines() if line and not line.startswith(('#', '-r'))]
    assert all('==' in line for line in lines)
    project = (ROOT / 'pyproject.toml').read_text()
    for name in (
        'onedl-mmengine',
        'onedl-mmcv',
        'opencv-python',
        'pycocotools',
        'matplotlib',
        'terminaltables',
    ):
        assert any(line.startswith(f'{name}==') for line in lines)
        assert f'"{name}>=' in project


def test_pre_commit_runs_the_pinned_ruff():
    (pinned,) = re.findall(r'^ruff==(\S+)', (ROOT / 'requirements/develop.txt').read_text(), re.MULTILINE)
    assert f'rev: v{pinned} ' in (ROOT / '.pre-commit-config.yaml').read_text()


def test_version_and_date_agree():
    (date,) = re.findall(rf'^## {__version__} \((.+)\)$', (ROOT / 'CHANGELOG.md').read_text(), re.MULTILINE)
    assert f'\nversion: {__version__}\ndate-released: {date}\n' in (ROOT / 'CITATION.cff').read_text()


def test_missing_python_is_one_line():
    done = subprocess.run(
        ['make', 'setup', 'PYTHON=no-such-python'], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert 'error: Python is missing: no no-such-python on the path' in done.stderr


def test_shell_scripts_are_valid_and_say_how_they_are_used():
    for name in ('tools/dist_train.sh', 'tools/dist_test_video.sh', '.ci/run', 'compile.sh'):
        assert subprocess.run(['bash', '-n', str(ROOT / name)], check=False).returncode == 0
    for name in ('dist_train', 'dist_test_video'):
        done = subprocess.run(
            ['bash', str(ROOT / 'tools' / f'{name}.sh')], capture_output=True, text=True, check=False
        )
        assert done.returncode == 2 and f'{name}.sh CONFIG' in done.stderr


def test_processes_of_one_machine_do_not_ask_for_its_name():
    command = ['bash', str(ROOT / 'tools/dist_train.sh'), 'config.py', '1']
    env = {**os.environ, 'PYTHON': 'echo', 'NNODES': '1'}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=env)
    assert '--standalone --local_addr 127.0.0.1 --nproc_per_node 1' in done.stdout
