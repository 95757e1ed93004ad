"""Train the networks that ship with the package: FER+'s photographs and AffectFaces together."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pandas as pd

from affectkit.data.datasets import load_splits
from affectkit.data.splitting import limit_rows
from affectkit.data.table import STANDARD_COLUMNS
from affectkit.experiments import (
    find_or_train_classifier,
    find_or_train_regressor,
    training_facts,
)
from affectkit.inference import predict_faces
from affectkit.input_pipeline import load_faces
from affectkit.metrics.calibration import fit_temperature
from affectkit.model_files import LoadedModel, load_model, save_model
from affectkit.models import build_classifier, build_regressor
from affectkit.preprocess import Preprocessing, scale_pixels
from affectkit.profiles import Profile, TrainingSettings, get_profile
from affectkit.run_folder import RunFolder
from affectkit.training import train_model

PROFILE = Profile(
    name="checkpoint",
    image_size=96,
    alpha=1.0,
    weights="imagenet",
    dropout=0.3,
    classifier=TrainingSettings(
        epochs=16,
        batch_size=32,
        learning_rate=5e-4,
        weight_decay=1e-3,
        label_smoothing=0.0,
        balance=0.0,
        augmentation="heavy",
        mixup=0.2,
        ema_momentum=0.999,
        head_epochs=1,
    ),
    regressor=TrainingSettings(
        epochs=4, learning_rate=1e-3, balance=0.0, augmentation="strong", freeze_backbone=True
    ),
)
"""The recipe of `affectkit-real`."""

DRAWN_ROWS = 4000
"""So many of AffectFaces' training faces join FER+'s 24,000: enough to learn valence from."""

RAISE_BOX = 0.055
"""AffectFaces' boxes are moved up by this share of their side: FER2013 cuts its faces like that.

