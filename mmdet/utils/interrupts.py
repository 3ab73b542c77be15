"""Signals: at a moment when outputs agree with each other, and in data workers."""

import atexit
import contextlib
import functools
import multiprocessing.util
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator


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


def outliving_sigterm(init: Callable | None = None) -> Callable:
    """Return a ``worker_init_fn`` with which only the parent process ends the workers of a data loader.

    A scheduler sends SIGTERM to all processes of a job. If the workers ended first, the main process could
    not finish its iteration and save.

    Args:
        init: ``worker_init_fn`` to call first.
    """
    atexit.unregister(_end_workers)  # once, and after that of multiprocessing, so that it runs before it
    atexit.register(_end_workers)
    return functools.partial(_init_worker, init)


def _init_worker(init, worker_id):
    if init is not None:
        init(worker_id)
    if not hasattr(signal, 'sigwaitinfo'):  # macOS
        return
    parent = os.getppid()

    def wait():
        while signal.sigwaitinfo({signal.SIGTERM}).si_pid != parent:
            pass
        os._exit(0)  # torch takes another status for a failure

    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})  # the thread inherits it
    threading.Thread(target=wait, daemon=True).start()


def _end_workers():
    """End the workers that are left at exit; multiprocessing sends one SIGTERM and waits forever.

    A SIGTERM is lost while that of a scheduler still waits for a worker that has not run since.
    """
    while workers := [child for child in multiprocessing.active_children() if child.daemon]:
        for worker in workers:
            worker.terminate()
        workers[0].join(timeout=0.1)
