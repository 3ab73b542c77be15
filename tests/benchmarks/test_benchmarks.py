"""The benchmarks run on a tiny model, and their files say how the figures came to be."""

import importlib
import json
import subprocess
import sys
import types
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).resolve().parents[2]
HOW = {'config', 'commit', 'seed', 'torch', 'hardware', 'threads', 'turns', 'seconds'}
sys.path.append(str(ROOT / 'benchmarks'))  # behind everything, as its files have common names


def run(name, out, *options):
    command = [sys.executable, str(ROOT / 'benchmarks' / name), '--turns', '1', '--out', str(out), *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(out.read_text()), done.stdout


@pytest.fixture(scope='module')
def config(tiny, tmp_path_factory):
    path = tmp_path_factory.mktemp('bench') / 'config.py'
    path.write_text(
        f'_base_ = [{tiny.config!r}, {str(ROOT / "configs/_base_/schedules/schedule_12e.py")!r}]\n'
    )
    return str(path)


@pytest.mark.long
def test_inference(config, tmp_path):
    options = ('--config', config, '--size', '96', '64', '--frames', '3', '--batch', '2', '--objects', '4')
    record, printed = run('inference.py', tmp_path / 'out.json', *options)
    assert set(record) > HOW
    (case,) = record['cases']
    assert case['batch'] == 2 and 0 < case['detections'] <= 4
    assert set(case['seconds']) == {'model', 'floor', 'unit'}
    assert {'backbone', 'neck', 'proposals', 'boxes', 'identities', 'masks', 'rest'} <= set(case['stages'])
    assert min(case['stages'].values()) >= 0 < case['over_floor']['median']
    assert 'pasting and RLE' in printed


@pytest.mark.long
def test_training(config, tmp_path):
    options = ('--config', config, '--size', '96', '64', '--pairs', '1')
    record, _ = run('training.py', tmp_path / 'out.json', *options)
    (case,) = record['cases']
    assert set(record) > HOW and case['pairs'] == 1 and case['objects'] > 0
    assert {'backward', 'step', 'masks: losses'} <= set(case['stages'])
    assert case['losses'][0] != case['losses'][1]  # it trains


@pytest.mark.long
def test_data(tmp_path):
    record, _ = run('data.py', tmp_path / 'out.json', '--video-size', '96', '64', '--videos', '1')
    train, test = record['cases']
    assert set(record) > HOW
    assert train['images a sample'] == 2 and test['images a sample'] == 1
    assert 'LoadAnnotations' in train['stages'] and 'LoadAnnotations' not in test['stages']
    assert {'decoding JPEG', 'drawing, 10 objects', 'encoding MP4'} < set(record['stages'])
    assert all(row['frames_a_second']['min'] > 0 for row in record['stages'].values())


def test_ops(tmp_path):
    command = [sys.executable, str(ROOT / 'benchmarks/ops.py'), '--repeats', '0']
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode and 'must be at least 1' in done.stderr and 'Traceback' not in done.stderr


def test_floor_is_the_arithmetic_of_the_model():
    from measure import Floor

    layers = torch.nn.Sequential(
        torch.nn.Conv2d(3, 8, 3, padding=1, bias=False), torch.nn.Flatten(), torch.nn.Linear(8 * 16, 5)
    )
    with torch.no_grad(), Floor() as forward:
        layers(torch.randn(2, 3, 4, 4))
    assert [func.__name__ for func, _, _ in forward.calls] == ['convolution.default', 'addmm.default']
    assert forward.flops == 2 * 2 * (16 * 8 * 3 * 9 + 8 * 16 * 5)
    image, weight, bias = forward.calls[0][1][:3]
    assert image.is_contiguous(memory_format=torch.channels_last) and bias.shape == (8,)
    with Floor() as both:
        layers(torch.randn(2, 3, 4, 4)).sum().backward()
    assert [func.__name__ for func, _, _ in both.calls] == [
        *('convolution.default', 'addmm.default'),
        *('mm.default', 'mm.default', 'convolution_backward.default'),
    ]
    forward.replay()
    both.replay()


def test_training_in_half_precision_is_that_of_the_tool(config):
    training = importlib.import_module('training')
    args = types.SimpleNamespace(config=config, seed=0, precision='bf16', compile=False)
    _, optimizer = training.build(args, 'cpu')
    assert type(optimizer).__name__ == 'AutocastOptimWrapper'
    with training.weights_in('bf16', 'cpu'):  # the backward pass runs in the types of the forward pass
        assert not torch.is_autocast_enabled('cpu')
    args.precision = 'fp16'
    with pytest.raises(Exception, match='on a GPU only'):
        training.build(args, 'cpu')


def test_stages_are_exclusive_and_removed():
    from measure import Clock, Stages

    class Work:
        def outer(self):
            return self.inner() + sum(range(200_000))

        def inner(self):
            return sum(range(400_000))

    work, stages = Work(), None
    stages = Stages(
        Clock(torch.device('cpu')), [('outer', work, 'outer'), ('inner', work, 'inner'), ('no', work, 'x')]
    )
    with stages.watching():
        result = work.outer()
    assert result == Work().outer() and not vars(work)
    assert stages.seconds['inner'] > stages.seconds['outer'] > 0 <= stages.seconds['rest']
    assert set(stages.seconds) == {'inner', 'outer', 'rest'}


def test_page_has_the_figures_of_the_files():
    make_page = importlib.import_module('make_page')
    text = make_page.PAGE.read_text()
    assert make_page.with_tables(text) == text, 'run python benchmarks/make_page.py'
    with pytest.raises(ValueError, match='must have the table'):
        make_page.with_tables(text.replace('<!-- table: data -->', ''))
