"""Predict for pictures, in this process or in several."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import warnings
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from pathlib import Path

import cv2
from PIL import Image

from affectkit.atomic_files import write_atomically
from affectkit.data.images import read_image
from affectkit.drawing import draw_faces
from affectkit.pipeline import AffectPipeline
from affectkit.prediction_rows import Row, face_rows

_WAITING_PICTURES = 4
"""Handed to each process in advance, at most."""


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
        self.arguments = arguments
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


def predict_images(
    tasks: Iterable[ImageTask], predictor: ImagePredictor, workers: int = 1
) -> Iterator[ImageResult]:
    """Predict for pictures.

    Parameters
    ----------
    tasks : iterable of ImageTask
        The pictures; taken as they are needed.
    predictor : ImagePredictor
        Predicts in this process; others make one with the same arguments.
    workers : int
        Processes; 1 works in this one.

    Yields
    ------
    ImageResult
        In the order of the tasks.

    Raises
    ------
    OSError
        If a process ended, as when memory is used up.
    """
    if workers == 1:
        yield from map(predictor, tasks)
        return
    executor = ProcessPoolExecutor(
        workers, multiprocessing.get_context("spawn"), _start_worker, (predictor.arguments,)
    )
    waiting: deque[Future[ImageResult]] = deque()
    try:
        for task in tasks:
            waiting.append(executor.submit(_predict, task))
            if len(waiting) > _WAITING_PICTURES * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    except BrokenProcessPool as error:
        raise OSError(
            "a worker process ended, perhaps for lack of memory: use fewer --workers; the same "
            "command goes on where it stopped"
        ) from error
    finally:
        executor.shutdown(cancel_futures=True)


_predictor: ImagePredictor | None = None
"""Of a worker process."""


def _start_worker(arguments: dict[str, object]) -> None:
    global _predictor
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends the workers
    threading.Thread(target=_end_with_parent, daemon=True).start()
    cv2.setNumThreads(1)
    _predictor = ImagePredictor(**arguments)


def _end_with_parent() -> None:
    multiprocessing.parent_process().join()
    os._exit(1)


def _predict(task: ImageTask) -> ImageResult:
    return _predictor(task)


def _warn_if_animated(path: Path) -> None:
    if path.suffix.lower() not in (".gif", ".webp", ".png", ".tif", ".tiff"):
        return
    try:
        with Image.open(path) as image:
            frames = getattr(image, "n_frames", 1)
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError):
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
