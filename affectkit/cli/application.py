"""The top command, and what all commands share: error messages, warnings, version."""

from __future__ import annotations

from typing import Annotated

import click
import typer

from affectkit.cli import (
    camera,
    course,
    datasets,
    doctor,
    evaluate,
    export,
    faces,
    predict,
    shard,
    sweep,
    train,
)
from affectkit.cli.console import Quiet, Verbose, choose_loudness, told_errors, with_loudness
from affectkit.version import __version__


class FriendlyGroup(typer.core.TyperGroup):
    """Turns errors that a user can mend into one message, and warnings into notes."""

    def invoke(self, ctx: click.Context) -> object:
        """Run the chosen command."""
        with told_errors():
            return super().invoke(ctx)


app = typer.Typer(
    cls=FriendlyGroup,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Teach, learn and benchmark facial affect: expression, valence and arousal.",
)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"affectkit {__version__}")
        raise typer.Exit


@app.callback()
def start(
    verbose: Verbose = False,
    quiet: Quiet = False,
    debug: Annotated[bool, typer.Option("--debug", hidden=True)] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show it.")
    ] = False,
) -> None:
    """Teach, learn and benchmark facial affect: expression, valence and arousal."""
    choose_loudness(verbose or debug, quiet)


app.command("course")(course.run)
app.command("evaluate")(evaluate.run)
app.command("export")(export.run)
app.command("predict", cls=predict.PredictCommand)(predict.run)
app.command("sweep", cls=sweep.SweepCommand)(sweep.run)
app.command("camera")(camera.run)
app.command("datasets")(datasets.run)
app.command("doctor")(doctor.run)
app.command("shard")(shard.run)
app.add_typer(train.app, name="train")
app.add_typer(faces.app, name="faces")

for group in (app, train.app, faces.app):
    for command in group.registered_commands:
        command.callback = with_loudness(command.callback)
