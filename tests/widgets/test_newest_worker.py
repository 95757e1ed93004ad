from __future__ import annotations

import threading

from affectkit.widgets.newest_worker import NewestWorker

LONG = 30  # seconds that nothing here takes


def test_only_the_newest_of_those_that_wait_is_worked_on():
    started, go, done = threading.Event(), threading.Event(), threading.Event()
    worked, dropped = [], []

    def work(item):
        started.set()
        go.wait(LONG)
        worked.append(item)
        if item == 5:
            done.set()

    worker = NewestWorker(work, dropped.append)
    worker.put(0)
    assert started.wait(LONG)
    for item in range(1, 6):
        worker.put(item)
    go.set()
    assert done.wait(LONG)
    worker.close(LONG)
    assert worked == [0, 5]
    assert dropped == [1, 2, 3, 4]


def test_the_thread_ends_when_nothing_comes_and_another_starts():
    done: list[int] = []
    arrived = threading.Semaphore(0)

    def work(item):
        done.append(item)
        arrived.release()

    worker = NewestWorker(work, idle_seconds=0.01)
    assert not worker.is_running
    for item in range(20):  # some while the thread is about to end
        worker.put(item)
        assert arrived.acquire(timeout=LONG)
    worker.close(LONG)
    assert not worker.is_running
    assert done == list(range(20))


def test_after_closing_nothing_is_taken():
    done: list[int] = []
    worker = NewestWorker(done.append)
    worker.close()
    worker.put(1)
    assert not worker.is_running
    assert done == []


def test_what_was_cleared_is_not_worked_on():
    started, go, done = threading.Event(), threading.Event(), []

    def work(item):
        started.set()
        go.wait(LONG)
        done.append(item)

    worker = NewestWorker(work, idle_seconds=0.01)
    worker.put(0)
    assert started.wait(LONG)
    worker.put(1)
    worker.clear()
    go.set()
    worker.close(LONG)
    assert done == [0]
