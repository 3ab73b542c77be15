"""What runs in a thread beside the network: reading ahead of it, writing behind it.

Decoding, drawing and encoding release Python's lock for most of their time, so a thread is enough.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from .interrupts import uninterrupted

_END = object()
_own = threading.local()  # ``background``: whose call runs in this thread


def read_ahead(items: Iterable, count: int) -> Iterator:
    """Yield the items of an iterable, of which a thread makes the next ones meanwhile.

    Args:
        items (Iterable): is read in one thread, never before the first item is asked for.
        count (int): items that are made before they are asked for; more are never held.

    Yields:
        The items in order. An exception comes where the item would have come.
    """
    iterator = iter(items)
    pool = ThreadPoolExecutor(1, 'read_ahead')
    try:
        with uninterrupted():  # the pool does not wait for a thread whose start was interrupted
            waiting = deque(pool.submit(next, iterator, _END) for _ in range(count))
        while (item := waiting.popleft().result()) is not _END:
            waiting.append(pool.submit(next, iterator, _END))
            yield item
    finally:
        pool.shutdown(cancel_futures=True)
        if hasattr(iterator, 'close'):
            iterator.close()


def was_interrupted() -> bool:
    """Whether the :class:`Background` that runs this call was interrupted: a long call may end then."""
    background = getattr(_own, 'background', None)
    return background is not None and background.interrupted


class Background:
    """Runs calls in another thread, one after the other in the order in which they were submitted.

    Leaving the block waits for all of them; after an interruption for the running one only, which may ask
    :func:`was_interrupted`, and those that wait are dropped. No call is cut in the middle. After a call that
    fails no other is run, and its exception is raised by the next :meth:`submit` or at the end of the block.

    Args:
        most (int): calls that may be unfinished; :meth:`submit` blocks while there are more.
    """

    def __init__(self, most: int):
        self.most = most
        self._pool = ThreadPoolExecutor(1, 'background')
        self._waiting, self._failed, self.interrupted = deque(), False, False

    def submit(self, function: Callable, *args: Any) -> None:
        """Have a function called."""
        self._waiting.append(self._pool.submit(self._call, function, args))
        while len(self._waiting) > self.most or (self._waiting and self._waiting[0].done()):
            self._waiting.popleft().result()

    def _call(self, function, args):
        if self._failed:
            return
        _own.background = self
        try:
            function(*args)
        except BaseException:
            self._failed = True
            raise

    def __enter__(self):
        with uninterrupted():  # the pool does not wait for a thread whose start was interrupted
            self._pool.submit(int)
        return self

    def __exit__(self, kind, error, trace):
        self.interrupted = kind is not None and not issubclass(kind, Exception)
        with uninterrupted():
            self._pool.shutdown(cancel_futures=self.interrupted)
        if error is None:
            for call in self._waiting:
                call.result()
