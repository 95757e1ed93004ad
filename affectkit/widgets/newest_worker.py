"""A thread that always works on the newest item: what came in between is dropped."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

Item = TypeVar("Item")


class NewestWorker(Generic[Item]):
    """One daemon thread and a mailbox for one item.

    The thread starts with the first item and ends when nothing came for `idle_seconds`, so that an
    abandoned widget costs nothing; the next item starts another. `work` is called with each item
    that is taken, in the thread, and must not raise; `on_drop` with each item that a newer one has
    replaced, in the thread of `put`.
    """

    def __init__(
        self,
        work: Callable[[Item], None],
        on_drop: Callable[[Item], None] | None = None,
        idle_seconds: float = 10.0,
    ) -> None:
        self._work, self._on_drop, self._idle_seconds = work, on_drop, idle_seconds
        self._changed = threading.Condition()
        self._items: list[Item] = []  # none or one
        self._thread: threading.Thread | None = None
        self._closed = False

    @property
    def is_running(self) -> bool:
        """Whether the thread lives."""
        thread = self._thread
        return thread is not None and thread.is_alive()

    def put(self, item: Item) -> None:
        """Leave an item in the place of one that was not taken yet; nothing after `close`."""
        with self._changed:
            if self._closed:
                return
            dropped, self._items = self._items, [item]
            if not self.is_running:
                self._thread = threading.Thread(target=self._run, name="affect camera", daemon=True)
                self._thread.start()
            self._changed.notify()
        if self._on_drop is not None:
            for old in dropped:
                self._on_drop(old)

    def clear(self) -> None:
        """Empty the mailbox."""
        with self._changed:
            self._items = []

    def close(self, timeout: float | None = 0) -> None:
        """Take no more items, and wait so many seconds for the one in work; None waits for ever."""
        with self._changed:
            self._closed, self._items = True, []
            self._changed.notify()
            thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout)

    def _run(self) -> None:
        while True:
            with self._changed:
                if not self._items and not self._closed:
                    self._changed.wait(self._idle_seconds)
                if not self._items:
                    self._thread = None
                    return
                item = self._items.pop()
            self._work(item)
