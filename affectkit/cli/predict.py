"""`affectkit predict`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from affectkit.cli.console import tell
from affectkit.cli.options import (
    DetectorName,
    ModelName,
    Prior,
    Scheduler,
    Smoothing,
    Threads,
    Workers,
)
from affectkit.cli.stopping import stop_signals

SOME_FAILED, NOTHING_DONE = 1, 2


def run(
    output: Annotated[Path, typer.Option(help="Rows go here: a .csv, .parquet or .jsonl file.")],
    paths: Annotated[
        list[str] | None,
        typer.Argument(help="Pictures, videos, folders (with all below), or quoted patterns."),
    ] = None,
    video: Annotated[
        list[str] | None, typer.Option("--video", "-v", help="Another path; as in older demos.")
    ] = None,
    model: ModelName = "affectkit-real-int8",
    detector: DetectorName = None,
    annotate: Annotated[
        Path | None,
        typer.Option(
            help="Folder for copies with what was found drawn in; or, of a single input, the file "
            "(video: .mp4, .mkv, .avi; picture: .jpg, .png). Videos lose their sound."
        ),
    ] = None,
    workers: Workers = 1,
    scheduler: Scheduler = None,
    stride: Annotated[
        int, typer.Option(min=1, help="Take one of so many frames of a video; 1 takes all.")
    ] = 1,
    threads: Threads = 1,
    smoothing: Smoothing = 0.0,
    prior: Prior = "trained",
    follow_links: Annotated[
        bool,
        typer.Option("--follow-links", help="Follow links in folders that lead out of these, too."),
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Begin the output anew instead of going on.")
    ] = False,
) -> None:
    """Find the faces in pictures and videos; writes expression, valence and arousal of each.

    The output is written at the end, also when it is stopped, from OUTPUT.progress.sqlite, which
    gets the rows of every finished file. The same command again goes on where it was interrupted;
    with --output alone, it writes the rows of a run that was killed.

    A file that can't be read is told and listed, and the others are done. The last line is a sum:
    files found = predicted + left out (neither picture nor video, or not read here) + failed.

    Exit code: 0 all done, 1 some failed, 2 nothing could be done, 130 stopped.

    Everything runs on this machine, or on the cluster that you name, and nothing but the named
    outputs is stored.
    """
    inputs = [*(paths or []), *(video or [])]
    if not inputs:
        _recover(output)
        return
    from affectkit.pipeline.predict.run import predict_files
    from affectkit.pipeline.predict.task import PredictSettings

    settings = PredictSettings(
        model, detector, annotate, stride, smoothing, threads, workers, scheduler, prior
    )
    message = f"Stopped. {output} has what was done; the same command goes on from there."
    with stop_signals(message) as check:
        summary = predict_files(
            inputs, output, settings, overwrite, check=check, follow_links=follow_links
        )
    before = f", {summary.finished_before} done before" if summary.finished_before else ""
    tell(f"{output}: {summary.faces:,} faces in {summary.finished} files{before}")
    tell(summary.account(), style="yellow" if summary.failed or summary.left_out else "")
    if summary.failed:
        done = summary.finished or summary.finished_before
        raise typer.Exit(SOME_FAILED if done else NOTHING_DONE)


def _recover(output: Path) -> None:
    from affectkit.pipeline.predict.journal import journal_path, recover_table
    from affectkit.pipeline.predict.rows import check_format

    if not journal_path(check_format(output)).exists():
        raise ValueError("name at least one picture, video, folder or pattern")
    tell(f"{output}: the rows of {recover_table(output)} finished files")
