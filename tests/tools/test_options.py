"""Options mean the same in all tools, ``--help`` is quick, and threads that wait do not spin."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mmdet.compat import checkpoints
from mmdet.compat.checkpoints.conventions import IMAGE_NORMS
from tools import convert_checkpoint, convert_dataset, split_ytvis, test_video, train, visualize

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = sorted(
    path.relative_to(ROOT).as_posix()
    for folder in ('tools', 'demo')
    for path in (ROOT / folder).glob('[a-z]*.py')
)


@pytest.mark.parametrize('script', SCRIPTS)
def test_help_is_quick(script):
    """It takes 0.2 to 0.35 s of processor time; importing torch alone would take 1.5 s."""
    run = [sys.executable, '-X', 'importtime', ROOT / script, '--help']
    done = subprocess.run(run, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and 'usage' in done.stdout
    imported = {line.rpartition('|')[2].strip() for line in done.stderr.splitlines()}
    assert imported.isdisjoint({'torch', 'scipy', 'matplotlib'})


def test_names_that_are_written_out_for_speed():
    assert tuple(checkpoints.FORMATS) == convert_checkpoint.FORMATS
    assert tuple(IMAGE_NORMS) == convert_checkpoint.IMAGE_NORMS


@pytest.mark.parametrize(
    'parse, arguments',
    [
        (visualize.parse_args, ['a.json', '--images', 'x', '--out', 'y', '--score-thr']),
        (test_video.parse_args, ['c.py', 'c.pth', '--show-score-thr']),
        (test_video.parse_args, ['c.py', 'c.pth', '--score-thr']),
        (
            convert_dataset.parse_args,
            ['a.json', '--from', 'ytvis', '--to', 'mots', '--out', 'x', '--score-thr'],
        ),
    ],
)
@pytest.mark.parametrize('value', ['-0.1', '1.5', 'nan', '30'])
def test_scores_are_from_0_to_1(capsys, parse, arguments, value):
    with pytest.raises(SystemExit):
        parse([*arguments, value])
    assert 'expected a number from 0 to 1' in capsys.readouterr().err


@pytest.mark.parametrize('old, new', [(['1,b'], ['1', 'b']), (['--out', 'x'], ['--out-dir', 'x'])])
def test_old_spellings_are_accepted(old, new):
    if old[0] == '--out':
        assert split_ytvis.parse_args(['a', *old]).out == split_ytvis.parse_args(['a', *new]).out == 'x'
    else:
        both = [
            split_ytvis.parse_args(['a', '--out', 'x', '--videos', *value]).videos for value in (old, new)
        ]
        assert both == [['1', 'b'], ['1', 'b']]


def test_train_takes_a_device(monkeypatch, capsys):
    monkeypatch.setenv('CUDA_VISIBLE_DEVICES', '4,5')
    train.choose_device('cuda:1')
    assert os.environ['CUDA_VISIBLE_DEVICES'] == '5'
    train.choose_device('cpu')
    assert os.environ['CUDA_VISIBLE_DEVICES'] == ''
    for wrong in ('tpu', 'cuda:x', 'cuda:3', 'cpu:0'):
        monkeypatch.setenv('CUDA_VISIBLE_DEVICES', '4,5')
        with pytest.raises(SystemExit):
            train.main(['c.py', '--device', wrong])
        assert f'error: --device {wrong}' in capsys.readouterr().err


def test_waiting_threads_sleep_unless_the_user_says_otherwise():
    code = 'import sys, os; sys.path.insert(0, sys.argv[1]); import _checkout\n'
    code += 'print(os.environ["OMP_WAIT_POLICY"])'
    for folder in ('tools', 'demo'):
        for given, expected in (({}, 'PASSIVE'), ({'OMP_WAIT_POLICY': 'ACTIVE'}, 'ACTIVE')):
            env = {key: value for key, value in os.environ.items() if key != 'OMP_WAIT_POLICY'} | given
            run = [sys.executable, '-c', code, ROOT / folder]
            assert subprocess.run(run, env=env, capture_output=True, text=True).stdout.strip() == expected
