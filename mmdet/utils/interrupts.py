"""Signals: at a moment when outputs agree with each other, and in data workers."""

import contextlib
import functools
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from multiprocessing import util


@contextlib.contextmanager
def handling_signals(
    handler: Callable, numbers: Iterable[int] = (signal.SIGTERM, signal.SIGINT)
) -> Iterator[dict]:
    """Within the block, ``handler`` gets these signals. In other threads than the main one nothing changes.

    Args:
        handler: as for :func:`signal.signal`.
        numbers: the signals.

    Yields:
        The handlers that were there before, by signal.
    """
    if threading.current_thread() is not threading.main_thread():
        numbers = ()
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield before
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """Let Ctrl-C and SIGTERM wait until the block has ended; a second one does not wait.

    Signals reach only the main thread: in other threads nothing changes.
    """
    numbers = [number for number in (signal.SIGINT, signal.SIGTERM) if callable(signal.getsignal(number))]
    came = []

    def note(number, frame):
        if came:
            before[number](number, frame)
        came.append((number, frame))

    with handling_signals(note, numbers) as before:
        yield
    if came:
        before[came[0][0]](*came[0])


def outliving_signals(init: Callable | None = None) -> Callable:
    """Return a ``worker_init_fn`` with which only the main process ends the workers of a data loader.

    A scheduler sends SIGTERM to all processes of a job, and a terminal SIGINT. If the workers ended first,
    the main process could not finish its iteration and save.

    Args:
        init: ``worker_init_fn`` to call first.
    """
    _end_workers_at_exit(os.getpid())
    return functools.partial(_init_worker, init)


def _init_worker(init, worker_id):
    if init is not None:
        init(worker_id)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


@functools.cache
def _end_workers_at_exit(process):
    """Kill workers that are left at exit, before multiprocessing sends SIGTERM and waits for them."""
    util.get_temp_dir()  # workers take it over; one of their own would stay in the file system
    util.Finalize(None, _end_workers, exitpriority=0)  # after pools, which replace their dead workers


def _end_workers():
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # that of torch takes killed workers for a failure
    workers = [child for child in multiprocessing.active_children() if child.daemon]
    for worker in workers:
        worker.kill()
    for worker in workers:
        worker.join()
