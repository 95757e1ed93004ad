"""What is predicted, how, and the work on one file, in this process or in a worker."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import cv2
import numpy as np

from affectkit.data.images import read_image
from affectkit.files.atomic import write_atomically
from affectkit.files.kinds import file_kind
from affectkit.files.pictures import DAMAGED, open_picture
from affectkit.pipeline.answers import FaceAffect
from affectkit.pipeline.drawing import draw_faces
from affectkit.pipeline.pipeline import AffectPipeline
from affectkit.pipeline.predict.journal import OutputError
from affectkit.pipeline.predict.rows import Row, face_rows
from affectkit.pipeline.video.annotate import process_video

IMAGE_DETECTOR, VIDEO_DETECTOR = "blazeface-tiled", "blazeface"

FILE_ERRORS = (OSError, ValueError, MemoryError, cv2.error)
"""What is wrong with a file, or its annotated copy, rather than with the kit."""


@dataclass(frozen=True)
class PredictSettings:
    """How `predict_files` works.

    Parameters
    ----------
    model : str or Path
        See `AffectPipeline`.
    detector : str, optional
        See `load_detector`; by default "blazeface-tiled" for pictures and the quicker "blazeface"
        for videos.
    annotate : str or Path, optional
        A folder for copies with what was found drawn in, or the file for a single input.
    stride : int
        Every so many frames of a video one is used.
    smoothing : float
        Of a video's faces, 0..1 (excluding 1); see `FaceTracker`.
    threads : int
        Of the networks, a process.
    workers : int
        Processes. 1 works in this one; more are a local Dask cluster if there is more than one
        file, and one of them that ends is replaced.
    scheduler : str, optional
        Address of a Dask scheduler (`tcp://host:port`) whose workers are taken instead; they have
        to see the files at the same place.
    prior : {"trained", "balanced"}
        See `AffectPipeline`.

    Raises
    ------
    ValueError
        If there would be no worker, or the stride is below 1.
    """

    model: str | Path = "affectkit-real-int8"
    detector: str | None = None
    annotate: str | Path | None = None
    stride: int = 1
    smoothing: float = 0.0
    threads: int = 1
    workers: int = 1
    scheduler: str | None = None
    prior: str = "trained"

    def __post_init__(self) -> None:
        if self.workers < 1:
            raise ValueError(f"expected at least 1 worker, got {self.workers}")
        if self.stride < 1:
            raise ValueError(f"expected a stride of at least 1, got {self.stride}")

    def load_pipeline(self, is_video: bool) -> AffectPipeline:
        """Load what works on pictures, or on videos."""
        detector = self.detector or (VIDEO_DETECTOR if is_video else IMAGE_DETECTOR)
        smoothing = self.smoothing if is_video else 0.0
        return AffectPipeline(
            self.model, detector, self.threads, smoothing, track=is_video, prior=self.prior
        )

    def with_absolute_paths(self) -> PredictSettings:
        """Name the files of model and detector so that a worker that was started elsewhere does."""
        changed = {
            name: str(Path(value).expanduser().absolute())
            for name in ("model", "detector")
            if isinstance(value := getattr(self, name), str | Path)
            and Path(value).expanduser().exists()
        }
        return replace(self, **changed)


@dataclass(frozen=True)
class FileTask:
    """A picture or video, what its rows call it, and where its annotated copy goes, if anywhere."""

    path: Path
    name: str
    is_video: bool = False
    annotated: Path | None = None


@dataclass
class FileResult:
    """What came of a task: faces, rows, notes about the file, or the error that there was."""

    task: FileTask
    faces: int = 0
    rows: list[Row] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    error: str | None = None


def predict_file(
    task: FileTask,
    pipeline: AffectPipeline,
    stride: int = 1,
    on_rows: Callable[[list[Row]], None] | None = None,
) -> FileResult:
    """Predict for a file; what is wrong with it or its annotated copy is in the result.

    `on_rows` gets the rows, those of a video frame by frame; else they are in the result.
    """
    result = FileResult(task)
    keep = on_rows or result.rows.extend

    def on_faces(index: int | None, seconds: float | None, faces: list[FaceAffect]) -> None:
        result.faces += len(faces)
        keep(face_rows(task.name, faces, index, seconds))

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            if task.is_video:
                process_video(pipeline, task.path, task.annotated, stride, on_faces)
            else:
                on_faces(None, None, _predict_picture(task, pipeline))
        except OutputError:
            raise
        except FILE_ERRORS as error:
            result = FileResult(task, error=str(error) or type(error).__name__)
    result.notes = [str(warning.message) for warning in caught]
    return result


def _predict_picture(task: FileTask, pipeline: AffectPipeline) -> list[FaceAffect]:
    warn_if_animated(task.path)
    image = read_image(task.path)
    faces = pipeline(image)
    if task.annotated is not None:
        drawn = draw_faces(cv2.cvtColor(image, cv2.COLOR_RGB2BGR), faces)
        _write_picture(task.annotated, drawn)
    return faces


def warn_if_animated(path: Path) -> None:
    """Warn about a picture of several frames, of which the first is used."""
    if path.suffix.lower() in (".jpg", ".jpeg"):  # most, and quickly told
        return
    try:
        if file_kind(path).name not in ("GIF", "WEBP", "PNG", "TIFF", "AVIF", "HEIF"):
            return
        with open_picture(path) as image:
            frames = getattr(image, "n_frames", 1)
    except DAMAGED:
        return  # reading it says what is wrong
    if frames > 1:
        warnings.warn(
            f"{path} has {frames} frames: the first one is used; convert it to a video for all",
            UserWarning,
            stacklevel=2,
        )


def _write_picture(path: Path, bgr: np.ndarray) -> None:
    quality = [cv2.IMWRITE_JPEG_QUALITY, 95] if path.suffix.lower() != ".png" else []
    write_atomically(path, cv2.imencode(path.suffix, bgr, quality)[1].tobytes())
