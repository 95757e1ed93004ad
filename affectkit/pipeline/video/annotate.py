"""Run a pipeline over a video: decode, predict and encode at the same time, in flat memory."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

from affectkit.pipeline.answers import FaceAffect
from affectkit.pipeline.drawing import draw_faces
from affectkit.pipeline.pipeline import AffectPipeline
from affectkit.pipeline.stage_timer import END_TO_END, STAGES
from affectkit.pipeline.video.read import read_video
from affectkit.pipeline.video.write import VideoWriter

_OUT_OF_STEP = 0.1
"""Seconds by which an annotated frame may be off its time before a warning is given."""


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
        Gets the frames with what was found drawn in, without sound; see `VideoWriter`.
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
    out_of_step = 0.0
    before: dict[str, int] | None = None
    with ExitStack() as stack:
        reader = stack.enter_context(read_video(path, stride))
        rate = reader.frames_per_second / stride
        writer = stack.enter_context(VideoWriter(annotate, rate)) if annotate else None
        for frame in reader:
            timer.start_frame()
            found = pipeline(frame.rgb)
            if on_faces is not None:
                on_faces(frame.index, frame.seconds, found)
            if writer is not None:
                with timer.stage("draw"):
                    draw_faces(frame.bgr, found, _milliseconds(before) if show_times else None)
            times = timer.end_frame()
            times[END_TO_END] += sum(frame.nanoseconds.values())
            times.update(frame.nanoseconds)
            if writer is not None:
                writer.write(frame.bgr, times)
                out_of_step = max(out_of_step, abs(frame.seconds - frames / rate))
            before = times
            frames += 1
            faces += len(found)
    if out_of_step > _OUT_OF_STEP:
        warnings.warn(
            f"{path} has a variable frame rate, {annotate} a constant one: frames are up to "
            f"{out_of_step:.1f} s off their time there; the times in the rows are right",
            UserWarning,
            stacklevel=2,
        )
    return VideoSummary(frames, faces, perf_counter() - start)


def _milliseconds(times: dict[str, int] | None) -> dict[str, float] | None:
    if times is None:
        return None
    return {name: times[name] / 1e6 for name in (*STAGES, END_TO_END) if name in times}
