"""Whole steps of the course, for notebooks that miss a model and for the command line."""

from __future__ import annotations

from pathlib import Path

import keras
import pandas as pd

from affectkit.checkpoint_files import checkpoint_names
from affectkit.checkpoints import load_checkpoint
from affectkit.data.skipped import SkippedRows
from affectkit.inference import predict_faces
from affectkit.input_pipeline import load_faces
from affectkit.metrics.calibration import fit_temperature
from affectkit.model_files import LoadedModel, load_model, save_model
from affectkit.models import build_classifier, build_regressor
from affectkit.preprocess import Preprocessing
from affectkit.profiles import Profile
from affectkit.run_folder import RunFolder
from affectkit.training import forget_backup, train_model
from affectkit.training_targets import annotated_rows

Splits = dict[str, pd.DataFrame]


def train_classifier_run(
    splits: Splits,
    profile: Profile,
    folder: RunFolder,
    seed: int = 0,
    skipped: SkippedRows | None = None,
) -> LoadedModel:
    """Read faces, train the classifier, fit its temperature and save it: notebook 02 in one call.

    Parameters
    ----------
    splits : dict of str to DataFrame
        From `load_splits`.
    profile : Profile
        Size and recipe.
    folder : RunFolder
        Gets `models/classifier.keras` with its card, and the log.
    seed : int
        Of weights, shuffling and augmentation.
    skipped : SkippedRows, optional
        Where unreadable images are noted.

    Returns
    -------
    LoadedModel
        The saved model, loaded again.
    """
    keras.utils.set_random_seed(seed)
    preprocessing = Preprocessing(image_size=profile.image_size)
    train, validation = _read(splits, "classification", preprocessing, skipped)
    model = build_classifier(profile.image_size, profile.alpha, profile.dropout, profile.weights)
    log = train_model(
        model, train, validation, preprocessing, profile.classifier, folder.logs, seed, True
    )
    facts = training_facts(train[0], profile, seed, len(log))
    trained = LoadedModel(model, preprocessing, "classification")
    probabilities = predict_faces(trained, *validation)
    temperature = fit_temperature(validation[0]["expression"].to_numpy(int), probabilities)
    path = folder.models / "classifier.keras"
    save_model(model, path, preprocessing, facts, temperature)
    forget_backup(folder.logs, "classification")
    return load_model(path)


def train_regressor_run(
    classifier: LoadedModel,
    splits: Splits,
    profile: Profile,
    folder: RunFolder,
    seed: int = 0,
    skipped: SkippedRows | None = None,
) -> LoadedModel:
    """Make the regressor from the classifier's features, train and save it: notebook 03.

    Parameters
    ----------
    classifier : LoadedModel
        Whose features and preprocessing are used.
    splits, profile, folder, seed, skipped
        As in `train_classifier_run`; the model is `models/regressor.keras`.

    Returns
    -------
    LoadedModel
        The saved model, loaded again.
    """
    keras.utils.set_random_seed(seed)
    preprocessing = classifier.preprocessing
    train, validation = _read(splits, "regression", preprocessing, skipped)
    model = build_regressor(classifier.model)
    log = train_model(
        model, train, validation, preprocessing, profile.regressor, folder.logs, seed, True
    )
    facts = training_facts(train[0], profile, seed, len(log))
    facts["classifier_sha256"] = classifier.card.get("sha256")
    path = save_model(model, folder.models / "regressor.keras", preprocessing, facts)
    forget_backup(folder.logs, "regression")
    return load_model(path)


def find_or_train_classifier(
    path: str | Path,
    splits: Splits,
    profile: Profile,
    folder: RunFolder,
    seed: int = 0,
    skipped: SkippedRows | None = None,
) -> LoadedModel:
    """Load the classifier at `path`, or the run folder's if that is empty, or train that one.

    The path may also be the name of a checkpoint that ships, such as "affectkit-real-int8".

    Raises
    ------
    ValueError
        If the run folder's model was trained on another data set or with another profile.
    FileNotFoundError
        If a path was given and there is no model.
    """
    found = _find(path, folder.models / "classifier.keras", splits, profile, "classification")
    return found or train_classifier_run(splits, profile, folder, seed, skipped)


def find_or_train_regressor(
    path: str | Path,
    classifier: LoadedModel,
    splits: Splits,
    profile: Profile,
    folder: RunFolder,
    seed: int = 0,
    skipped: SkippedRows | None = None,
) -> LoadedModel:
    """Load or train the regressor; see `find_or_train_classifier`."""
    found = _find(path, folder.models / "regressor.keras", splits, profile, "regression")
    return found or train_regressor_run(classifier, splits, profile, folder, seed, skipped)


def training_facts(
    train: pd.DataFrame, profile: Profile, seed: int, epochs: int
) -> dict[str, object]:
    """Give what a model's card says about its training; all JSON-able."""
    return {
        "dataset": train.attrs.get("dataset", ""),
        "protocol": train.attrs.get("protocol", ""),
        "profile": profile.to_dict(),
        "seed": seed,
        "rows": len(train),
        "epochs": epochs,
    }


def _read(
    splits: Splits, task: str, preprocessing: Preprocessing, skipped: SkippedRows | None
) -> list[tuple[pd.DataFrame, object]]:
    """Read the annotated faces of train and validation, as (table, faces) each."""
    pairs = []
    for name in ("train", "validation"):
        table = splits[name][annotated_rows(splits[name], task)]
        if table.empty:
            raise ValueError(
                f"no row of the {name} split has what {task} learns from; choose a data set with "
                f"{'expressions' if task == 'classification' else 'valence and arousal'}"
            )
        faces, kept = load_faces(table, preprocessing, skipped)
        pairs.append((kept, faces))
    return pairs


def _find(
    path: str | Path, default: Path, splits: Splits, profile: Profile, task: str
) -> LoadedModel | None:
    if str(path) in checkpoint_names():
        return load_checkpoint(str(path))[task]
    if path:
        return load_model(path)
    if not default.is_file():
        return None
    found = load_model(default)
    training = found.card.get("training", {})
    wanted = {"dataset": splits["train"].attrs.get("dataset"), "profile": profile.name}
    made = {
        "dataset": training.get("dataset"),
        "profile": dict(training.get("profile") or {}).get("name"),
    }
    if made != wanted:
        raise ValueError(
            f"{default.name} in {default.parent} was trained with {made}, this run is about "
            f"{wanted}; choose another output folder, delete the model, or name it explicitly"
        )
    return found
