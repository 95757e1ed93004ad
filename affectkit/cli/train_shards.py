"""`affectkit train shards`: one process, several of this machine, or those of a cluster."""

from __future__ import annotations

import inspect
import os
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from affectkit.cli.console import USER_ERROR, tell, told_errors
from affectkit.cli.options import Epochs, Profile, Seed
from affectkit.cli.stopping import Stopped, stop_signals

if TYPE_CHECKING:
    from affectkit.files.run_folder import RunFolder
    from affectkit.profiles import Profile as ProfileSettings

NETWORKS = {"classification": "classifier", "regression": "regressor"}


@dataclass(frozen=True, kw_only=True)
class ShardTraining:
    """The options of the command, which every worker gets."""

    shards: Annotated[str, typer.Argument(help="The --output of `affectkit shard`.")]
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            help="Run folder, gets models/ and logs/; an interrupted run in it is gone on with, "
            "with the same options. On several machines, a folder that all share.",
        ),
    ]
    task: Annotated[
        str,
        typer.Option(
            help="classification; or regression, from a classifier's features or --weights."
        ),
    ] = "classification"
    profile: Profile = "quick"
    workers: Annotated[
        int,
        typer.Option(
            min=1,
            help="Processes on this machine. On several machines, start the command on each, with "
            "TF_CONFIG set, instead. The GPUs of one machine need one process only.",
        ),
    ] = 1
    classifier: Annotated[
        Path | None,
        typer.Option(help="For regression; the one in --output if omitted."),
    ] = None
    weights: Annotated[
        str,
        typer.Option(help="Start from: none, affectfaces, imagenet or a .weights.h5 file."),
    ] = ""
    epochs: Epochs = 0
    batch_size: Annotated[
        int, typer.Option(min=0, help="Faces a step of all workers; 0 for the profile's own.")
    ] = 0
    learning_rate: Annotated[
        float, typer.Option(min=0, help="Its peak; 0 for the profile's own.")
    ] = 0.0
    seed: Seed = 0
    verify: Annotated[
        bool | None,
        typer.Option(
            "--verify/--no-verify",
            help="Compare each shard's SHA-256 with the index's before it is first read; if "
            "neither is given, for local shards only, since it reads every byte once more.",
        ),
    ] = None

    def recipe(self) -> ProfileSettings:
        """Give the profile with this start, epochs, batch size and rate."""
        from affectkit.profiles import get_profile

        profile = get_profile(self.profile, self.weights, self.epochs)
        given = {"batch_size": self.batch_size, "learning_rate": self.learning_rate}
        return profile.with_settings(**{name: value for name, value in given.items() if value})


def run(**options: object) -> None:
    """Train from shards on one or several workers, without a table of the labels in memory."""
    from affectkit.data.shards.index import check_sizes, read_index
    from affectkit.files.run_folder import open_run_folder

    training = ShardTraining(**options)
    if training.task not in NETWORKS:
        raise ValueError(f"expected a task of {', '.join(NETWORKS)}, got {training.task!r}")
    if training.classifier and training.weights:
        raise ValueError(
            "a regressor starts from --classifier or from --weights: give one of the two"
        )
    training.recipe()
    in_cluster = _is_in_cluster(training.workers)
    check_sizes(read_index(training.shards, training.verify))
    name, output = NETWORKS[training.task], training.output.expanduser()
    if not in_cluster and (output / "models" / f"{name}.keras").exists():
        raise ValueError(
            f"{output} already holds a {name}; choose another --output, or delete the model first"
        )
    folder = open_run_folder(output)
    classifier = training.classifier or folder.models / "classifier.keras"
    if training.task == "regression" and not training.weights and not classifier.is_file():
        raise FileNotFoundError(
            f"expected a classifier at {classifier}; train one first, or give --classifier PATH"
        )
    training = replace(training, output=folder.path, classifier=classifier)
    if training.workers > 1:
        _launch(training)
    else:
        train(training)


run.__signature__ = inspect.signature(ShardTraining, eval_str=True)


def train(training: ShardTraining) -> None:
    """Train as one process, or one of several; the chief reports."""
    from affectkit.data.shards.index import read_index
    from affectkit.files.run_folder import open_run_folder
    from affectkit.models.opening import open_model
    from affectkit.training.keras_workers import choose_strategy
    from affectkit.training.runs import train_classifier_run, train_regressor_run
    from affectkit.training.workers import is_chief

    strategy = choose_strategy()  # before anything else of TensorFlow
    folder = open_run_folder(training.output)
    data = read_index(training.shards, training.verify), training.recipe(), folder, training.seed
    with strategy.scope():
        if training.task == "classification":
            train_classifier_run(*data)
        else:
            classifier = None if training.weights else open_model(training.classifier)
            train_regressor_run(classifier, *data)
    if is_chief():
        _report(folder, training)


def _is_in_cluster(workers: int) -> bool:
    """Tell whether TF_CONFIG makes this process one of several."""
    from affectkit.training.workers import cluster_workers

    others = cluster_workers()
    if others > 1 and workers > 1:
        raise ValueError(
            f"TF_CONFIG is set and names {others} workers, this process is one of them: leave "
            "--workers out, or unset TF_CONFIG to start processes of this machine"
        )
    return others > 1


def _launch(training: ShardTraining) -> None:
    """Train in several processes of this machine, and wait for all."""
    from affectkit.training.workers import launch_workers

    threads = max(1, (os.cpu_count() or 1) // training.workers)
    try:
        with stop_signals() as check:
            launch_workers(
                _work,
                [training],
                training.workers,
                environment={"TF_NUM_INTRAOP_THREADS": str(threads)} | os.environ,
                final_codes=(USER_ERROR,),
                check=check,
            )
    except Stopped as stopped:
        message = "Stopped, and so are the workers. The same command goes on from the last epoch."
        tell(message, error=True)
        raise typer.Exit(128 + stopped.number) from None


def _work(training: ShardTraining) -> None:
    """Be one of several processes: say what went wrong as the command does."""
    try:
        with told_errors():
            train(training)
    except typer.Exit as end:
        sys.exit(end.exit_code)


def _report(folder: RunFolder, training: ShardTraining) -> None:
    """Say how training ended and where everything is."""
    import csv

    task, name = training.task, NETWORKS[training.task]
    measure = "accuracy" if task == "classification" else "rmse"
    with (folder.logs / f"{task}_log.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    averaged = getattr(training.recipe(), name).ema_momentum > 0
    best = rows[-1] if averaged else min(rows, key=lambda row: float(row["val_loss"]))
    kept = "Last, before averaging the weights," if averaged else "Best"
    tell(
        f"{kept} of {len(rows)} epochs: {int(best['epoch']) + 1}, validation {measure} "
        f"{float(best[f'val_{measure}']):.3f}"
    )
    tell(f"Model: {folder.models / name}.keras")
