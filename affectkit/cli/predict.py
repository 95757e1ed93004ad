"""`affectkit predict`."""

from __future__ import annotations

import json
import sys
import tempfile
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import click
import typer
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from affectkit.cli.console import is_quiet, tell
from affectkit.cli.options import (
    AsJson,
    DetectorName,
    FollowLinks,
    ModelName,
    Prior,
    Scheduler,
    Smoothing,
    Threads,
    Workers,
)
from affectkit.cli.stopping import stop_signals
from affectkit.files.safe_text import terminal_text

if TYPE_CHECKING:
    from affectkit.pipeline.predict.run import PredictionSummary
    from affectkit.pipeline.predict.task import PredictSettings

SOME_FAILED, NOTHING_DONE = 1, 2
MOST_FILES, MOST_ROWS = 20, 100
"""What a table in the terminal is for; more goes to a file."""


class PredictCommand(typer.core.TyperCommand):
    """Takes `-v VIDEO`, as in older demos, for the path that it is."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Say that a path needs no -v in front."""
        followers = (args[at + 1] for at, word in enumerate(args[:-1]) if word == "-v")
        if any(not word.startswith("-") for word in followers):
            warnings.warn("-v is for verbose; a path needs no option in front", stacklevel=2)
        return super().parse_args(ctx, args)


def run(
    paths: Annotated[
        list[str] | None,
        typer.Argument(help="Pictures, videos, folders (with all below), or quoted patterns."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="Rows go here: a .csv, .parquet or .jsonl file. Without it, they are printed.",
        ),
    ] = None,
    as_json: AsJson = False,
    video: Annotated[list[str] | None, typer.Option("--video", hidden=True)] = None,
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
    follow_links: FollowLinks = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Begin the output anew instead of going on.")
    ] = False,
) -> None:
    """Find the faces in pictures and videos; gives expression, valence and arousal of each.

    Of a few files, they are printed as a table; with --json, of any number, as a line of JSON each.

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
    if video:
        warnings.warn("--video is an older name; a path needs no option in front", stacklevel=2)
    if output is not None and as_json:
        raise ValueError("expected --output or --json, got both: name a .jsonl file as --output")
    if not inputs:
        _recover(output)
        return
    from affectkit.pipeline.predict.run import predict_files
    from affectkit.pipeline.predict.task import PredictSettings

    settings = PredictSettings(
        model, detector, annotate, stride, smoothing, threads, workers, scheduler, prior
    )
    if output is None:
        _end(_print_rows(inputs, settings, as_json, follow_links))
        return
    message = f"Stopped. {output} has what was done; the same command goes on from there."
    with stop_signals(message) as check:
        summary = predict_files(
            inputs, output, settings, overwrite, not is_quiet(), check, follow_links
        )
    before = f", {summary.finished_before} done before" if summary.finished_before else ""
    tell(f"{output}: {summary.faces:,} faces in {summary.finished} files{before}")
    tell(summary.account(), style="yellow" if summary.failed or summary.left_out else "")
    _end(summary)


def _end(summary: PredictionSummary) -> None:
    if summary.failed:
        done = summary.finished or summary.finished_before
        raise typer.Exit(SOME_FAILED if done else NOTHING_DONE)


def _print_rows(
    inputs: list[str], settings: PredictSettings, as_json: bool, follow_links: bool
) -> PredictionSummary:
    """Print the rows, also what there is of them when it is stopped."""
    from affectkit.pipeline.predict.inputs import find_inputs
    from affectkit.pipeline.predict.run import predict_files

    if not as_json:
        found = len(find_inputs(inputs, settings.annotate, (), follow_links).files)
        if found > MOST_FILES:
            raise ValueError(
                f"expected at most {MOST_FILES} files to print a table of, got {found}: name a "
                ".csv, .parquet or .jsonl file as --output, or print lines with --json"
            )
    with tempfile.TemporaryDirectory(prefix="affectkit-") as folder:
        rows = Path(folder) / "rows.jsonl"
        with stop_signals("Stopped. What was done is printed, and not kept.") as check:
            try:
                summary = predict_files(inputs, rows, settings, False, False, check, follow_links)
            finally:
                if rows.is_file():
                    with rows.open(encoding="utf-8") as lines:
                        (_print_lines if as_json else _print_table)(lines)
    if summary.failed or summary.left_out:
        tell(summary.account(listed=False), style="yellow", error=True)
    return summary


def _print_lines(lines: Iterable[str]) -> None:
    sys.stdout.writelines(lines)


def _print_table(lines: Iterable[str]) -> None:
    """Print a row a face, the first ones if there are too many."""
    rows = [json.loads(line) for line in lines]
    files = {row["file"] for row in rows}
    names = {file: Path(file).name for file in files}
    if len(set(names.values())) < len(files):  # the same in several folders
        names = {file: file for file in files}
    of_video = any(row["frame"] is not None for row in rows)
    table = Table(Column("file", overflow="fold"), box=None, pad_edge=False, padding=(0, 1, 0, 0))
    numbers = {"x": 0, "y": 0, "width": 0, "valence": 2, "arousal": 2}
    for name in [*(["seconds"] if of_video else []), *numbers, "probability", "expression"]:
        justify = "left" if name == "expression" else "right"
        table.add_column(name, justify=justify, no_wrap=True)
    for row in rows[:MOST_ROWS]:
        name = row["expression"]
        table.add_row(
            Text(terminal_text(names[row["file"]])),
            *([_number(row["seconds"], 2)] if of_video else []),
            *(_number(row[key], digits) for key, digits in numbers.items()),
            _number(row[f"probability_{name.lower()}"], 2) if name else "",
            name or "no face",
        )
    if rows:
        Console().print(table)
    if len(rows) > MOST_ROWS:
        tell(f"{len(rows) - MOST_ROWS:,} more rows; --output FILE.csv keeps all", "yellow")


def _number(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def _recover(output: Path | None) -> None:
    from affectkit.pipeline.predict.journal import journal_path, recover_table
    from affectkit.pipeline.predict.rows import check_format

    if output is None or not journal_path(check_format(output)).exists():
        raise ValueError("name at least one picture, video, folder or pattern")
    tell(f"{output}: the rows of {recover_table(output)} finished files")
