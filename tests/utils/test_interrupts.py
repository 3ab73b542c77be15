"""Data workers when a scheduler signals all processes of a job."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

JOB = """
import multiprocessing, sys, time
from mmdet.utils import outliving_sigterm

def work():
    outliving_sigterm(print)('given')
    print('ready')
    time.sleep(600)

if __name__ == '__main__':
    outliving_sigterm()
    worker = multiprocessing.get_context(sys.argv[1]).Process(target=work, daemon=True)
    worker.start()
    print(worker.pid, flush=True)
    sys.stdin.read()
"""


@pytest.mark.skipif(not hasattr(signal, 'sigwaitinfo'), reason='no sigwaitinfo')
@pytest.mark.parametrize('method', ['fork', 'spawn'])
@pytest.mark.parametrize('stopped', [False, True])
def test_only_the_parent_ends_a_worker_and_it_always_does(tmp_path, method, stopped):
    """A stopped worker is one that a busy machine does not run: the two SIGTERM become one there."""
    script = tmp_path / 'job.py'
    script.write_text(JOB)
    command = [sys.executable, '-u', str(script), method]
    environment = {**os.environ, 'PYTHONPATH': str(ROOT)}
    pipes = dict(
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, text=True, start_new_session=True
    )
    with subprocess.Popen(command, **pipes) as job:
        try:
            lines = {job.stdout.readline().strip() for _ in range(3)}
            worker = int((lines - {'given', 'ready'}).pop())
            if stopped:
                os.kill(worker, signal.SIGSTOP)
            for _ in range(2):
                os.kill(worker, signal.SIGTERM)
                with pytest.raises(subprocess.TimeoutExpired):
                    job.wait(timeout=0.3)
            os.kill(worker, 0)  # it lives
            job.stdin.close()
            if stopped:
                with pytest.raises(subprocess.TimeoutExpired):
                    job.wait(timeout=1)  # the parent has sent its SIGTERM
                os.kill(worker, signal.SIGCONT)
            assert job.wait(timeout=60) == 0
            with pytest.raises(ProcessLookupError):
                os.kill(worker, 0)
        except BaseException:
            os.killpg(job.pid, signal.SIGKILL)
            raise
