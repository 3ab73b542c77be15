"""Reading ahead and writing behind: order, limits, errors and interruptions."""

import itertools
import os
import signal
import threading
import time

import pytest

from mmdet.utils import Background, read_ahead, was_interrupted


def test_read_ahead_keeps_order_and_its_limit():
    made = []
    items = read_ahead((made.append(i) or i for i in itertools.count()), 3)
    assert not made  # nothing is read before it is asked for
    for i in range(20):
        assert next(items) == i and len(made) <= i + 4
    items.close()
    assert len(made) <= 23 and not any(t.name.startswith('read_ahead') for t in threading.enumerate())


def test_read_ahead_gives_what_came_before_an_error_and_closes_the_source():
    closed = []

    def source():
        try:
            yield from (1, 2)
            raise OSError('gone')
        finally:
            closed.append(threading.current_thread().name)

    items = read_ahead(source(), 5)
    assert [next(items), next(items)] == [1, 2]
    with pytest.raises(OSError, match='gone'):
        next(items)
    assert len(closed) == 1 and list(read_ahead([], 2)) == []
    items = read_ahead(source(), 1)
    next(items)
    items.close()
    assert len(closed) == 2


def test_background_keeps_order_and_blocks_at_its_limit():
    gate, seen = threading.Event(), []
    with Background(3) as background:
        background.submit(gate.wait)
        for i in range(2):
            background.submit(seen.append, i)
        thread = threading.Thread(target=background.submit, args=(seen.append, 2))
        thread.start()
        thread.join(0.05)
        assert thread.is_alive() and not seen
        gate.set()
        thread.join()
    assert seen == [0, 1, 2]


def test_after_an_error_nothing_runs():
    seen = []

    def fail():
        raise OSError('disk full')

    with pytest.raises(OSError, match='disk full'), Background(9) as background:
        background.submit(fail)
        background.submit(seen.append, 1)
    assert not seen
    with pytest.raises(OSError, match='disk full'), Background(0) as background:  # noqa: PT012
        background.submit(fail)
        raise AssertionError('submit must raise')
    with pytest.raises(ValueError, match='mine'), Background(9) as background:  # noqa: PT012
        background.submit(seen.append, 1)
        raise ValueError('mine')
    assert seen == [1]


def test_an_interruption_cuts_no_call_and_drops_those_that_wait():
    seen, noticed = [], []

    def slow(i):
        if i == 0:
            os.kill(os.getpid(), signal.SIGINT)
            while not was_interrupted():
                time.sleep(0.001)
            noticed.append(i)
        seen.append(i)

    with pytest.raises(KeyboardInterrupt), Background(50) as background:  # noqa: PT012
        for i in range(9):
            background.submit(slow, i)
        time.sleep(9)
    assert seen == noticed == [0] and not was_interrupted()
