"""Predict for picture files."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from pathlib import Path

import cv2

from affectkit.data.images import read_image
from affectkit.files.atomic import write_atomically
from affectkit.files.pictures import DAMAGED, open_picture
from affectkit.pipeline.drawing import draw_faces
from affectkit.pipeline.pipeline import AffectPipeline
from affectkit.pipeline.predict.rows import Row, face_rows


@dataclass(frozen=True)
class ImageTask:
    """A picture, and where its annotated copy goes, if anywhere."""

    path: Path
    annotated: Path | None = None


@dataclass
class ImageResult:
    """What came of a task: rows, notes about the picture, or the error that there was."""

    task: ImageTask
    rows: list[Row] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    error: str | None = None


class ImagePredictor:
    """A pipeline for picture files; the arguments are those of `AffectPipeline`."""

    def __init__(self, **arguments: object) -> None:
        self._pipeline = AffectPipeline(**arguments)

    def __call__(self, task: ImageTask) -> ImageResult:
        """Predict for a picture; errors in it or its annotated copy are in the result."""
        result = ImageResult(task)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                _warn_if_animated(task.path)
                image = read_image(task.path)
                faces = self._pipeline(image)
                if task.annotated is not None:
                    _write_picture(
                        task.annotated, draw_faces(cv2.cvtColor(image, cv2.COLOR_RGB2BGR), faces)
                    )
                result.rows = face_rows(str(task.path), faces)
            except (OSError, ValueError, MemoryError, cv2.error) as error:
                result.error = str(error) or type(error).__name__
        result.notes = [str(warning.message) for warning in caught]
        return result


def _warn_if_animated(path: Path) -> None:
    if path.suffix.lower() not in (".gif", ".webp", ".png", ".tif", ".tiff"):
        return
    try:
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


def _write_picture(path: Path, bgr: object) -> None:
    quality = [cv2.IMWRITE_JPEG_QUALITY, 95] if path.suffix.lower() != ".png" else []
    write_atomically(path, cv2.imencode(path.suffix, bgr, quality)[1].tobytes())
