"""Predict for many pictures and videos: what fails is told, the others are done."""

from __future__ import annotations

import sys
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path

from tqdm import tqdm

from affectkit.data.skipped import SkippedRows
from affectkit.files.atomic import remove_partials
from affectkit.files.safe_text import readable_name
from affectkit.pipeline.pipeline import AffectPipeline
from affectkit.pipeline.predict.cluster import open_cluster, require_dask
from affectkit.pipeline.predict.inputs import (
    LeftOut,
    annotation_targets,
    count_kinds,
    find_inputs,
)
from affectkit.pipeline.predict.journal import Journal, file_key, journal_path, recover_command
from affectkit.pipeline.predict.remote import predict_on_cluster
from affectkit.pipeline.predict.rows import Row, check_format
from affectkit.pipeline.predict.task import FileResult, FileTask, PredictSettings, predict_file
from affectkit.version import __version__

_TRY_AGAIN = "mend it; the same command tries it again"


@dataclass
class PredictionSummary:
    """What `predict_files` has done.

    Attributes
    ----------
    skipped_file : Path
        Lists what failed, if anything did.
    finished, finished_before : int
        Files of this run, and of earlier ones with the same output.
    faces : int
        Rows with a face of this run.
    failed : list of tuple of str
        File and reason of each that could not be done, also of names that no file has.
    missing : int
        So many of these are names that no file has.
    left_out : list of LeftOut
        What lies in the folders and is no input: other files, and folders that were not entered.
    """

    skipped_file: Path
    finished: int = 0
    finished_before: int = 0
    faces: int = 0
    failed: list[tuple[str, str]] = field(default_factory=list)
    missing: int = 0
    left_out: list[LeftOut] = field(default_factory=list)

    def account(self, listed: bool = True) -> str:
        """Give the sum in a line: files found = predicted + left out + failed, each by kind.

        With `listed`, the line ends with where the list of what was not predicted is.
        """
        files = [item for item in self.left_out if not item.is_folder]
        folders = [item for item in self.left_out if item.is_folder]
        predicted, failed = self.finished + self.finished_before, len(self.failed) - self.missing
        found = predicted + len(files) + failed
        text = (
            f"{found:,} {'file' if found == 1 else 'files'} found = {predicted:,} predicted "
            f"+ {len(files):,} left out + {failed:,} failed"
        )
        endings = Counter(
            Path(path).suffix.lower() or "without an ending" for path, _ in self.failed
        )
        parts = {
            "left out": count_kinds(files),
            "failed or not there": ", ".join(f"{n} {end}" for end, n in endings.most_common()),
            "not entered": count_kinds(folders),
        }
        details = [f"{name}: {kinds}" for name, kinds in parts.items() if kinds]
        if listed and (self.failed or self.left_out):
            details.append(f"all listed in {self.skipped_file}")
        return "; ".join([text, *details])


def predict_files(
    paths: Iterable[str | Path],
    output: str | Path,
    settings: PredictSettings | None = None,
    overwrite: bool = False,
    progress: bool = True,
    check: Callable[[], None] | None = None,
    follow_links: bool = False,
) -> PredictionSummary:
    """Predict for pictures and videos, and write the rows; pictures first, then videos.

    A file that can't be done is warned about, and listed in `<output's stem>_skipped.csv`, as is
    what is left out in the folders. The rows
    of each finished file go to `<output>.progress.sqlite`; the output is made from that at the end,
    also of an interrupted run. Called again with the same output, files whose rows are there are
    left out.

    Parameters
    ----------
    paths : iterable of str or Path
        Files, folders with all below, or patterns with `*`, `?`, `[...]` or `**`.
    output : str or Path
        A `.csv`, `.parquet` or `.jsonl` file, a row a face. Columns: file, frame (of a video, from
        0), seconds, face (in the frame, from 0, the largest first; nothing where there is none),
        track, x, y, width and height (pixels), score (of the detector, 0..1), expression,
        probability_neutral ... (calibrated, sum to 1), valence and arousal ([-1, 1]), plausible
        (expressions between semicolons, see `FaceAffect`).
    settings : PredictSettings, optional
        Model, detector, annotated copies, workers.
    overwrite : bool
        Begin anew instead of going on.
    progress : bool
        Show progress bars where the standard error is a terminal, and how to get at the rows of a
        run that is killed.
    check : callable, optional
        Called after every picture and frame, or several times a second; may raise an exception,
        such as KeyboardInterrupt.
    follow_links : bool
        Follow links in folders also where they lead out of these.

    Returns
    -------
    PredictionSummary
        Counts, and what failed.

    Raises
    ------
    ValueError
        If there is nothing to read, a setting is impossible, another process is writing the output,
        or what lies there can't be gone on with.
    OSError
        If the output can't be written or the cluster is lost; rows of finished files are kept.
    ImportError
        If several processes are asked for and Dask is missing.
    """
    settings = settings or PredictSettings()
    if settings.scheduler is not None or settings.workers > 1:
        require_dask("predicting with --scheduler, or with --workers above 1,")
    output = check_format(output)
    skipped_file = output.with_name(f"{output.stem}_skipped.csv")
    found = find_inputs(
        paths,
        settings.annotate and Path(settings.annotate).expanduser(),
        (output, skipped_file, journal_path(output)),
        follow_links,
    )
    files = found.files
    if not files:
        reasons = "; ".join(f"{path} {reason}" for path, reason in found.failed + found.missing)
        nothing = "there is no picture or video in these folders"
        if found.left_out:
            nothing += f"; left out: {count_kinds(found.left_out)}"
        raise ValueError(reasons or nothing)
    targets = annotation_targets(files, settings.annotate)
    for folder in {output.parent, *(target.parent for target in targets.values())}:
        remove_partials(folder)
    tasks = [
        FileTask(file.path, str(file.path), file.is_video, targets.get(file.path)) for file in files
    ]
    tasks.sort(key=lambda task: task.is_video)
    # made now, so that a wrong setting is told before anything is written
    pipelines = {kind: settings.load_pipeline(kind) for kind in {task.is_video for task in tasks}}
    workers = min(settings.workers, len(files))
    with ExitStack() as stack:
        client = None
        if settings.scheduler is not None or workers > 1:
            client = stack.enter_context(open_cluster(settings.scheduler, workers))
        journal = stack.enter_context(Journal(output, _shaping(settings), overwrite))
        bar = tqdm(total=len(files), unit="file", disable=None if progress else True)
        run = _Run(journal, skipped_file, stack.enter_context(bar), check or (lambda: None))
        if progress:
            tqdm.write(
                f"{output} is written at the end. If this is killed, `{recover_command(output)}` "
                "writes what was done; the same command goes on.",
                file=sys.stderr,
            )
        run.summary.left_out, run.summary.missing = found.left_out, len(found.missing)
        for path, reason in found.failed + found.missing:
            run.fail(path, reason)
        tasks = [task for task in tasks if run.is_new(task)]
        if client is not None:
            results = predict_on_cluster(client, tasks, settings, run.check)
        else:
            results = run.predict_here(tasks, pipelines, settings.stride)
        with closing(results):
            for result in results:
                run.take(result)
    run.list_skipped()
    return run.summary


