"""Signals: at a moment when outputs agree with each other, and in data workers."""

import contextlib
import os
import signal
import threading
from collections.abc import Iterator


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """Let Ctrl-C and SIGTERM wait until the block has ended; a second one does not wait.

    Signals reach only the main thread: in other threads nothing changes.
    """
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    before = {number: handler for number, handler in before.items() if callable(handler)}
    if threading.current_thread() is not threading.main_thread():
        before = {}
    came = []

    def note(number, frame):
        if came:
            before[number](number, frame)
        came.append((number, frame))

    for number in before:
        signal.signal(number, note)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if came:
        before[came[0][0]](*came[0])


def outlive_sigterm() -> None:
    """Call it in a data worker: only a SIGTERM of its parent process ends it.

    A scheduler sends SIGTERM to all processes of a job. If the workers ended first, the main process could
    not finish its iteration and save.
    """
    if not hasattr(signal, 'sigwaitinfo'):  # macOS
        return
    parent = os.getppid()

    def wait():
        while signal.sigwaitinfo({signal.SIGTERM}).si_pid != parent:
            pass
        os._exit(0)  # torch takes another status for a failure

    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})  # the thread inherits it
    threading.Thread(target=wait, daemon=True).start()
