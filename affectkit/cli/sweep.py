"""`affectkit sweep`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import click
import typer
from rich.text import Text

from affectkit.cli.console import is_quiet, tell
from affectkit.cli.faces import parse_value
from affectkit.cli.options import Scheduler
from affectkit.cli.stopping import stop_signals

SOME_FAILED = 1
_FLAGS = ("-p", "--parameter")


class SweepCommand(typer.core.TyperCommand):
    """Lets `-p NAME VALUE VALUE ...` take several values, which click's options can't."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Pack the words behind each `-p` into one."""
        return super().parse_args(ctx, pack_parameters(args))


def pack_parameters(arguments: list[str]) -> list[str]:
    """Replace the words behind each `-p`, up to the next option, by a JSON list of them.

    A negative number is no option.
    """
    packed, words = [], list(arguments)
    while words:
        word = words.pop(0)
        packed.append(word)
        if word in _FLAGS:
            values = []
            while words and not _is_option(words[0]):
                values.append(words.pop(0))
            packed.append(json.dumps(values))
    return packed


def _is_option(word: str) -> bool:
    return word.startswith("-") and isinstance(parse_value(word), str)


def run(
    notebook: Annotated[
        str,
        typer.Argument(help="Of the course by number or name (02), or a file; first of all words."),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            help="Folder; gets sweep.csv and a folder with each executed notebook.",
        ),
    ],
    parameter: Annotated[
        list[str] | None,
        typer.Option(
            *_FLAGS,
            metavar="NAME VALUE...",
            help="A parameter of the notebook and its values. Repeatable: every combination is "
            "run. Paths have to be absolute.",
        ),
    ] = None,
    workers: Annotated[
        int,
        typer.Option(
            min=1,
            help="Processes on this machine, each with one notebook at a time. One that ends is "
            "replaced. Needs Dask.",
        ),
    ] = 1,
    scheduler: Scheduler = None,
    cell_timeout: Annotated[
        int, typer.Option(min=0, help="Seconds that one cell may take; 0 for no limit.")
    ] = 0,
) -> None:
    """Run a notebook with every combination of some parameters, and tabulate what it records.

    affectkit sweep 02 -p seed 0 1 2 -p weights none affectfaces --output sweeps/start

    The same command again goes on where it was interrupted, and tries again what failed.

    Exit code: 0 all done, 1 some failed, 2 nothing could be done, 130 stopped.
    """
    grid: dict[str, list[object]] = {}
    for text in parameter or []:
        name, *values = json.loads(text) or [""]
        if not name or not values:
            raise ValueError(f"expected -p NAME VALUE ..., got -p {name}".rstrip())
        if name in grid:
            raise ValueError(f"-p {name} is given twice: name all its values behind one")
        grid[name] = [parse_value(value) for value in values]
    from affectkit.course.sweep import sweep_notebook

    message = f"Stopped. {output} has what was done; the same command goes on from there."
    with stop_signals(message) as check:
        result = sweep_notebook(
            notebook, grid, output, scheduler, workers, cell_timeout, not is_quiet(), check
        )
    before = f", {result.finished_before} done before" if result.finished_before else ""
    tell(f"{result.table_file}: {len(result.table)} runs{before}, {len(result.failed)} failed")
    for row in result.failed.to_dict("records"):
        values = ", ".join(f"{name} {row[name]}" for name in grid)
        tell(Text.assemble((f"Failed: {values} ({row['folder']}): ", "yellow"), str(row["error"])))
    if len(result.failed):
        raise typer.Exit(SOME_FAILED)
