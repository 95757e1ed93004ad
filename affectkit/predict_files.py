"""Predict for many pictures and videos: what fails is told, the others are done."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import ExitStack, closing
from pathlib import Path

from tqdm import tqdm

from affectkit import __version__
from affectkit.atomic_files import remove_partials
from affectkit.image_prediction import ImagePredictor, ImageTask
from affectkit.pipeline import AffectPipeline
from affectkit.prediction_inputs import annotation_targets, find_inputs
from affectkit.prediction_output import PredictionOutput, file_key
from affectkit.prediction_rows import check_format
from affectkit.prediction_run import PredictionRun, PredictionSummary

IMAGE_DETECTOR, VIDEO_DETECTOR = "blazeface-tiled", "blazeface"


def predict_files(
    paths: Iterable[str | Path],
    output: str | Path,
    model: str | Path = "affectkit-real-int8",
    detector: str | None = None,
    annotate: str | Path | None = None,
    workers: int = 1,
    stride: int = 1,
    threads: int = 1,
    smoothing: float = 0.0,
    overwrite: bool = False,
    progress: bool = True,
    check: Callable[[], None] | None = None,
    scheduler: str | None = None,
) -> PredictionSummary:
    """Predict for pictures and videos, and write the rows; pictures first, then videos.

    A file that can't be done is warned about, and listed in `<output's stem>_skipped.csv`. Called
    again with the same output, files whose rows are in it are left out.

    Parameters
    ----------
    paths : iterable of str or Path
        Files, folders with all below, or patterns; see `find_inputs`.
    output : str or Path
        A `.csv`, `.parquet` or `.jsonl` file; see `affectkit.prediction_rows.COLUMNS`.
    model : str or Path
        See `AffectPipeline`.
    detector : str, optional
        See `affectkit.detectors.load_detector`; by default `IMAGE_DETECTOR` for pictures and the
        quicker `VIDEO_DETECTOR` for videos.
    annotate : str or Path, optional
        A folder for copies with what was found drawn in, or the file for a single input.
    workers : int
        Processes. 1 works in this one; more are a local Dask cluster if there is more than one
        file, and one of them that ends is replaced.
    stride : int
        Every so many frames of a video one is used.
    threads : int
        Of the networks, a process.
    smoothing : float
        Of a video's faces; see `affectkit.tracking.FaceTracker`.
    overwrite : bool
        Begin anew instead of going on.
    progress : bool
        Show progress bars where the standard error is a terminal.
    check : callable, optional
        Called after every picture and frame, or several times a second; may raise an exception,
        such as KeyboardInterrupt.
    scheduler : str, optional
        Address of a Dask scheduler (`tcp://host:port`) whose workers are taken instead; they have
        to see the files at the same place.

    Returns
    -------
    PredictionSummary
        Counts, and what failed.

    Raises
    ------
    ValueError
        If there is nothing to read, or a setting is impossible.
    OSError
        If the output can't be written or the cluster is lost; rows of finished files are kept.
    ImportError
        If several processes are asked for and Dask is missing.
    """
    output = check_format(output)
    if workers < 1:
        raise ValueError(f"expected at least 1 worker, got {workers}")
    if stride < 1:
        raise ValueError(f"expected a stride of at least 1, got {stride}")
    files, missing = find_inputs(paths, annotate and Path(annotate).expanduser())
    if not files:
        reasons = "; ".join(f"{path} {reason}" for path, reason in missing)
        raise ValueError(reasons or "there is no picture or video in these folders")
    targets = annotation_targets(files, annotate)
    for folder in {output.parent, *(target.parent for target in targets.values())}:
        remove_partials(folder)
    settings = {
        "version": __version__,
        "model": str(model),
        "detector": detector,
        "stride": stride,
        "smoothing": smoothing,
        "annotate": annotate and file_key(annotate),
    }
    videos = [file for file in files if file.is_video]
    images = [ImageTask(file.path, targets.get(file.path)) for file in files if not file.is_video]
    image_arguments = {"model": model, "detector": detector or IMAGE_DETECTOR, "threads": threads}
    video_arguments = {"model": model, "detector": detector or VIDEO_DETECTOR, "threads": threads}
    video_arguments |= {"smoothing": smoothing, "track": True}
    # both are made now, so that a wrong setting is told before anything is written
    predictor = ImagePredictor(**image_arguments) if images else None
    pipeline = AffectPipeline(**video_arguments) if videos else None
    with ExitStack() as stack:
        client = None
        if scheduler is not None or min(workers, len(files)) > 1:
            from affectkit.cluster import open_cluster

            client = stack.enter_context(open_cluster(scheduler, min(workers, len(files))))
        rows = stack.enter_context(PredictionOutput(output, settings, overwrite))
        bar = stack.enter_context(
            tqdm(total=len(files), unit="file", disable=None if progress else True)
        )
        run = PredictionRun(rows, bar, output.with_name(f"{output.stem}_skipped.csv"), check)
        for path, reason in missing:
            run.fail(path, reason)
        images = [task for task in images if run.is_new(task.path)]
        videos = [file for file in videos if run.is_new(file.path)]
        if client is not None:
            from affectkit.cluster_prediction import (
                PredictionSettings,
                VideoTask,
                predict_on_cluster,
            )

            tasks = [*images, *(VideoTask(file.path, targets.get(file.path)) for file in videos)]
            sent = PredictionSettings(image_arguments, video_arguments, stride)
            with closing(predict_on_cluster(client, tasks, sent, run.check)) as results:
                for result in results:
                    run.write(result)
        else:
            for result in map(predictor, images):
                run.write(result)
            for file in videos:
                run.predict_video(file.path, pipeline, targets.get(file.path), stride)
    run.list_failed()
    return run.summary
