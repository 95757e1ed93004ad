"""Read videos and cameras; decoding has a thread of its own."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter_ns

import cv2
import numpy as np

from affectkit.pipeline.video.frame_queue import FrameQueue
from affectkit.pipeline.video.open import MOST_PIXELS, claimed_seconds, open_camera, open_file

WAITING_FRAMES = 4
"""Frames between two threads at most, so that memory does not grow with a video's length."""

_LONGEST = 1e9
"""Seconds; no video is longer."""

_MISSING_FRAMES = 5
"""So many frames less than a file says are no news: containers count frames that nobody sees."""

_PATIENCE, _MOST_PATIENCE = 20, 10_000
"""So often at least and at most a frame is asked for again after one that can't be decoded: OpenCV
does not tell that from the end."""

_UNKNOWN_PATIENCE = 500
"""The same where the number of frames is unknown; 10 ms at the end of a file."""

_MOST_OBLONG = 8
"""Pixels that are said to be longer than so many times their width are a mistake."""

_NEARLY_SQUARE = 0.01
"""Pixels are left alone that are longer than wide by less than this."""

_RATE_FRAMES = 30
"""So many frames tell the rate of a file."""


@dataclass(slots=True)
class VideoFrame:
    """One frame.

    Attributes
    ----------
    index : int
        From 0; skipped frames are counted, lost ones are not.
    seconds : float
        Since the first frame, by the file's own time stamps.
    bgr, rgb : numpy.ndarray
        The same picture, uint8, shape (height, width, 3), in either channel order; rotated as the
        file asks, in square pixels (widened or narrowed as its pixel aspect ratio says). Yours to
        draw on.
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
        On average, as the file says, which can be wrong; 25 if it does not. See `steady_rate`.
    frame_count : int
        As the file says, which can be wrong; 0 for cameras and where it is unknown.
    frames_read : int
        So far, skipped ones included.
    frames_lost : int
        So far, that can't be decoded, between others that can.
    """

    def __init__(
        self, source: str | Path | int, stride: int = 1, newest_only: bool = False
    ) -> None:
        """Open the source; see `read_video` for parameters and errors."""
        if stride < 1:
            raise ValueError(f"expected a stride of at least 1, got {stride}")
        self.source, self._stride, self._newest_only = source, stride, newest_only
        self._is_camera = isinstance(source, int)
        self._capture = open_camera(source) if self._is_camera else open_file(source)
        rate = self._capture.get(cv2.CAP_PROP_FPS)
        self.frames_per_second = float(rate) if 0 < rate < 1000 else 25.0
        count = self._capture.get(cv2.CAP_PROP_FRAME_COUNT)
        self.frame_count = int(count) if 0 < count < 1e9 and not self._is_camera else 0
        self._claimed_seconds = 0.0 if self._is_camera else claimed_seconds(self._capture, source)
        self.frames_read = self.frames_lost = 0
        self._stamped = 0
        self._seconds = self._step = self._shift = 0.0  # of a frame, between two, between counts
        self._odd_pixels = ""
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

    def steady_rate(self) -> float:
        """Give frames a second by the time stamps of the first 30, longer gaps aside.

        It is `frames_per_second` where that is right within 0.5 %, or the file has no time stamps.
        """
        if self._is_camera:
            return self.frames_per_second
        stamps = []
        capture = open_file(self.source)
        while len(stamps) < _RATE_FRAMES and capture.grab():
            stamps.append(capture.get(cv2.CAP_PROP_POS_MSEC) / 1000)
        capture.release()
        steps = np.diff(stamps)
        steps = steps[steps > 0]
        steps = steps[steps < 1.5 * np.median(steps)] if len(steps) else steps
        rate = 1 / steps.mean() if len(steps) else 0
        is_right = abs(rate - self.frames_per_second) <= 0.005 * self.frames_per_second
        return self.frames_per_second if is_right or not 0.001 < rate < 1000 else float(rate)

    def _decode(self) -> None:
        failed = spent = 0
        first = perf_counter_ns()
        try:
            while not self._stopped:
                start = perf_counter_ns()
                if not self._capture.grab():
                    failed += 1
                    if self._is_camera or failed > self._patience():
                        break
                    continue
                seconds = (start - first) / 1e9 if self._is_camera else self._stamp()
                index = self.frames_read
                if index % self._stride:
                    bgr = None
                else:
                    found, bgr = self._capture.retrieve()
                    if not found:
                        failed += 1
                        continue
                self.frames_lost += failed
                self.frames_read += 1
                failed = 0
                if bgr is None:
                    spent += perf_counter_ns() - start
                    continue
                if not self._is_camera:
                    bgr = self._squared(bgr)
                decoded = perf_counter_ns()
                rgb = cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)
                times = {"decode": spent + decoded - start, "colour": perf_counter_ns() - decoded}
                spent = 0
                self._put(VideoFrame(index, seconds, bgr, rgb, times))
        except cv2.error as error:
            message = f"{self.source} can't be decoded ({error.err or error})"
            self._frames.put_last(ValueError(message))
        self._frames.put_last(None)

    def _patience(self) -> int:
        if not self.frame_count:
            return _UNKNOWN_PATIENCE
        missing = self.frame_count - self.frames_read - self.frames_lost
        return min(max(missing, 0) + _PATIENCE, _MOST_PATIENCE)

    def _stamp(self) -> float:
        """Give the time of the frame that was grabbed, later than that of the one before.

        Frames without a time stamp go on in even steps. Stamps that go back a little, after damage,
        are caught up with; ones that go back by more than a second begin a new count.
        """
        stamp = self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
        step = self._step or 1 / self.frames_per_second
        before = self._seconds
        if not self.frames_read:
            seconds = stamp if 0 < stamp < _LONGEST else 0.0
        elif not 0 < stamp < _LONGEST:
            seconds = before + step
        else:
            self._stamped += 1
            seconds = stamp + self._shift
            if seconds < before - 1:
                self._shift += before + step - seconds
                seconds = before + step
            elif seconds <= before:
                seconds = before + 0.01 * step
            elif not self._step or seconds - before < 1.5 * step:
                self._step = seconds - before
        self._seconds = seconds
        return seconds

    def _squared(self, bgr: np.ndarray) -> np.ndarray:
        """Scale a frame to square pixels."""
        width = self._capture.get(cv2.CAP_PROP_SAR_NUM)
        height = self._capture.get(cv2.CAP_PROP_SAR_DEN)
        if width == height or width <= 0 or height <= 0:  # 0 is unknown
            return bgr
        ratio = width / height
        if abs(ratio - 1) < _NEARLY_SQUARE:
            return bgr
        size = [bgr.shape[1], bgr.shape[0]]
        turned = self._capture.get(cv2.CAP_PROP_ORIENTATION_META) % 180 == 90
        size[turned] = max(1, round(size[turned] * ratio))
        if not 1 / _MOST_OBLONG <= ratio <= _MOST_OBLONG or size[0] * size[1] > MOST_PIXELS:
            self._odd_pixels = f"{width:g}:{height:g}"
            return bgr
        way = cv2.INTER_AREA if ratio < 1 else cv2.INTER_LINEAR
        return cv2.resize(bgr, size, interpolation=way)

    def _put(self, frame: VideoFrame) -> None:
        while not self._stopped and not self._frames.put(frame, 0 if self._newest_only else 0.1):
            if self._newest_only:
                self._frames.drop()

    def _check_end(self) -> None:
        """Raise an error if nothing came, and warn of what did not come."""
        if not self.frames_read and self._is_camera:
            raise OSError(
                f"camera {self.source} gives no picture: another program may use it; close that, "
                "or choose another --source"
            )
        if not self.frames_read:
            raise ValueError(f"{self.source} has no frame that can be decoded: restore the file")
        if self._is_camera:
            return
        if self.frames_lost:
            _warn(
                f"{self.source} is damaged: {self.frames_lost} of its frames can't be decoded; the "
                f"other {self.frames_read} are used"
            )
        missing = self.frame_count - self.frames_read - self.frames_lost
        step = self._step or 1 / self.frames_per_second
        short = self._claimed_seconds - self._seconds - step
        if missing > max(_MISSING_FRAMES, 0.005 * self.frame_count) and short > max(
            _MISSING_FRAMES * self._step, 0.005 * self._claimed_seconds
        ):
            _warn(
                f"{self.source} ends after {self.frames_read} of its {self.frame_count} frames: it "
                "is truncated or damaged; the frames before are used"
            )
        if self.frames_read > 1 and not self._stamped:
            _warn(
                f"{self.source} has no time stamps: {self.frames_per_second:g} frames a second are "
                "assumed; if that is wrong, wrap it: ffmpeg -r RATE -i FILE -c copy FILE.mkv"
            )
        if self._odd_pixels:
            _warn(
                f"{self.source} says that its pixels are {self._odd_pixels}, which is taken for a "
                "mistake: they are read as squares"
            )


def _warn(message: str) -> None:
    warnings.warn(message, UserWarning, stacklevel=4)


def read_video(source: str | Path | int, stride: int = 1, newest_only: bool = False) -> VideoReader:
    """Read a video or a camera.

    Parameters
    ----------
    source : str, Path or int
        A file (of several video tracks the default one is read), or the number of a camera.
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
