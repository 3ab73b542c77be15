"""SIGTERM and Ctrl-C end a training with a checkpoint that continues bit for bit."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from mmengine.hooks import Hook

from mmdet.engine import TrackRunner
from mmdet.registry import HOOKS
from mmdet.utils import Interrupted, UserError

from .test_resume import assert_same_end
from .toy import toy_config, toy_runner

ROOT = Path(__file__).resolve().parents[2]


@HOOKS.register_module()
class SendSignal(Hook):
    """Sends a signal to the process itself."""

    def __init__(self, iteration, number, where='train'):
        self.iteration, self.number, self.where = iteration, number, where

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if self.where == 'train' and runner.iter == self.iteration:
            os.kill(os.getpid(), self.number)

    def before_val_iter(self, runner, batch_idx, data_batch=None):
        if self.where == 'val' and runner.iter == self.iteration:
            os.kill(os.getpid(), self.number)


@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize('iteration, where', [(0, 'train'), (7, 'train'), (11, 'train'), (12, 'val')])
def test_a_signal_saves_and_the_rest_equals_the_whole(tmp_path, number, iteration, where):
    whole = toy_runner(tmp_path / 'a', val=True)
    whole.train()
    hooks = [dict(type='SendSignal', iteration=iteration, number=int(number), where=where)]
    cut = toy_runner(tmp_path / 'b', val=True, custom_hooks=hooks)
    handlers = [signal.getsignal(kind) for kind in (signal.SIGTERM, signal.SIGINT)]
    after = iteration + (where == 'train')
    match = (
        rf'stopped by {number.name} after iteration {after}; .*iter_{after}\.pth is saved: --resume continues'
    )
    with pytest.raises(Interrupted, match=match) as caught:
        cut.train()
    assert caught.value.number == number
    assert handlers == [signal.getsignal(kind) for kind in (signal.SIGTERM, signal.SIGINT)]
    config = toy_config(tmp_path / 'b', val=True)
    config['resume'] = True
    rest = TrackRunner.from_cfg(config)
    rest.train()
    assert_same_end(whole, rest)
    assert rest.model.seen == whole.model.seen[after:]
    metric = rest.val_loop.evaluator.metrics[0]
    assert metric.count == (2 if where == 'val' or iteration == 11 else 3 - (after // 6))


def test_a_second_signal_stops_at_once_and_names_the_last_checkpoint(tmp_path):
    twice = [dict(type='SendSignal', iteration=7, number=int(signal.SIGINT)) for _ in range(2)]
    runner = toy_runner(tmp_path, custom_hooks=twice)
    with pytest.raises(
        Interrupted, match=r'stopped at once by SIGINT; --resume continues from .*epoch_1\.pth'
    ):
        runner.train()
    assert not (tmp_path / 'iter_8.pth').exists()


def test_two_trainings_do_not_share_a_work_dir(tmp_path):
    code = (
        'import sys; from mmdet.utils import exclusive\n'
        "with exclusive(sys.argv[1], ''): print('ready', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, '-c', code, str(tmp_path / '.lock')]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout.readline() == b'ready\n'
        with pytest.raises(UserError, match=r'is in use by another training: .* \(process \d+ on '):
            toy_runner(tmp_path).train()
        other.stdin.close()
    toy_runner(tmp_path, epochs=1).train()
    assert not (tmp_path / '.lock').exists()


@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_all_processes_of_a_job_lets_the_iteration_end(tmp_path, number):
    """Schedulers and terminals signal the data workers, too."""
    code = (
        'import sys\n'
        'from mmdet.utils import cli_main\n'
        'from tests.engine.toy import toy_runner\n'
        'cli_main(lambda: toy_runner(sys.argv[1], epochs=100000, interval=100000, workers=2).train())()\n'
    )
    command = [sys.executable, '-u', '-c', code, str(tmp_path)]
    job = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True, cwd=ROOT
    )
    for line in job.stdout:
        if re.search(r'Epoch\(train\) +\[3\]', line):
            break
    os.killpg(job.pid, number)
    _, error = job.communicate(timeout=60)
    assert job.returncode == 128 + number
    assert f'stopped by {number.name} after iteration' in error and 'Traceback' not in error
    assert (tmp_path / 'last_checkpoint').is_file()