def _shaping(settings: PredictSettings) -> dict[str, object]:
    """Give what shapes the rows: going on with other settings is refused."""
    return {
        "version": __version__,
        "model": str(settings.model),
        "detector": settings.detector,
        "stride": settings.stride,
        "smoothing": settings.smoothing,
        "prior": settings.prior,
        "annotate": settings.annotate and file_key(settings.annotate),
    }


class _Run:
    """What is done with the result of each file; `summary` tells of it so far."""

    def __init__(
        self, journal: Journal, skipped_file: Path, bar: tqdm, check: Callable[[], None]
    ) -> None:
        self.summary = PredictionSummary(skipped_file)
        self.check = check
        self._journal, self._bar = journal, bar

    def is_new(self, task: FileTask) -> bool:
        """Tell whether a file is still to be done; one that is not is counted."""
        if file_key(task.path) not in self._journal.finished:
            return True
        self.summary.finished_before += 1
        self._bar.update()
        return False

    def predict_here(
        self, tasks: list[FileTask], pipelines: dict[bool, AffectPipeline], stride: int
    ) -> Iterator[FileResult]:
        """Work in this process; the rows go to the journal as they come."""
        for task in tasks:
            pipeline = pipelines[task.is_video]
            if not task.is_video:
                yield predict_file(task, pipeline, on_rows=self._journal.write)
                continue
            frames = tqdm(desc=task.path.name, unit="frame", leave=False, disable=self._bar.disable)

            def on_rows(rows: list[Row], frames: tqdm = frames) -> None:
                self._journal.write(rows)
                frames.update()
                self.check()

            with frames:
                result = predict_file(task, pipeline, stride, on_rows)
            yield result

    def take(self, result: FileResult) -> None:
        """Keep the rows of a file, or tell why there are none."""
        for note in result.notes:
            self._note(_with_path(result.task.path, note))
        if result.error is not None:
            self._journal.drop()
            self.fail(result.task.path, result.error)
        else:
            self._journal.write(result.rows)
            self._journal.finish(result.task.path)
            self.summary.finished += 1
            self.summary.faces += result.faces
        self._bar.update()
        self.check()

    def fail(self, path: str | Path, reason: str) -> None:
        """Warn about a file that can't be done, and remember it."""
        self._note(f"skipped: {_with_path(path, reason)}")
        self.summary.failed.append((str(path), reason))

    def list_skipped(self) -> None:
        """Write the list of what failed or was left out; an older one is removed."""
        summary, skipped = self.summary, SkippedRows()
        for path, reason in summary.failed:
            skipped.add(readable_name(path), "", readable_name(reason), _TRY_AGAIN)
        for item in summary.left_out:
            skipped.add(readable_name(item.path), "", item.reason, item.remedy)
        summary.skipped_file.unlink(missing_ok=True)
        if len(skipped):
            skipped.to_csv(summary.skipped_file)

    def _note(self, text: str) -> None:
        with tqdm.external_write_mode(file=sys.stderr):
            warnings.warn(text, UserWarning, stacklevel=2)


def _with_path(path: str | Path, text: str) -> str:
    return readable_name(text if str(path) in text else f"{path}: {text}")
