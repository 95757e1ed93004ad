"""Read videos and cameras, only what is safe; decoding has a thread of its own."""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from time import perf_counter_ns

import cv2
import numpy as np

VIDEO_SUFFIXES = frozenset(
    f".{name}"
    for name in (
        *("3gp", "avi", "flv", "m2ts", "m4v", "mkv", "mov", "mp4"),
        *("mpeg", "mpg", "mts", "ogv", "ts", "webm", "wmv"),
    )
)
"""How the names of videos end."""

WAITING_FRAMES = 4
"""Frames between two threads at most, so that memory does not grow with a video's length."""

_LONGEST = 1e9
"""Seconds; no video is longer."""

_MISSING_FRAMES = 5
"""So many frames less than a file says are no news: containers count frames that nobody sees."""

_FFMPEG = {
    "OPENCV_FFMPEG_LOGLEVEL": "-8",  # FFmpeg's own words; ours say more
    # it goes by the content, and knows lists that name other files and addresses
    "OPENCV_FFMPEG_CAPTURE_OPTIONS": "protocol_whitelist;file|"
    "format_whitelist;mov,matroska,avi,flv,mpegts,mpeg,mpegvideo,ogg,asf",
}
"""What OpenCV's FFmpeg reads from the environment when a video is opened."""

MOST_PIXELS = 1 << 26
"""Of a frame: 8192 x 8192, twice what cameras give. Each of the waiting ones takes six bytes for
every pixel."""


@dataclass(slots=True)
class VideoFrame:
    """One frame.

    Attributes
    ----------
    index : int
        From 0; skipped frames are counted.
    seconds : float
        Since the first frame, by the file's own time stamps.
    bgr, rgb : numpy.ndarray
        The same picture, uint8, shape (height, width, 3), in either channel order; rotated as the
        file asks. Yours to draw on.
    nanoseconds : dict of str to int
        Spent in the stages "decode" and "colour".
    """

    index: int
    seconds: float
    bgr: np.ndarray
    rgb: np.ndarray
    nanoseconds: dict[str, int]


class VideoReader:
    """The frames of a video or a camera, decoded in a thread; see `read_video`.

    Iterate over it, once; leave it early with `close`, or use it as a context manager.

    Attributes
    ----------
    frames_per_second : float
        On average, as the file says; 25 if it does not.
    frame_count : int
        As the file says, which can be wrong; 0 for cameras and where it is unknown.
    frames_read : int
        So far, skipped ones included.
    """

    def __init__(
        self, source: str | Path | int, stride: int = 1, newest_only: bool = False
    ) -> None:
        """Open the source; see `read_video` for parameters and errors."""
        if stride < 1:
            raise ValueError(f"expected a stride of at least 1, got {stride}")
        self.source, self._stride, self._newest_only = source, stride, newest_only
        self._capture = open_camera(source) if isinstance(source, int) else open_file(source)
        rate = self._capture.get(cv2.CAP_PROP_FPS)
        self.frames_per_second = float(rate) if 0 < rate < 1000 else 25.0
        count = self._capture.get(cv2.CAP_PROP_FRAME_COUNT)
        self.frame_count = int(count) if 0 < count < 1e9 and not isinstance(source, int) else 0
        self.frames_read = 0
        self._frames = FrameQueue(1 if newest_only else WAITING_FRAMES)
        self._stopped = False
        self._thread = threading.Thread(target=self._decode, name="decode", daemon=True)

    def __iter__(self) -> Iterator[VideoFrame]:
        """Give frame after frame; ValueError, or OSError of a camera, if none can be decoded."""
        self._thread.start()
        with self:
            while (frame := self._frames.get()) is not None:
                if isinstance(frame, Exception):
                    raise frame
                yield frame
        self._check_end()

    def close(self) -> None:
        """Stop decoding and release the file or camera."""
        self._stopped = True
        if self._thread.is_alive():
            self._thread.join()
        self._capture.release()

    def __enter__(self) -> VideoReader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _decode(self) -> None:
        previous = 0.0
        spent = 0
        first = perf_counter_ns()
        try:
            while not self._stopped:
                start = perf_counter_ns()
                if not self._capture.grab():
                    break
                index = self.frames_read
                self.frames_read += 1
                if isinstance(self.source, int):
                    seconds = (start - first) / 1e9
                else:
                    seconds = self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
                    if index and not seconds > previous:  # a file without time stamps
                        seconds = previous + 1 / self.frames_per_second
                    if not 0 <= seconds < _LONGEST:  # a damaged one
                        seconds = previous
                previous = seconds
                if index % self._stride:
                    spent += perf_counter_ns() - start
                    continue
                found, bgr = self._capture.retrieve()
                decoded = perf_counter_ns()
                if not found:
                    break
                rgb = cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)
                times = {"decode": spent + decoded - start, "colour": perf_counter_ns() - decoded}
                spent = 0
                self._put(VideoFrame(index, seconds, bgr, rgb, times))
        except cv2.error as error:
            message = f"{self.source} can't be decoded ({error.err or error})"
            self._frames.put_last(ValueError(message))
        self._frames.put_last(None)

    def _put(self, frame: VideoFrame) -> None:
        while not self._stopped and not self._frames.put(frame, 0 if self._newest_only else 0.1):
            if self._newest_only:
                self._frames.drop()

    def _check_end(self) -> None:
        if not self.frames_read and isinstance(self.source, int):
            raise OSError(
                f"camera {self.source} gives no picture: another program may use it; close that, "
                "or choose another --source"
            )
        if not self.frames_read:
            raise ValueError(f"{self.source} has no frame that can be decoded: restore the file")
        missing = self.frame_count - self.frames_read
        if missing > _MISSING_FRAMES and missing > 0.005 * self.frame_count:
            warnings.warn(
                f"{self.source} ends after {self.frames_read} of its {self.frame_count} frames: it "
                "is truncated or damaged; the frames before are used",
                UserWarning,
                stacklevel=3,
            )


