"""tools/gpu_check.sh where there is no GPU: it says so, runs what it can, and survives a step that fails."""

import importlib
import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

PTXAS = """ptxas info    : Compiling entry function '_Z6kernelv' for 'sm_90'
ptxas info    : Function properties for _Z6kernelv
    8 bytes stack frame, 4 bytes spill stores, 12 bytes spill loads
ptxas info    : Used 40 registers, used 1 barriers, 2048 bytes smem, 400 bytes cmem[0]
ptxas info    : Compiling entry function '_Z5otherv' for 'sm_90'
ptxas info    : Function properties for _Z5otherv
    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Used 12 registers, used 0 barriers, 400 bytes cmem[0]
"""


def check(out, *steps, **environment):
    command = ['bash', str(ROOT / 'tools/gpu_check.sh'), str(out), *steps]
    env = {**os.environ, 'PYTHON': sys.executable, 'CUDA_VISIBLE_DEVICES': '', **environment}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=env)
    return done, json.loads((out / 'gpu_check.json').read_text())


def test_without_a_gpu(tmp_path):
    """Building fails here, and the steps after it run all the same."""
    steps = ('build', 'device', 'ops', 'syncs', 'nonsense')
    done, record = check(tmp_path / 'out', *steps, CXX='no-such-compiler', LIMIT='500')
    assert done.returncode == 1
    assert done.stdout.startswith('no GPU') and 'torch sees no GPU' in done.stdout
    results = {name: step['result'] for name, step in record['steps'].items()}
    assert results == {
        'build': 'FAILED',
        'device': 'ok',
        'ops': 'skipped',
        'syncs': 'skipped',
        'nonsense': 'FAILED',
    }
    device = record['steps']['device']['found']
    assert device['gpu'] is None and device['copy_gb_s'] > 0 and device['matmul_tflops']['fp32'] > 0
    assert 'no C++ compiler' in (tmp_path / 'out/build.log').read_text()
    assert re.search(r'\| ops +\| skipped \|.*needs a GPU', done.stdout)


def test_time_that_is_spent(tmp_path):
    done, record = check(tmp_path, 'device', LIMIT='0')
    assert done.returncode == 1 and record['steps']['device']['result'] == 'too slow'


def test_a_step_that_hangs_leaves_time_for_the_others_and_a_report(tmp_path):
    python = tmp_path / 'python'
    python.write_text(
        '#!/usr/bin/env bash\n'
        'case "$*" in *steps.py*) trap "" TERM; echo hanging; sleep 99 ;; esac\n'
        f'exec {sys.executable} "$@"\n'
    )
    python.chmod(0o755)
    done, record = check(tmp_path / 'out', 'device', 'nonsense', LIMIT='2', PYTHON=str(python))
    assert done.returncode == 1 and 'too slow' in done.stdout
    step = record['steps']['device']
    assert (step['status'], step['result'], step['log_tail']) == (124, 'too slow', 'hanging')
    assert step['seconds'] < 60 and not list((tmp_path / 'out').glob('*.late'))


def test_a_python_without_the_packages_is_told_at_once(tmp_path):
    python = tmp_path / 'python'
    python.write_text('#!/usr/bin/env bash\nexit 1\n')
    python.chmod(0o755)
    command = ['bash', str(ROOT / 'tools/gpu_check.sh'), str(tmp_path / 'out')]
    env = {**os.environ, 'PYTHON': str(python)}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=env)
    assert done.returncode == 2 and 'requirements/gpu_wheels.txt' in done.stderr


def test_tests_of_the_sanitizer_exist():
    names = re.findall(r'\$cuda(::test_[^"]+)"', (ROOT / 'tools/gpu_check.sh').read_text())
    command = [sys.executable, '-m', 'pytest', '--collect-only', '-m', 'cuda']
    command += [f'tests/ops/test_cuda.py{name}' for name in names]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert len(names) > 5 and done.returncode == 0, done.stdout


def test_machine_without_git(monkeypatch):
    sys.path.append(str(ROOT / 'benchmarks'))  # behind everything, as its files have common names
    record = importlib.import_module('record')
    monkeypatch.setenv('PATH', '/nowhere')
    assert record.commit('mmdet') is None


@pytest.mark.long
def test_all_steps_but_the_suite_pass_without_a_gpu(tmp_path):
    text = (ROOT / 'tools/gpu_check.sh').read_text()
    names = re.search(r'^all=\((.*?)\)', text, re.DOTALL | re.MULTILINE).group(1).split()
    done, record = check(tmp_path, *(name for name in names if name != 'cpu_suite'), LIMIT='3000')
    assert done.returncode == 0, done.stdout
    assert {step['result'] for step in record['steps'].values()} == {'ok', 'skipped'}


def module(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / f'tools/gpu_check/{name}.py')
    found = importlib.util.module_from_spec(spec)
    path = list(sys.path)
    spec.loader.exec_module(found)
    sys.path[:] = path
    return found


def test_messages_of_ptxas_are_read():
    found = module('steps').read_ptxas(PTXAS)
    assert list(found.values()) == [
        {'registers': 40, 'spill_bytes': 16, 'shared_bytes': 2048},
        {'registers': 12, 'spill_bytes': 0, 'shared_bytes': 0},
    ]


def test_options_are_those_of_the_benchmarks():
    sys.path.append(str(ROOT / 'benchmarks'))  # behind everything, as its files have common names
    args = module('steps').options(precision='bf16')
    assert (args.precision, args.compile, args.against, args.seed) == ('bf16', False, None, 0)


def test_verdicts():
    verdict = module('report').verdict
    assert verdict({'status': 0}) == 'ok' and verdict({'status': 77}) == 'skipped'
    assert verdict({'status': 124}) == 'too slow' and verdict({'status': 1}) == 'FAILED'
    assert verdict({'status': 0, 'found': {'skipped': 'needs a GPU'}}) == 'skipped'


def test_wheels_are_pinned_as_elsewhere():
    pins = {}
    for name in ('runtime', 'develop', 'constraints', 'gpu_wheels'):
        lines = (ROOT / f'requirements/{name}.txt').read_text().splitlines()
        pins[name] = {line for line in lines if '==' in line and not line.startswith('#')}
    assert pins['gpu_wheels'] <= pins['runtime'] | pins['develop'] | pins['constraints']
    assert not [line for line in pins['gpu_wheels'] if line.startswith('torch')]
