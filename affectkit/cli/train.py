"""`affectkit train`: classifier, regressor, both from shards, start weights, or a checkpoint."""

from __future__ import annotations

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

app = typer.Typer(no_args_is_help=True, help="Train a network.")
Output = Annotated[
    Path | None,
    typer.Option(help="Run folder, gets models/ and logs/; runs/<date>_<time> if omitted."),
]


@app.command("classifier")
def train_classifier(
    dataset: Dataset = "affectfaces",
    root: Root = None,
    profile: Profile = "quick",
    output: Output = None,
    weights: Weights = "",
    epochs: Epochs = 0,
    limit: Limit = 0,
    seed: Seed = 0,
    protocol: Protocol = None,
    labels: Labels = "",
    follow_links: FollowLinks = False,
) -> None:
    """Train the expression classifier, as notebook 02 does."""
    from affectkit.profiles import get_profile

    settings = get_profile(profile, weights, epochs)
    folder = _open(output, "classifier")
    from affectkit.data.datasets import load_splits
    from affectkit.data.skipped import SkippedRows
    from affectkit.training.runs import train_classifier_run

    skipped = SkippedRows()
    splits = load_splits(
        dataset,
        root,
        protocol,
        skipped,
        limit or None,
        seed,
        labels=labels,
        follow_links=follow_links,
    )
    loaded = train_classifier_run(splits, settings, folder, seed, skipped)
    _report(folder, "classifier", loaded.task, skipped)


@app.command("regressor")
def train_regressor(
    dataset: Dataset = "affectfaces",
    root: Root = None,
    profile: Profile = "quick",
    output: Output = None,
    classifier: Annotated[
        Path | None,
        typer.Option(help="Classifier whose features are used; the one in --output if omitted."),
    ] = None,
    epochs: Epochs = 0,
    limit: Limit = 0,
    seed: Seed = 0,
    protocol: Protocol = None,
    labels: Labels = "",
    follow_links: FollowLinks = False,
) -> None:
    """Train the valence and arousal regressor from a classifier's features, as notebook 03 does."""
    from affectkit.profiles import get_profile

    settings = get_profile(profile, epochs=epochs)
    if classifier is None and output is None:
        raise ValueError("give --classifier PATH, or the --output folder that holds a classifier")
    folder = _open(output, "regressor")
    from affectkit.data.datasets import load_splits
    from affectkit.data.skipped import SkippedRows
    from affectkit.models.opening import open_model
    from affectkit.training.runs import train_regressor_run

    loaded = open_model(classifier or folder.models / "classifier.keras")
    if loaded.task != "classification":
        raise ValueError(f"expected a classifier as --classifier, {classifier} is a regressor")
    skipped = SkippedRows()
    splits = load_splits(
        dataset,
        root,
        protocol,
        skipped,
        limit or None,
        seed,
        labels=labels,
        follow_links=follow_links,
    )
    regressor = train_regressor_run(loaded, splits, settings, folder, seed, skipped)
    _report(folder, "regressor", regressor.task, skipped)


app.command("shards")(train_shards.run)


@app.command("start")
def train_start(
    output: Annotated[Path, typer.Option(help="The .weights.h5 file to write.")] = Path(
        "affectfaces_backbone.weights.h5"
    ),
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
        typer.Option(help="Run folder; a started one is gone on with. checkpoint/ is what ships."),
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
