"""Predict for pictures and videos on a Dask cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from functools import lru_cache, partial
from typing import TYPE_CHECKING

import cv2

from affectkit.pipeline.pipeline import AffectPipeline
from affectkit.pipeline.predict.cluster import run_tasks
from affectkit.pipeline.predict.task import FileResult, FileTask, PredictSettings, predict_file

if TYPE_CHECKING:
    from distributed import Client

_LARGEST_BATCH = 8


def predict_on_cluster(
    client: Client,
    tasks: Sequence[FileTask],
    settings: PredictSettings,
    check: Callable[[], None] | None = None,
) -> Iterator[FileResult]:
    """Give the results of tasks, pictures first, in their order; errors are those of `run_tasks`.

    Pictures go out in small batches, videos one by one. Every worker loads its pipelines once, and
    reads the files itself. The rows of a video are in memory as a whole.
    """
    function = partial(_predict_batch, settings.with_absolute_paths())
    threads = sum(client.nthreads().values()) or 1
    for is_video in (False, True):
        group = [task for task in tasks if task.is_video == is_video]
        size = 1 if is_video else max(1, min(_LARGEST_BATCH, len(group) // (4 * threads)))
        early: dict[int, FileResult] = {}
        written = 0
        outcomes = run_tasks(client, function, list(map(_absolute, group)), size, check)
        with closing(outcomes):
            for outcome in outcomes:
                task = group[outcome.index]
                result = outcome.value or FileResult(task, error=outcome.error)
                early[outcome.index] = replace(result, task=task)
                while written in early:
                    yield early.pop(written)
                    written += 1


def _absolute(task: FileTask) -> FileTask:
    """Name the files so that a worker that was started elsewhere finds them."""
    return replace(
        task, path=task.path.absolute(), annotated=task.annotated and task.annotated.absolute()
    )


def _predict_batch(settings: PredictSettings, tasks: list[FileTask]) -> list[FileResult]:
    """Work on a batch, in a worker."""
    return [
        predict_file(task, _pipeline(settings, task.is_video), settings.stride) for task in tasks
    ]


@lru_cache(maxsize=2)
def _pipeline(settings: PredictSettings, is_video: bool) -> AffectPipeline:
    cv2.setNumThreads(1)
    return settings.load_pipeline(is_video)
