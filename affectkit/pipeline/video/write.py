"""Write a video in a thread of its own, and say so if it could not be written."""

from __future__ import annotations

import errno
import os
import shutil
import threading
import warnings
from pathlib import Path
from time import perf_counter_ns
from types import TracebackType

import cv2
import numpy as np

from affectkit.files.atomic import left_partials, partial_path
from affectkit.pipeline.video.frame_queue import FrameQueue
from affectkit.pipeline.video.open import quietly
from affectkit.pipeline.video.read import WAITING_FRAMES

CODECS = {".mp4": "mp4v", ".mkv": "mp4v", ".avi": "MJPG"}
"""By the end of the file's name: what every OpenCV wheel can write."""

_FREE_BYTES = 2_000_000
"""Less than this is a full disk."""


class VideoWriter:
    """Write frames to a video; a context manager that leaves a playable file however it is left.

    A process that is killed outright (`kill -9`) leaves a playable `.mkv` or `.avi`; choose one of
    them for what can't be recorded again. OpenCV writes the index of an `.mp4` at the end, so that
    one has a hidden name until then: a kill leaves the older file of that name, or none.

    Parameters
    ----------
    path : str or Path
        `.mp4` or `.mkv` (MPEG-4 part 2), or `.avi` (Motion JPEG). Folders are made.
    frames_per_second : float
        The same for all frames: OpenCV writes no others.

    Attributes
    ----------
    frames_written : int
        So far.

    Examples
    --------
    >>> with VideoWriter("out.mp4", 25) as writer:  # doctest: +SKIP
    ...     writer.write(np.zeros((360, 640, 3), np.uint8))
    """

    def __init__(self, path: str | Path, frames_per_second: float) -> None:
        """Check that the file can be made.

        Raises
        ------
        ValueError
            If the name ends otherwise, or the frame rate is not positive.
        OSError
            If the folder or file can't be written.
        """
        self.path = check_video_name(path)
        if not 0 < frames_per_second <= 1000:
            raise ValueError(
                f"expected a frame rate above 0, up to 1000 a second, got {frames_per_second}"
            )
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if self.path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(self.path))
        for left in left_partials(self.path.parent, self.path.name):
            left.unlink()
        is_mp4 = self.path.suffix.lower() == ".mp4"
        self._target = partial_path(self.path) if is_mp4 else self.path
        with self._target.open("wb"):
            pass
        self.frames_written = 0
        self._rate = frames_per_second
        self._video: cv2.VideoWriter | None = None
        self._size = (0, 0)
        self._error: Exception | None = None
        self._frames = FrameQueue(WAITING_FRAMES)
        self._thread = threading.Thread(target=self._encode, name="encode", daemon=True)
        self._thread.start()

    def write(self, frame: np.ndarray, nanoseconds: dict[str, int] | None = None) -> None:
        """Hand over the next frame.

        Parameters
        ----------
        frame : numpy.ndarray
            uint8, shape (height, width, 3), BGR; not to be changed afterwards. The first one's size
            is the video's (less a pixel where it is odd); others are resized.
        nanoseconds : dict, optional
            Gets the time of the stage "encode" when it is known.

        Raises
        ------
        OSError
            If the video can't be written: an earlier frame failed, or the disk is full.
        """
        while self._thread.is_alive() and not self._frames.put((frame, nanoseconds), 0.1):
            pass
        if self._error is not None:
            raise self._error

    def close(self) -> None:
        """Write what is left, and check the file.

        Raises
        ------
        OSError
            If the file does not hold all frames.
        """
        if self._thread.is_alive():
            self._frames.put_last(None)
            self._thread.join()
        if self._video is not None:
            quietly(self._video.release)
            self._video = None
            if self._error is None:
                self._check()
            if self._target.exists():
                self._target.replace(self.path)
        elif not self.frames_written:
            self._target.unlink(missing_ok=True)
        if self._error is not None:
            raise self._error

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            self.close()
        except OSError as problem:
            if kind is None:
                raise
            if problem is not error:
                warnings.warn(str(problem), UserWarning, stacklevel=2)

    def _encode(self) -> None:
        checked = 0
        try:
            while (item := self._frames.get()) is not None:
                frame, nanoseconds = item
                start = perf_counter_ns()
                if self._video is None:
                    self._open(frame)
                if frame.shape[1::-1] != self._size:
                    frame = cv2.resize(frame, self._size, interpolation=cv2.INTER_AREA)
                self._video.write(frame)
                self.frames_written += 1
                spent = perf_counter_ns() - start
                if nanoseconds is not None:
                    nanoseconds["encode"] = spent
                    if "end to end" in nanoseconds:
                        nanoseconds["end to end"] += spent
                if start - checked > 1e9:
                    checked = start
                    if shutil.disk_usage(self.path.parent).free < _FREE_BYTES:
                        raise OSError(
                            errno.ENOSPC, "the disk is full: free some space", str(self.path)
                        )
        except (OSError, cv2.error) as error:
            self._error = error if isinstance(error, OSError) else OSError(str(error))

    def _open(self, frame: np.ndarray) -> None:
        codec = cv2.VideoWriter_fourcc(*CODECS[self.path.suffix.lower()])
        self._size = frame.shape[1::-1]
        video = quietly(
            cv2.VideoWriter, str(self._target), cv2.CAP_FFMPEG, codec, self._rate, self._size
        )
        if not video.isOpened():
            raise OSError(
                f"{self.path} can't be written: OpenCV {cv2.__version__} did not open a "
                f"{self.path.suffix} of {self._size[0]} x {self._size[1]} pixels at {self._rate:g} "
                f"frames a second; try {' or '.join(CODECS)}"
            )
        self._video = video

    def _check(self) -> None:
        """Open the file again: OpenCV does not tell when a write has failed."""
        again = quietly(cv2.VideoCapture, str(self._target), cv2.CAP_FFMPEG)
        count = int(again.get(cv2.CAP_PROP_FRAME_COUNT)) if again.isOpened() else 0
        again.release()
        if count < self.frames_written - 1:
            self._error = OSError(
                f"{self.path} could not be written to its end ({count} of {self.frames_written} "
                "frames can be read): the disk is full or a quota reached; free some space"
            )


def check_video_name(path: str | Path) -> Path:
    """Give a path back if its name ends like one of `CODECS`; ValueError otherwise."""
    path = Path(path).expanduser()
    if path.suffix.lower() not in CODECS:
        raise ValueError(
            f"expected the name of a video to end in {', '.join(CODECS)}, got {str(path)!r}"
        )
    return path
