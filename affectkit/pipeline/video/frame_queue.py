"""Hand frames from one thread to another."""

from __future__ import annotations

from queue import Empty, SimpleQueue


class FrameQueue:
    """First in, first out, a few items at most.

    Ctrl-C can strike anywhere in Python code, and leaves a `queue.Queue` whose other side sleeps
    for ever. The steps of a `SimpleQueue` are whole; a second one counts the free places.
    """

    def __init__(self, size: int) -> None:
        self._items: SimpleQueue = SimpleQueue()
        self._free: SimpleQueue = SimpleQueue()
        for _ in range(size):
            self._free.put(None)

    def put(self, item: object, timeout: float) -> bool:
        """Add an item; tell whether there was a place within so many seconds."""
        try:
            self._free.get(timeout=timeout)
        except Empty:
            return False
        self._items.put(item)
        return True

    def put_last(self, item: object) -> None:
        """Add an item that nothing follows, also where there is no place."""
        self._items.put(item)

    def get(self) -> object:
        """Wait for an item and take it."""
        item = self._items.get()
        self._free.put(None)
        return item

    def drop(self) -> None:
        """Forget the oldest item, if there is one."""
        try:
            self._items.get_nowait()
        except Empty:
            return
        self._free.put(None)
