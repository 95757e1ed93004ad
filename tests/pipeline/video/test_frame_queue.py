from __future__ import annotations

import sys
import threading
import time

import pytest

from affectkit.pipeline.video.frame_queue import FrameQueue


def test_items_come_out_in_order_and_no_more_than_fit_are_taken():
    queue = FrameQueue(2)
    assert [queue.put(item, 0) for item in "abc"] == [True, True, False]
    assert queue.get() == "a"
    assert queue.put("c", 0)
    queue.put_last(None)
    assert [queue.get() for _ in range(3)] == ["b", "c", None]


def test_the_oldest_item_can_be_dropped():
    queue = FrameQueue(1)
    queue.drop()
    assert [queue.put("a", 0), queue.put("b", 0)] == [True, False]
    queue.drop()
    assert [queue.put("b", 0), queue.put("c", 0)] == [True, False]
    assert queue.get() == "b"


def test_a_full_queue_waits_for_a_place():
    queue = FrameQueue(1)
    queue.put("a", 0)
    timer = threading.Timer(0.05, queue.get)
    timer.start()
    start = time.monotonic()
    assert queue.put("b", 5)
    assert 0.03 < time.monotonic() - start < 4


def put_interrupted(queue, item, step):
    """Put an item, interrupted at this step of the code; tell whether it came so far."""
    steps = 0

    def trace(frame, event, _):
        nonlocal steps
        if frame.f_code is not FrameQueue.put.__code__:
            return None
        frame.f_trace_opcodes = True
        steps += event == "opcode"
        if steps == step:
            raise KeyboardInterrupt
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        queue.put(item, 0.01)
    except KeyboardInterrupt:
        return True
    finally:
        sys.settrace(before)
    return False


@pytest.mark.parametrize("waiting", [0, 1, 2])
def test_an_interruption_anywhere_leaves_the_other_side_working(waiting):
    def consume(queue, taken):
        while (item := queue.get()) is not None:
            taken.append(item)

    interrupted, step = True, 0
    while interrupted:
        step += 1
        queue, taken = FrameQueue(2), []
        for item in range(waiting):
            queue.put(item, 0)
        interrupted = put_interrupted(queue, waiting, step)
        queue.put_last(None)
        thread = threading.Thread(target=consume, args=(queue, taken), daemon=True)
        thread.start()
        thread.join(5)
        assert not thread.is_alive()
        assert taken[:waiting] == list(range(waiting))
    assert step > 10