def read_video(source: str | Path | int, stride: int = 1, newest_only: bool = False) -> VideoReader:
    """Read a video or a camera.

    Parameters
    ----------
    source : str, Path or int
        A file, or the number of a camera.
    stride : int
        Every so many frames one is given; the others are decoded (codecs need that), not converted.
    newest_only : bool
        Frames that nobody has taken yet are dropped for newer ones: for cameras.

    Returns
    -------
    VideoReader
        To iterate over: `VideoFrame` after `VideoFrame`. At the end of a file that is shorter than
        it says, a warning is given.

    Raises
    ------
    FileNotFoundError
        If there is no such file or camera.
    ValueError
        If the file is no video that OpenCV's FFmpeg can read, or the stride is below 1.

    Examples
    --------
    >>> for frame in read_video("clip.mp4"):  # doctest: +SKIP
    ...     print(frame.index, frame.seconds, frame.rgb.shape)
    """
    return VideoReader(source, stride, newest_only)


def open_file(path: str | Path) -> cv2.VideoCapture:
    """Open a video file, its frames turned upright.

    FileNotFoundError if there is none; ValueError if it is empty, no video that OpenCV's FFmpeg can
    read, or has frames above `MOST_PIXELS`.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise FileNotFoundError(f"there is no video {path}: check the path")
    if not path.stat().st_size:
        raise ValueError(f"{path} is empty (0 bytes): restore the file")
    with path.open("rb"):  # an unreadable file is no damaged one
        pass
    capture = quietly(cv2.VideoCapture, str(path), cv2.CAP_FFMPEG)
    if not capture.isOpened():
        raise ValueError(
            f"{path} can't be read as a video: it is damaged (an MP4 that was cut off has lost its "
            "index), not a video, or of a codec that OpenCV's FFmpeg does not have; restore or "
            "convert it"
        )
    width, height = (
        capture.get(one) for one in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT)
    )
    if width * height > MOST_PIXELS:
        capture.release()
        raise ValueError(
            f"{path} has frames of {width:g} x {height:g} pixels; the limit is {MOST_PIXELS}. "
            "Make it smaller first"
        )
    capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 1)
    return capture


def open_camera(number: int) -> cv2.VideoCapture:
    """Open a camera that keeps one frame waiting at most, as far as its driver can."""
    capture = quietly(cv2.VideoCapture, number)
    if not capture.isOpened():
        raise FileNotFoundError(
            f"camera {number} can't be opened: none is connected, another program uses it, or "
            "this one may not; check that, or choose another --source (a number, or a video file)"
        )
    capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
    return capture


def quietly(function: type, *arguments: object) -> object:
    """Open or close a video with OpenCV: safely, and without the lines that it writes."""
    for name, value in _FFMPEG.items():
        os.environ.setdefault(name, value)
    logging = cv2.utils.logging
    level = logging.getLogLevel()
    logging.setLogLevel(logging.LOG_LEVEL_SILENT)
    try:
        return function(*arguments)
    finally:
        logging.setLogLevel(level)


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
