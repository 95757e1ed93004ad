"""Run a pipeline over a video: decode, predict and encode at the same time, in flat memory."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import numpy as np

from affectkit.pipeline.answers import FaceAffect
from affectkit.pipeline.drawing import draw_faces
from affectkit.pipeline.pipeline import AffectPipeline
from affectkit.pipeline.stage_timer import END_TO_END, STAGES
from affectkit.pipeline.video.read import read_video
from affectkit.pipeline.video.write import VideoWriter

_JITTER = 0.75
"""Of a frame's duration: one that is off its time by more is repeated or left out."""

_LONGEST_STILL = 60.0
"""Seconds; where a video shows nothing for longer, the annotated one is cut."""


@dataclass(frozen=True)
class VideoSummary:
    """What `process_video` has done.

    Attributes
    ----------
    frames : int
        That went through the pipeline.
    faces : int
        In all of them.
    duration : float
        Seconds that it took, from opening the file to closing the annotated one.
    """

    frames: int
    faces: int
    duration: float


def process_video(
    pipeline: AffectPipeline,
    path: str | Path,
    annotate: str | Path | None = None,
    stride: int = 1,
    on_faces: Callable[[int, float, list[FaceAffect]], None] | None = None,
    show_times: bool = True,
) -> VideoSummary:
    """Run a pipeline over all frames of a video.

    The timer of the pipeline gets the stages "decode", "colour", "draw" and "encode" too. Its "end
    to end" is the work spent on a frame in all threads, without the time that one waits for
    another: on several cores, more frames a second go through than that would give on one.

    Parameters
    ----------
    pipeline : AffectPipeline
        Faces that it follows are forgotten first.
    path : str or Path
        The video.
    annotate : str or Path, optional
        Gets the frames with what was found drawn in, without sound, at their times; see
        `VideoWriter`. It has a constant rate: frames of a video with another one are repeated
        where it shows them longer, and left out (with a warning) where they follow faster.
    stride : int
        Every so many frames one is used; the annotated video has as many, at a lower rate.
    on_faces : callable, optional
        Called with index (of the source, from 0), seconds and faces of each frame.
    show_times : bool
        Draw the stage times (of the frame before, as its own are not known yet).

    Returns
    -------
    VideoSummary
        Counts and time.

    Raises
    ------
    FileNotFoundError, ValueError
        If the video can't be read.
    OSError
        If the annotated one can't be written. What was written until then can be played, also when
        the process is interrupted.
    """
    if annotate is not None and Path(annotate).resolve() == Path(path).resolve():
        raise ValueError(f"the annotated video would overwrite {path}: choose another name")
    start = perf_counter()
    timer = pipeline.timer
    pipeline.forget_faces()
    frames = faces = 0
    before: dict[str, int] | None = None
    with ExitStack() as stack:
        reader = stack.enter_context(read_video(path, stride))
        steady = None
        if annotate is not None:
            rate = reader.steady_rate() / stride
            steady = SteadyWriter(stack.enter_context(VideoWriter(annotate, rate)), rate)
        for frame in reader:
            timer.start_frame()
            found = pipeline(frame.rgb)
            if on_faces is not None:
                on_faces(frame.index, frame.seconds, found)
            if steady is not None:
                with timer.stage("draw"):
                    draw_faces(frame.bgr, found, _milliseconds(before) if show_times else None)
            times = timer.end_frame()
            times[END_TO_END] += sum(frame.nanoseconds.values())
            times.update(frame.nanoseconds)
            if steady is not None:
                steady.write(frame.bgr, frame.seconds, times)
            before = times
            frames += 1
            faces += len(found)
    if steady is not None:
        steady.warn_of_changes(path)
    return VideoSummary(frames, faces, perf_counter() - start)


class SteadyWriter:
    """Writes frames of any times to a video of a constant rate so that each is at its time."""

    def __init__(self, writer: VideoWriter, rate: float) -> None:
        self._writer, self._rate = writer, rate
        self._first: float | None = None
        self._shown: np.ndarray | None = None
        self._written = self._left_out = 0
        self._cut = 0.0

    def write(self, bgr: np.ndarray, seconds: float, times: dict[str, int]) -> None:
        """Write a frame, the one before it as often as that is still to be seen, or neither."""
        if self._first is None:
            self._first = seconds
        place = (seconds - self._first - self._cut) * self._rate
        still = (place - self._written) / self._rate - _LONGEST_STILL
        if still > 0:
            self._cut += still
            place -= still * self._rate
        if place < self._written - _JITTER:
            self._left_out += 1
            return
        while place > self._written + _JITTER:
            self._writer.write(self._shown)
            self._written += 1
        self._writer.write(bgr, times)
        self._shown = bgr
        self._written += 1

    def warn_of_changes(self, path: str | Path) -> None:
        """Warn of frames that are left out, and of time."""
        annotated = self._writer.path
        if self._left_out:
            warnings.warn(
                f"{path} has a variable frame rate: {self._left_out} of its frames are left out of "
                f"{annotated}, which has {self._rate:.3g} a second; the rows have all",
                UserWarning,
                stacklevel=3,
            )
        if self._cut:
            warnings.warn(
                f"{path} shows nothing for {self._cut:.0f} s (or its time stamps jump), which are "
                f"cut from {annotated}; the times in the rows are the file's",
                UserWarning,
                stacklevel=3,
            )


def _milliseconds(times: dict[str, int] | None) -> dict[str, float] | None:
    if times is None:
        return None
    return {name: times[name] / 1e6 for name in (*STAGES, END_TO_END) if name in times}
