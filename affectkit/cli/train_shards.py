"""`affectkit train shards`: one process, several of this machine, or those of a cluster."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.text import Text

from affectkit.cli.options import Epochs, Profile, Seed
from affectkit.cli.stopping import Stopped, stop_signals

if TYPE_CHECKING:
    from affectkit.data.shards.index import ShardIndex
    from affectkit.files.run_folder import RunFolder
    from affectkit.profiles import Profile as ProfileSettings

NETWORKS = {"classification": "classifier", "regression": "regressor"}
PROGRAM = (
    "from affectkit.training.workers import end_with_launcher; end_with_launcher(); "
    "from affectkit.cli import app; app()"
)
USER_ERROR = 2
"""Exit code of a worker that will fail again: `affectkit.cli.application.USER_ERROR`."""


def run(
    shards: Annotated[str, typer.Argument(help="The --output of `affectkit shard`.")],
    output: Annotated[
        Path,
        typer.Option(
            help="Run folder, gets models/ and logs/; an interrupted run in it is gone on with, "
            "with the same options. On several machines, a folder that all share."
        ),
    ],
    task: Annotated[
        str,
        typer.Option(help="classification, or regression from a classifier's features."),
    ] = "classification",
    profile: Profile = "quick",
    workers: Annotated[
        int,
        typer.Option(
            min=1,
            help="Processes on this machine. On several machines, start the command on each, with "
            "TF_CONFIG set, instead. The GPUs of one machine need one process only.",
        ),
    ] = 1,
    classifier: Annotated[
        Path | None,
        typer.Option(help="For regression; the one in --output if omitted."),
    ] = None,
    weights: Annotated[
        str,
        typer.Option(help="Start from: none, affectfaces, imagenet or a .weights.h5 file."),
    ] = "",
    epochs: Epochs = 0,
    batch_size: Annotated[
        int, typer.Option(min=0, help="Faces a step of all workers; 0 for the profile's own.")
    ] = 0,
    learning_rate: Annotated[
        float, typer.Option(min=0, help="Its peak; 0 for the profile's own.")
    ] = 0.0,
    shares: Annotated[
        int,
        typer.Option(
            min=0,
            help="Parts of the data that make up a batch; 0 for one a worker. With the same "
            "number, any number of workers sees the same batches.",
        ),
    ] = 0,
    seed: Seed = 0,
    verify: Annotated[
        bool | None,
        typer.Option(
            "--verify/--no-verify",
            help="Compare each shard's SHA-256 with the index's before it is first read; if "
            "neither is given, for local shards only, since it reads every byte once more.",
        ),
    ] = None,
) -> None:
    """Train from shards on one or several workers, without a table of the labels in memory."""
    from affectkit.data.shards.index import check_sizes, read_index
    from affectkit.files.run_folder import open_run_folder

    if task not in NETWORKS:
        raise ValueError(f"expected a task of {', '.join(NETWORKS)}, got {task!r}")
    if task == "regression" and weights:
        raise ValueError("the regressor starts from a classifier: give --classifier, not --weights")
    settings = _settings(profile, weights, epochs, batch_size, learning_rate)
    in_cluster = _is_in_cluster(workers)
    index = read_index(shards, verify)
    check_sizes(index)
    name, output = NETWORKS[task], output.expanduser()
    if not in_cluster and (output / "models" / f"{name}.keras").exists():
        raise ValueError(
            f"{output} already holds a {name}; choose another --output, or delete the model first"
        )
    folder = open_run_folder(output)
    classifier = classifier or folder.models / "classifier.keras"
    if task == "regression" and not classifier.is_file():
        raise FileNotFoundError(
            f"expected a classifier at {classifier}; train one first, or give --classifier PATH"
        )
    if workers > 1:
        options = {
            "--output": folder.path,
            "--task": task,
            "--profile": profile,
            "--classifier": classifier.resolve() if task == "regression" else "",
            "--weights": weights,
            "--epochs": epochs,
            "--batch-size": batch_size,
            "--learning-rate": learning_rate,
            "--shares": shares,
            "--seed": seed,
        }
        flags = [] if verify is None else ["--verify" if verify else "--no-verify"]
        _launch(["train", "shards", shards, *flags], options, workers)
    elif _train(task, index, settings, folder, seed, shares, classifier):
        _report(folder, task, getattr(settings, name).ema_momentum > 0)


def _settings(
    name: str, weights: str, epochs: int, batch_size: int, learning_rate: float
) -> ProfileSettings:
    from dataclasses import replace

    from affectkit.profiles import get_profile

    profile = get_profile(name, weights, epochs)
    given = {"batch_size": batch_size, "learning_rate": learning_rate}
    changes = {key: value for key, value in given.items() if value}
    return replace(
        profile,
        classifier=replace(profile.classifier, **changes),
        regressor=replace(profile.regressor, **changes),
    )


def _is_in_cluster(workers: int) -> bool:
    """Tell whether TF_CONFIG makes this process one of several."""
    import os

    if not os.environ.get("TF_CONFIG"):
        return False
    from affectkit.training.workers import cluster_workers

    others = cluster_workers()
    if others > 1 and workers > 1:
        raise ValueError(
            f"TF_CONFIG is set and names {others} workers, this process is one of them: leave "
            "--workers out, or unset TF_CONFIG to start processes of this machine"
        )
    return others > 1


def _launch(command: list[str], options: dict[str, object], workers: int) -> None:
    """Start this command once for each worker, and wait for all; the chief reports."""
    import os
    import sys

    from affectkit.training.workers import launch_workers

    given = [str(part) for name, value in options.items() if value for part in (name, value)]
    program = [sys.executable, "-c", PROGRAM, *command, *given]
    threads = {"TF_NUM_INTRAOP_THREADS": str(max(1, (os.cpu_count() or 1) // workers))}
    try:
        with stop_signals() as check:
            launch_workers(
                program,
                workers,
                environment=threads | os.environ,
                final_codes=(USER_ERROR,),
                check=check,
            )
    except Stopped as stopped:
        message = "Stopped, and so are the workers. The same command goes on from the last epoch."
        Console(stderr=True).print(message)
        raise typer.Exit(128 + stopped.number) from None


def _train(
    task: str,
    index: ShardIndex,
    settings: ProfileSettings,
    folder: RunFolder,
    seed: int,
    shares: int,
    classifier: Path,
) -> bool:
    """Train as one process, or one of several, and tell whether this one reports."""
    from affectkit.models.opening import open_model
    from affectkit.training.runs import train_classifier_from_shards, train_regressor_from_shards
    from affectkit.training.workers import choose_strategy, is_chief

    strategy = choose_strategy()  # before anything else of TensorFlow
    common = index, settings, folder, seed, shares or None, strategy
    if task == "classification":
        train_classifier_from_shards(*common)
    else:
        train_regressor_from_shards(open_model(classifier), *common)
    return is_chief()


def _report(folder: RunFolder, task: str, averaged: bool) -> None:
    """Say how training ended and where everything is."""
    import csv

    measure = "accuracy" if task == "classification" else "rmse"
    with (folder.logs / f"{task}_log.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    best = rows[-1] if averaged else min(rows, key=lambda row: float(row["val_loss"]))
    kept = "Last, before averaging the weights," if averaged else "Best"
    console = Console()
    console.print(
        f"{kept} of {len(rows)} epochs: {int(best['epoch']) + 1}, validation {measure} "
        f"{float(best[f'val_{measure}']):.3f}",
        highlight=False,
    )
    console.print(Text(f"Model: {folder.models / NETWORKS[task]}.keras"), soft_wrap=True)
