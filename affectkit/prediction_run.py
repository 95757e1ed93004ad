"""A run of `affectkit predict`: results are written and counted, what fails is told and listed."""

from __future__ import annotations

import csv
import io
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import cv2
from tqdm import tqdm

from affectkit.atomic_files import write_atomically
from affectkit.image_prediction import ImageResult
from affectkit.pipeline import AffectPipeline
from affectkit.prediction_output import OutputError, PredictionOutput, file_key
from affectkit.prediction_rows import face_rows
from affectkit.safe_text import spreadsheet_name
from affectkit.video_prediction import process_video


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