By YuNet, the median height of the eyes is 0.39 of the side there and 0.32 in a box of AffectFaces.
"""


def mixed_splits(
    root: str | Path | None, seed: int = 0, limit: int | None = None
) -> dict[str, pd.DataFrame]:
    """Give FER+'s training rows, a twentieth of them held out, and some of AffectFaces'.

    Parameters
    ----------
    root : str or Path, optional
        FER+'s folder; None for AffectFaces alone.
    seed : int
        Of the held-out rows.
    limit : int, optional
        At most so many rows of each split, and a sixth as many of AffectFaces.

    Returns
    -------
    dict of str to DataFrame
        train and validation, as documented in `affectkit.data.table`, and "test": rows that must
        not be trained on, nor copies of them. AffectFaces' expressions are the clean ones.
    """
    drawn = load_splits("affectfaces", limit=limit, seed=seed)
    for table in drawn.values():
        table["expression"] = table["expression_clean"].astype("Int64")
        side = table[["face_width", "face_height"]].max(axis=1)
        table["face_y"] -= RAISE_BOX * side
    if root is None:
        return drawn
    photographs = load_splits("ferplus", root, limit=limit, seed=seed, validation_fraction=0.05)
    drawn["train"] = limit_rows(
        drawn["train"], DRAWN_ROWS if limit is None else max(8, min(DRAWN_ROWS, limit // 6)), seed
    )
    columns = [*STANDARD_COLUMNS, *(["image"] if "image" in photographs["train"] else [])]
    train = pd.concat([photographs["train"], drawn["train"]], ignore_index=True)
    train = train.reindex(columns=columns)
    train.attrs = {"dataset": "ferplus+affectfaces", "protocol": "ferplus-majority"}
    return {**photographs, "train": train}


def drop_copies(
    table: pd.DataFrame, faces: np.ndarray, others: np.ndarray
) -> tuple[pd.DataFrame, np.ndarray]:
    """Leave out the rows whose pixels are those of one of the other faces.

    FER2013 holds the same picture more than once, also across its splits.

    Parameters
    ----------
    table : pandas.DataFrame
        n rows.
    faces, others : numpy.ndarray
        uint8, shape (n, size, size, 3) and (m, size, size, 3).

    Returns
    -------
    tuple of DataFrame and ndarray
        What is left of `table` and `faces`.
    """
    known = {face.tobytes() for face in others}
    keep = np.array([face.tobytes() not in known for face in faces])
    kept = table[keep].reset_index(drop=True)
    kept.attrs = dict(table.attrs)
    return kept, faces[keep]


def train_real(
    splits: dict[str, pd.DataFrame], profile: Profile, folder: RunFolder, seed: int = 0
) -> tuple[LoadedModel, LoadedModel]:
    """Train the classifier on `mixed_splits`, then a head for valence and arousal on its features.

    No copy of a held-out face is trained on. A run that was cut off goes on from its last epoch; a
    finished network is kept.

    Parameters
    ----------
    splits : dict of str to DataFrame
        From `mixed_splits`.
    profile : Profile
        Size and recipe.
    folder : RunFolder
        Gets models and logs.
    seed : int
        Of weights, shuffling and augmentation.

    Returns
    -------
    tuple of LoadedModel
        Classifier, with its temperature, and regressor, both saved in the folder.
    """
    keras.utils.set_random_seed(seed)
    preprocessing = Preprocessing(profile.image_size, grey=True)
    read = {name: load_faces(table, preprocessing) for name, table in splits.items()}
    (faces, table), (held_out, held_out_table) = read["train"], read["validation"]
    unseen = read["test"][0]
    validation = drop_copies(held_out_table, held_out, unseen)
    train = drop_copies(table, faces, np.concatenate([held_out, unseen]))
    path = folder.models / "classifier.keras"
    if not path.is_file():
        model = build_classifier(
            profile.image_size, profile.alpha, profile.dropout, profile.weights
        )
        log = train_model(
            model, train, validation, preprocessing, profile.classifier, folder.logs, seed
        )
        facts = training_facts(train[0], profile, seed, len(log))
        temperature = _temperature(LoadedModel(model, preprocessing, "classification"), validation)
        save_model(model, path, preprocessing, facts, temperature)
    classifier = load_model(path)
    path = folder.models / "regressor.keras"
    if path.is_file():
        return classifier, load_model(path)
    regressor = build_regressor(classifier.model)
    log = train_model(
        regressor, train, validation, preprocessing, profile.regressor, folder.logs, seed
    )
    facts = training_facts(train[0], profile, seed, len(log))
    save_model(regressor, path, preprocessing, facts)
    return classifier, load_model(path)


def train_synthetic(
    folder: RunFolder, seed: int = 0, limit: int | None = None, epochs: int = 0
) -> tuple[dict[str, pd.DataFrame], tuple[LoadedModel, LoadedModel]]:
    """Train both networks on AffectFaces as notebooks 02 and 03 do, in the standard profile.

    Returns
    -------
    tuple of dict and tuple
        The splits, and classifier and regressor, saved in the folder.
    """
    profile = get_profile("standard", epochs=epochs)
    splits = load_splits("affectfaces", limit=limit, seed=seed)
    classifier = find_or_train_classifier("", splits, profile, folder, seed)
    return splits, (
        classifier,
        find_or_train_regressor("", classifier, splits, profile, folder, seed),
    )


def real_profile(weights: str = "", epochs: int = 0) -> Profile:
    """Give the recipe of affectkit-real with another file to start from or other epochs."""
    recipe = replace(PROFILE, weights=weights or PROFILE.weights)
    if epochs:
        recipe = replace(
            recipe,
            classifier=replace(recipe.classifier, epochs=epochs),
            regressor=replace(recipe.regressor, epochs=epochs),
        )
    return recipe


def calibration_faces(
    splits: dict[str, pd.DataFrame], preprocessing: Preprocessing, number: int = 500, seed: int = 0
) -> np.ndarray:
    """Draw training faces to measure the ranges of int8 on.

    Returns
    -------
    numpy.ndarray
        float32, shape (number, size, size, 3), RGB, -1..1.
    """
    drawn = splits["train"].sample(min(number, len(splits["train"])), random_state=seed)
    faces, _ = load_faces(drawn.reset_index(drop=True), preprocessing)
    return scale_pixels(faces.astype(np.float32))


def _temperature(classifier: LoadedModel, validation: tuple[pd.DataFrame, np.ndarray]) -> float:
    probabilities = predict_faces(classifier, *validation)
    return fit_temperature(validation[0]["expression"].to_numpy(int), probabilities)
