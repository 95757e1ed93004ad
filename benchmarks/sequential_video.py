"""Annotate a video in one thread: every millisecond of a frame has its stage, and none overlap."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from time import perf_counter

import cv2

from affectkit import AffectPipeline
from affectkit.pipeline import VideoSummary, draw_faces
from affectkit.pipeline.video.write import CODECS


def open_video(path: str | Path) -> cv2.VideoCapture:
    """Open a video; ValueError if it is none."""
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    if not capture.isOpened():
        raise ValueError(f"{path} can't be read as a video: name another")
    return capture


def open_output(path: str | Path, capture: cv2.VideoCapture) -> cv2.VideoWriter:
    """Open a video to write, of the size and rate of another, in affectkit's codec."""
    path = Path(path)
    codec = cv2.VideoWriter.fourcc(*CODECS[path.suffix])
    size = int(capture.get(cv2.CAP_PROP_FRAME_WIDTH)), int(capture.get(cv2.CAP_PROP_FRAME_HEIGHT))
    rate = capture.get(cv2.CAP_PROP_FPS)
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, codec, rate, size)
    if not writer.isOpened():
        raise OSError(f"{path} can't be written")
    return writer


def annotate_frames(
    pipeline: AffectPipeline, video: str | Path, output: str | Path
) -> Iterator[int]:
    """Do the steps of `affectkit.pipeline.video.annotate.process_video` one after the other.

    Yields how many faces it found, after each frame; the pipeline's timer has its stages then.
    """
    timer = pipeline.timer
    with ExitStack() as stack:
        capture = open_video(video)
        stack.callback(capture.release)
        writer = open_output(output, capture)
        stack.callback(writer.release)
        while True:
            timer.start_frame()
            with timer.stage("decode"):
                there, bgr = capture.read()
            if not there:
                break
            with timer.stage("colour"):
                rgb = cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)
            found = pipeline(rgb)
            with timer.stage("draw"):
                draw_faces(bgr, found)
            with timer.stage("encode"):
                writer.write(bgr)
            timer.end_frame()
            yield len(found)


def annotate_sequentially(
    pipeline: AffectPipeline, video: str | Path, output: str | Path
) -> VideoSummary:
    """Annotate a video by `annotate_frames`."""
    begin = perf_counter()
    faces = list(annotate_frames(pipeline, video, output))
    return VideoSummary(len(faces), sum(faces), perf_counter() - begin)


def shorten(video: str | Path, frames: int, output: str | Path) -> Path:
    """Write the first frames of a video to a new one, for a short run."""
    capture = open_video(video)
    writer = open_output(output, capture)
    for _ in range(frames):
        there, bgr = capture.read()
        if not there:
            break
        writer.write(bgr)
    capture.release()
    writer.release()
    return Path(output)
