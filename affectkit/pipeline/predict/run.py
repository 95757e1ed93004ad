"""Predict for many pictures and videos: what fails is told, the others are done."""

from __future__ import annotations

import csv
import io
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import cv2
from tqdm import tqdm

from affectkit.files.atomic import remove_partials, write_atomically
from affectkit.files.safe_text import spreadsheet_name
from affectkit.pipeline.pipeline import AffectPipeline
from affectkit.pipeline.predict.inputs import annotation_targets, find_inputs
from affectkit.pipeline.predict.pictures import ImagePredictor, ImageResult, ImageTask
from affectkit.pipeline.predict.rows import check_format, face_rows
from affectkit.pipeline.predict.sink import OutputError, PredictionOutput, file_key
from affectkit.pipeline.video.annotate import process_video
from affectkit.version import __version__

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
        A `.csv`, `.parquet` or `.jsonl` file; see `affectkit.pipeline.predict.rows.COLUMNS`.
    model : str or Path
        See `AffectPipeline`.
    detector : str, optional
        See `affectkit.pipeline.detect.detectors.load_detector`; by default `IMAGE_DETECTOR` for pictures and the
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
        Of a video's faces; see `affectkit.pipeline.tracking.FaceTracker`.
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
            from affectkit.pipeline.predict.cluster import open_cluster

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
            from affectkit.pipeline.predict.remote import (
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


# FOLD affectkit.prediction_run: """A run of `affectkit predict`: results are written and counted, what fails is told and listed."""
@dataclass
class PredictionSummary:
    """What `predict_files` has done.

    Attributes
    ----------
    finished, finished_before : int
        Files of this run, and of earlier ones with the same output.
    faces : int
        Rows with a face of this run.
    failed : list of tuple of str
        File and reason of each that could not be done.
    skipped_file : Path
        Lists these, if there are any.
    """

    skipped_file: Path
    finished: int = 0
    finished_before: int = 0
    faces: int = 0
    failed: list[tuple[str, str]] = field(default_factory=list)


class PredictionRun:
    """What is done with the result of each file.

    Parameters
    ----------
    rows : PredictionOutput
        Gets the rows.
    bar : tqdm.tqdm
        Moves on with every file.
    skipped_file : Path
        Lists what could not be done; see `list_failed`.
    check : callable, optional
        Called after every file and frame; may raise an exception, such as KeyboardInterrupt.

    Attributes
    ----------
    summary : PredictionSummary
        So far.
    """

    def __init__(
        self,
        rows: PredictionOutput,
        bar: tqdm,
        skipped_file: Path,
        check: Callable[[], None] | None = None,
    ) -> None:
        self.check = check or (lambda: None)
        self.summary = PredictionSummary(skipped_file)
        self._rows, self._bar = rows, bar

    def is_new(self, path: Path) -> bool:
        """Tell whether a file is still to be done; one that is not is counted."""
        if file_key(path) not in self._rows.finished:
            return True
        self.summary.finished_before += 1
        self._bar.update()
        return False

    def write(self, result: ImageResult) -> None:
        """Write the rows of a file, or tell why there are none."""
        for note in result.notes:
            self._note(note)
        if result.error is not None:
            self.fail(result.task.path, result.error)
        else:
            with self._rows.file(result.task.path) as write:
                write(result.rows)
            self.summary.finished += 1
            self.summary.faces += sum(row["face"] is not None for row in result.rows)
        self._bar.update()
        self.check()

    def predict_video(
        self, path: Path, pipeline: AffectPipeline, annotated: Path | None, stride: int
    ) -> None:
        """Predict for a video, and write the rows of each frame as they come.

        Raises
        ------
        OutputError
            If the rows can't be written; what is wrong with the video is told instead.
        """
        name = str(path)
        frames = tqdm(desc=path.name, unit="frame", leave=False, disable=self._bar.disable)
        try:
            with self._rows.file(path) as write, frames, self._caught_warnings():

                def on_faces(index: int, seconds: float, faces: list) -> None:
                    write(face_rows(name, faces, index, seconds))
                    frames.update()
                    self.check()

                done = process_video(pipeline, path, annotated, stride, on_faces)
        except OutputError:
            raise
        except (OSError, ValueError, MemoryError, cv2.error) as error:
            self.fail(path, str(error) or type(error).__name__)
        else:
            self.summary.finished += 1
            self.summary.faces += done.faces
        self._bar.update()

    def fail(self, path: str | Path, reason: str) -> None:
        """Warn about a file that can't be done, and remember it."""
        text = reason if str(path) in reason else f"{path}: {reason}"
        self._note(f"skipped: {text}")
        self.summary.failed.append((str(path), reason))

    def list_failed(self) -> None:
        """Write the list of what could not be done; an older one is removed."""
        self.summary.skipped_file.unlink(missing_ok=True)
        if self.summary.failed:
            text = io.StringIO(newline="")
            rows = [tuple(map(spreadsheet_name, row)) for row in self.summary.failed]
            csv.writer(text).writerows([("file", "reason"), *rows])
            content = text.getvalue().encode("utf-8", "replace")
            write_atomically(self.summary.skipped_file, content)

    def _note(self, text: str) -> None:
        with tqdm.external_write_mode(file=sys.stderr):
            warnings.warn(text, UserWarning, stacklevel=2)

    @contextmanager
    def _caught_warnings(self) -> Iterator[None]:
        """Show the warnings of a block after it, where they do not tear the progress bars."""
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            yield
        for warning in caught:
            self._note(str(warning.message))
