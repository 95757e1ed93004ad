"""`affectkit train`: classifier, regressor, both from shards, start weights, or a checkpoint."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from affectkit.cli import train_shards
from affectkit.cli.console import tell, tell_left_out
from affectkit.cli.options import (
    Dataset,
    Epochs,
    FollowLinks,
    Labels,
    Limit,
    Profile,
    Protocol,
    Root,
    Seed,
    Weights,
)

if TYPE_CHECKING:
    from affectkit.data.skipped import SkippedRows
    from affectkit.files.run_folder import RunFolder
    from affectkit.models.opening import Model
    from affectkit.profiles import Profile as ProfileSettings

app = typer.Typer(no_args_is_help=True, help="Train a network.")
Output = Annotated[
    Path | None,
    typer.Option(
        "--output", "-o", help="Run folder, gets models/ and logs/; runs/<date>_<time> if omitted."
    ),
]


@dataclass(frozen=True, kw_only=True)
class TableTraining:
    """The options that both networks have."""

    dataset: Dataset = "affectfaces"
    root: Root = None
    profile: Profile = "quick"
    output: Output = None
    epochs: Epochs = 0
    limit: Limit = 0
    seed: Seed = 0
    protocol: Protocol = None
    labels: Labels = ""
    follow_links: FollowLinks = False

    def run(
        self, name: str, train: Callable[..., Model], settings: ProfileSettings, folder: RunFolder
    ) -> None:
        """Read the data, train the network of this name, and say how that ended."""
        from affectkit.data.datasets import load_splits
        from affectkit.data.skipped import SkippedRows

        skipped = SkippedRows()
        splits = load_splits(
            *(self.dataset, self.root, self.protocol, skipped, self.limit or None, self.seed),
            labels=self.labels,
            follow_links=self.follow_links,
        )
        loaded = train(splits, settings, folder, self.seed, skipped)
        _report(folder, name, loaded.task, skipped)


@dataclass(frozen=True, kw_only=True)
class ClassifierTraining(TableTraining):
    """The options of `affectkit train classifier`."""

    weights: Weights = ""


@dataclass(frozen=True, kw_only=True)
class RegressorTraining(TableTraining):
    """The options of `affectkit train regressor`."""

    classifier: Annotated[
        Path | None,
        typer.Option(help="Classifier whose features are used; the one in --output if omitted."),
    ] = None
    start: Annotated[
        str,
        typer.Option(
            help="Train directly, without a classifier, from: none, affectfaces, imagenet or a "
            ".weights.h5 file."
        ),
    ] = ""


@app.command("classifier")
def train_classifier(**options: object) -> None:
    """Train the expression classifier, as notebook 02 does."""
    from affectkit.profiles import get_profile

    training = ClassifierTraining(**options)
    settings = get_profile(training.profile, training.weights, training.epochs)
    folder = _open(training.output, "classifier")
    from affectkit.training.runs import train_classifier_run

    training.run("classifier", train_classifier_run, settings, folder)


@app.command("regressor")
def train_regressor(**options: object) -> None:
    """Train the valence and arousal regressor from a classifier's features, as notebook 03 does.

    With --start it needs no classifier.
    """
    from affectkit.profiles import get_profile

    training = RegressorTraining(**options)
    settings = get_profile(training.profile, training.start, training.epochs)
    if training.start and training.classifier:
        raise ValueError("a regressor starts from --classifier or from --start: give one of them")
    if not (training.start or training.classifier or training.output):
        raise ValueError(
            "give --classifier PATH, the --output folder that holds a classifier, or --start to "
            "train without one"
        )
    folder = _open(training.output, "regressor")
    from affectkit.models.opening import open_model
    from affectkit.training.runs import train_regressor_run

    classifier = None
    if not training.start:
        path = training.classifier or folder.models / "classifier.keras"
        classifier = open_model(path).for_task("classification")
    train = partial(train_regressor_run, classifier)
    training.run("regressor", train, settings, folder)


train_classifier.__signature__ = inspect.signature(ClassifierTraining, eval_str=True)
train_regressor.__signature__ = inspect.signature(RegressorTraining, eval_str=True)
app.command("shards")(train_shards.run)


@app.command("start")
def train_start(
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The .weights.h5 file to write.")
    ] = Path("affectfaces_backbone.weights.h5"),
    epochs: Annotated[int, typer.Option(min=1)] = 20,
    limit: Limit = 0,
    seed: Seed = 0,
) -> None:
    """Make the bundled start weights anew, from the training split of affectfaces."""
    from affectkit.training.recipes.start import pretrain_backbone

    log = pretrain_backbone(output, epochs=epochs, limit=limit or None, seed=seed)
    accuracy = log["val_expression_accuracy"].iloc[-1]
    tell(f"Validation accuracy on clean expressions: {accuracy:.3f}")
    tell(f"Weights: {output}")


@app.command("checkpoint")
def train_checkpoint(
    name: Annotated[str, typer.Argument(help="affectkit-real or affectkit-synthetic.")],
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            help="Run folder; a started one is gone on with. checkpoint/ is what ships.",
        ),
    ],
    root: Annotated[Path | None, typer.Option(help="FER+'s folder, for affectkit-real.")] = None,
    weights: Annotated[
        str, typer.Option(help="Start from: imagenet, or a .weights.h5 file of it.")
    ] = "",
    yunet: Annotated[
        Path | None,
        typer.Option(help="YuNet's .onnx file: finds the mouths that faint smiles are drawn on."),
    ] = None,
    epochs: Epochs = 0,
    limit: Limit = 0,
    seed: Seed = 0,
) -> None:
    """Train the networks of a checkpoint that ships with the package, and write its files."""
    from affectkit.export.check import calibration_faces
    from affectkit.export.checkpoint import save_checkpoint
    from affectkit.files.run_folder import open_run_folder
    from affectkit.machine import versions
    from affectkit.pipeline.detect.opencv import YuNet
    from affectkit.training.recipes import rows, train
    from affectkit.training.recipes.stages import real_profiles

    if name not in ("affectkit-real", "affectkit-synthetic"):
        raise ValueError(f"expected affectkit-real or affectkit-synthetic, got {name!r}")
    if name == "affectkit-real" and root is None:
        raise ValueError("affectkit-real learns from FER+: give its folder with --root")
    find_landmarks = YuNet(yunet).find_landmarks if yunet else None
    folder = open_run_folder(output)
    facts = {"name": name, "seed": seed, "limit": limit, "epochs": epochs}
    if name == "affectkit-real":
        splits = rows.mixed_splits(root, seed, limit or None)
        undecided = rows.undecided_rows(root, max(1, limit // 8) if limit else None, seed)
        profiles = real_profiles(weights, epochs)
        facts["first_stage"] = profiles[0].to_dict()
        networks = train.train_real(splits, undecided, profiles, folder, find_landmarks, seed)
    else:
        splits, networks = train.train_synthetic(folder, seed, limit or None, epochs)
    faces = calibration_faces(splits["train"], networks[0].preprocessing, seed=seed)
    facts |= networks[0].training | {"versions": versions()}
    for profile in (facts["profile"], facts.get("first_stage", {})):
        if start := profile.get("weights"):
            profile["weights"] = Path(start).name  # not where it is on this machine
    card = save_checkpoint(name, *networks, faces, facts, folder.path / "checkpoint")
    tell(f"Checkpoint: {card.parent}")


def _open(output: Path | None, name: str) -> RunFolder:
    from affectkit.files.run_folder import new_run_path, open_run_folder

    if output and (output / "models" / f"{name}.keras").exists():
        raise ValueError(
            f"{output} already holds a {name}; choose another --output, or delete the model first"
        )
    return open_run_folder(output or new_run_path())


def _report(folder: RunFolder, name: str, task: str, skipped: SkippedRows) -> None:
    """Say how training ended and where everything is."""
    import pandas as pd

    log = pd.read_csv(folder.logs / f"{task}_log.csv")
    best = log.loc[log["val_loss"].idxmin()]
    measure = "accuracy" if task == "classification" else "rmse"
    tell(
        f"Best of {len(log)} epochs: {int(best['epoch']) + 1}, validation {measure} "
        f"{best[f'val_{measure}']:.3f}"
    )
    file = skipped.to_csv(folder.path / "skipped_rows.csv")
    tell(f"Model: {folder.models / name}.keras")
    tell_left_out(skipped.summary(), file)
