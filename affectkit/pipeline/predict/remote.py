"""Predict for pictures and videos on a Dask cluster."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

import cv2

from affectkit.pipeline.pipeline import AffectPipeline
from affectkit.pipeline.predict.cluster import run_tasks
from affectkit.pipeline.predict.pictures import ImagePredictor, ImageResult, ImageTask
from affectkit.pipeline.predict.rows import Row, face_rows
from affectkit.pipeline.video.annotate import process_video

if TYPE_CHECKING:
    from distributed import Client

_LARGEST_BATCH = 8
_Frozen = tuple[tuple[str, object], ...]


@dataclass(frozen=True)
class PredictionSettings:
    """What the workers need to know.

    Attributes
    ----------
    image_arguments, video_arguments : dict
        Of the `AffectPipeline` for pictures, and of that for videos.
    stride : int
        Every so many frames of a video one is used.
    """

    image_arguments: dict[str, object]
    video_arguments: dict[str, object]
    stride: int = 1


@dataclass(frozen=True)
class VideoTask(ImageTask):
    """A video, and where its annotated copy goes, if anywhere."""


def predict_on_cluster(
    client: Client,
    tasks: Sequence[ImageTask | VideoTask],
    settings: PredictionSettings,
    check: Callable[[], None] | None = None,
) -> Iterator[ImageResult]:
    """Predict for pictures and videos.

    Pictures go out in small batches, videos one by one. Every worker loads its pipelines once, and
    reads the files itself: all machines have to see them at the same place.

    Parameters
    ----------
    client : distributed.Client
        See `affectkit.pipeline.predict.cluster.open_cluster`.
    tasks : sequence of ImageTask or VideoTask
        Pictures first.
    settings : PredictionSettings
        The same for all.
    check : callable, optional
        See `affectkit.pipeline.predict.cluster.run_tasks`.

    Yields
    ------
    ImageResult
        In the order of the tasks. The rows of a video are in memory as a whole.

    Raises
    ------
    OSError
        See `affectkit.pipeline.predict.cluster.run_tasks`.
    """
    settings = PredictionSettings(
        _with_absolute_paths(settings.image_arguments),
        _with_absolute_paths(settings.video_arguments),
        settings.stride,
    )
    function = partial(_predict_batch, settings)
    threads = sum(client.nthreads().values()) or 1
    pictures = [task for task in tasks if not isinstance(task, VideoTask)]
    videos = [task for task in tasks if isinstance(task, VideoTask)]
    size = max(1, min(_LARGEST_BATCH, len(pictures) // (4 * threads)))
    for group, batch_size in ((pictures, size), (videos, 1)):
        sent = [_absolute(task) for task in group]
        early: dict[int, ImageResult] = {}
        written = 0
        with closing(run_tasks(client, function, sent, batch_size, check)) as outcomes:
            for outcome in outcomes:
                task = group[outcome.index]
                result = outcome.value or ImageResult(task, error=outcome.error)
                early[outcome.index] = _with_name(result, task)
                while written in early:
                    yield early.pop(written)
                    written += 1


def _absolute(task: ImageTask) -> ImageTask:
    return replace(
        task, path=task.path.absolute(), annotated=task.annotated and task.annotated.absolute()
    )


def _with_absolute_paths(arguments: dict[str, object]) -> dict[str, object]:
    """Make names of files absolute, as the workers may be started elsewhere."""
    return {
        name: str(Path(value).expanduser().absolute())
        if isinstance(value, str | Path) and Path(value).expanduser().exists()
        else value
        for name, value in arguments.items()
    }


def _with_name(result: ImageResult, task: ImageTask) -> ImageResult:
    """Name the file as the task at hand does."""
    rows: list[Row] = [row | {"file": str(task.path)} for row in result.rows]
    return replace(result, task=task, rows=rows)


@lru_cache(maxsize=1)
def _predictor(arguments: _Frozen) -> ImagePredictor:
    cv2.setNumThreads(1)
    return ImagePredictor(**dict(arguments))


@lru_cache(maxsize=1)
def _pipeline(arguments: _Frozen) -> AffectPipeline:
    cv2.setNumThreads(1)
    return AffectPipeline(**dict(arguments))


def _predict_batch(
    settings: PredictionSettings, tasks: list[ImageTask | VideoTask]
) -> list[ImageResult]:
    """Work on a batch, in a worker."""
    images, videos = (
        tuple(arguments.items())
        for arguments in (settings.image_arguments, settings.video_arguments)
    )
    return [
        _predict_video(task, _pipeline(videos), settings.stride)
        if isinstance(task, VideoTask)
        else _predictor(images)(task)
        for task in tasks
    ]


def _predict_video(task: VideoTask, pipeline: AffectPipeline, stride: int) -> ImageResult:
    result = ImageResult(task)
    name = str(task.path)

    def keep(index: int, seconds: float, faces: list) -> None:
        result.rows += face_rows(name, faces, index, seconds)

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            process_video(pipeline, task.path, task.annotated, stride, keep)
        except (OSError, ValueError, MemoryError, cv2.error) as error:
            result.error = str(error) or type(error).__name__
            result.rows = []
    result.notes = [str(warning.message) for warning in caught]
    return result
