"""Frames from a camera or video that the kernel itself reads, no faster than a page shows them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from time import monotonic

from affectkit.pipeline.video.read import VideoFrame, read_video

PATIENCE = 10.0
"""Seconds without an answer from the page, after which it is taken for closed."""


class KernelSource:
    """A thread that reads a camera or, again and again, a video.

    A camera's frames that nobody takes are dropped for newer ones; a video runs at its own pace or
    slower. The camera is released when the thread ends.

    Parameters
    ----------
    source : int or Path
        Number of a camera, or a video.
    on_frame : callable
        Gets each frame and its time in seconds, in the thread.
    on_end : callable
        Gets the reason in words, in the thread, if it ends by itself.
    unanswered : int
        Frames that the page may owe an answer; see `answered`.
    """

    def __init__(
        self,
        source: int | Path,
        on_frame: Callable[[VideoFrame, float], None],
        on_end: Callable[[str], None],
        unanswered: int = 2,
    ) -> None:
        self._source, self._on_frame, self._on_end = source, on_frame, on_end
        self._free = threading.Semaphore(unanswered)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="kernel source", daemon=True)

    @property
    def is_running(self) -> bool:
        """Whether the thread lives, and so may hold the camera."""
        return self._thread.is_alive()

    def start(self) -> None:
        """Open the source and go on in the background."""
        self._thread.start()

    def answered(self) -> None:
        """Note that the page has shown a frame, so that another may follow."""
        self._free.release()

    def stop(self, timeout: float = 5.0) -> None:
        """End the thread and release the camera; wait for that so many seconds."""
        self._stopped.set()
        self._free.release()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(timeout)

    def _run(self) -> None:
        try:
            reason = self._read()
        except (OSError, ValueError) as error:
            reason = str(error)
        if not self._stopped.is_set():
            self._on_end(reason)

    def _read(self) -> str:
        start = monotonic()
        is_camera = isinstance(self._source, int)
        while True:
            begun = monotonic()
            with read_video(self._source, newest_only=is_camera) as reader:
                for frame in reader:
                    early = 0.0 if is_camera else frame.seconds - (monotonic() - begun)
                    if self._stopped.wait(max(0.0, early)):
                        return ""
                    if not self._free.acquire(timeout=PATIENCE):
                        return "The page does not answer any more, so the source was closed."
                    if self._stopped.is_set():
                        return ""
                    self._on_frame(frame, monotonic() - start)
            if is_camera:
                return "The camera gives no more pictures."
