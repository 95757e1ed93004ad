"""Where frames can come from: the browser, a camera of the kernel, a video, the drawn clip."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from pathlib import Path
from time import monotonic

import numpy as np

from affectkit.pipeline.video.open import parse_source
from affectkit.pipeline.video.read import VideoFrame, read_video
from affectkit.widgets.sample_clip import RATE, sample_frames

BROWSER = "browser"
Source = str | int | Path
"""`BROWSER`, the number of a camera, or a video."""

PATIENCE = 10.0
"""Seconds without an answer from the page, after which it is taken for closed."""


def check_source(source: Source) -> Source:
    """Give a source back, a video as `Path`, a camera as its number.

    A FileNotFoundError if there is no such file, a ValueError for an address.
    """
    if source == BROWSER or (isinstance(source, int) and not isinstance(source, bool)):
        return source
    source = parse_source(source)
    return source if isinstance(source, int) else check_video(source)


def check_video(path: str | Path) -> Path:
    """Give a path back, `~` expanded; a FileNotFoundError if there is no such file."""
    path = Path(path).expanduser()
    if not path.is_file():
        raise FileNotFoundError(
            f"there is no video {path}: check the path, or use 'browser' or a camera's number"
        )
    return path


def read_frames(
    source: Source, sample: bool | Path
) -> Generator[tuple[float, np.ndarray], None, None]:
    """Read a source of `check_source` without a page: seconds since the first frame, and RGB.

    The sample, the drawn clip or a video, takes the place of the browser's camera. An OSError or
    ValueError if there is no such camera, or the video can't be read.
    """
    if source == BROWSER and not isinstance(sample, Path):
        for number, frame in enumerate(sample_frames()):
            yield number / RATE, frame
        return
    chosen = sample if source == BROWSER else source
    with read_video(chosen, newest_only=isinstance(chosen, int)) as reader:
        for frame in reader:
            yield frame.seconds, frame.rgb


class KernelSource:
    """A thread that reads a camera (by number) or, again and again, a video.

    A camera's frames that nobody takes are dropped for newer ones; a video runs at its own pace or
    slower. The camera is released when the thread ends. `on_frame` gets each frame and its time in
    seconds, and `on_end` the reason in words if it ends by itself, both in the thread. The page may
    owe an answer for `unanswered` frames; see `answered`.
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
