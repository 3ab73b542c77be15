"""Data workers when a scheduler signals all processes of a job."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

JOB = """
import multiprocessing, multiprocessing.util, sys, time
from mmdet.utils import outliving_signals

def work(ready):
    outliving_signals(print)('given')
    multiprocessing.util.get_temp_dir()  # as for sending tensors
    ready.set()
    time.sleep(600)

if __name__ == '__main__':
    outliving_signals()
    pool = multiprocessing.Pool(1)
    context = multiprocessing.get_context(sys.argv[1])
    ready = context.Event()
    worker = context.Process(target=work, args=(ready,), daemon=True)
    worker.start()
    ready.wait()
    print(worker.pid, flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize('method', ['fork', 'spawn'])
@pytest.mark.parametrize('stopped', [False, True])
def test_only_the_parent_ends_a_worker_and_it_always_does(tmp_path, method, stopped):
    """A stopped worker is one that a busy machine does not run: SIGTERM alone would not end it."""
    script = tmp_path / 'job.py'
    script.write_text(JOB)
    command = [sys.executable, '-u', str(script), method]
    environment = {**os.environ, 'PYTHONPATH': str(ROOT), 'TMPDIR': str(tmp_path)}
    pipes = dict(
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, text=True, start_new_session=True
    )
    with subprocess.Popen(command, **pipes) as job:
        try:
            assert job.stdout.readline() == 'given\n'
            worker = int(job.stdout.readline())
            if stopped:
                os.kill(worker, signal.SIGSTOP)
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGTERM):
                os.kill(worker, number)
                with pytest.raises(subprocess.TimeoutExpired):
                    job.wait(timeout=0.3)
            os.kill(worker, 0)  # it lives
            job.stdin.close()
            assert job.wait(timeout=60) == 0
            with pytest.raises(ProcessLookupError):
                os.kill(worker, 0)
            assert list(tmp_path.iterdir()) == [script]
        except BaseException:
            os.killpg(job.pid, signal.SIGKILL)
            raise


FORKED = """
import multiprocessing, time
from mmdet.utils import outliving_signals

def work(ready):
    outliving_signals()(0)
    ready.set()
    time.sleep(600)

def start():
    outliving_signals()
    ready = multiprocessing.Event()
    multiprocessing.Process(target=work, args=(ready,), daemon=True).start()
    ready.wait()

multiprocessing.set_start_method('fork')
start()
child = multiprocessing.Process(target=start)
child.start()
child.join()
"""


def test_a_forked_process_ends_its_own_workers():
    subprocess.run([sys.executable, '-c', FORKED], cwd=ROOT, timeout=60, check=True)
