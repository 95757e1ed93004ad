"""Train the networks that ship with the package, from the rows of `recipes.rows`."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pandas as pd

from affectkit.data.batches import load_faces
from affectkit.data.datasets import load_splits
from affectkit.files.run_folder import RunFolder
from affectkit.models.build import build_classifier, build_regressor
from affectkit.models.keras_models import save_model
from affectkit.models.opening import Model, open_model
from affectkit.preprocess import Preprocessing
from affectkit.profiles import Profile, get_profile
from affectkit.training.fit import forget_backup, measure_normalisation, train_model
from affectkit.training.recipes.calibration import (
    class_frequencies,
    correct_biases,
    favour_rare,
    held_out_loss,
    save_calibrated,
)
from affectkit.training.recipes.faint_smiles import SMILING, Landmarks, add_faint_smiles
from affectkit.training.recipes.rows import drop_copies
from affectkit.training.runs import (
    find_or_train_classifier,
    find_or_train_regressor,
    training_facts,
)


def train_real(
    splits: dict[str, pd.DataFrame],
    undecided: pd.DataFrame,
    profiles: tuple[Profile, ...],
    folder: RunFolder,
    find_landmarks: Landmarks | None = None,
    seed: int = 0,
) -> tuple[Model, Model]:
    """Train the classifier in four stages, then a head for valence and arousal on its features.

    Takes `mixed_splits` and `undecided_rows` (trained on from the second stage on) and
    `real_profiles`; `find_landmarks` is for the faint smiles of the last stage. The classifier's
    own head is shifted at the end: see `favour_rare`. No copy of a held-out face is trained on. A
    run that was cut off goes on from its last epoch; a finished network is kept. Gives classifier,
    with its temperature, and regressor, both saved in the folder.
    """
    keras.utils.set_random_seed(seed)
    first, second, third, last = profiles
    both = pd.concat([splits["train"], undecided], ignore_index=True)
    both = both.reindex(columns=splits["train"].columns)
    both.attrs = {**splits["train"].attrs, "protocol": "ferplus-majority, then all with votes"}
    start = folder.models / f"classifier_{first.image_size}.keras"
    larger = folder.models / f"classifier_{second.image_size}.keras"
    again = folder.models / f"classifier_{second.image_size}_again.keras"
    settled = folder.models / f"classifier_{second.image_size}_settled.keras"
    path = folder.models / "classifier.keras"
    both_splits = {**splits, "train": both}
    if not larger.is_file():
        model = build_classifier(first.image_size, first.alpha, first.dropout, first.weights)
        if not start.is_file():
            logs = folder.logs / str(first.image_size)
            _train_classifier(model, splits, first, start, logs, seed)
        model = build_classifier(second.image_size, second.alpha, second.dropout)
        model.set_weights(open_model(start).model.get_weights())
        _train_classifier(model, both_splits, second, larger, folder.logs, seed)
    if not again.is_file():
        model = open_model(larger).model
        _train_classifier(model, both_splits, third, again, folder.logs / "again", seed + 1)
    if not settled.is_file():
        mean = folder.models / f"classifier_{second.image_size}_mean.keras"
        average_classifiers([larger, again], both_splits, third, mean, seed)
        _, held_out = _read(splits, Preprocessing(third.image_size, grey=True))
        best = min((larger, again, mean), key=lambda one: held_out_loss(one, held_out))
        model, logs = open_model(best).model, folder.logs / "settled"
        _train_classifier(model, both_splits, last, settled, logs, seed + 2, find_landmarks)
    if not path.is_file():
        _, held_out = _read(splits, Preprocessing(last.image_size, grey=True))
        photographs = splits["train"][splits["train"]["derived_valence_arousal"]]
        frequencies = class_frequencies(photographs["expression"].to_numpy(int))
        favour_rare(open_model(settled), held_out, frequencies, path)
    classifier = open_model(path)
    path = folder.models / "regressor.keras"
    if path.is_file():
        return classifier, open_model(path)
    regressor = build_regressor(classifier.model)
    preprocessing = classifier.preprocessing
    train, validation = _read({**splits, "train": both}, preprocessing)
    log = train_model(
        regressor, train, validation, preprocessing, last.regressor, folder.logs, seed, True
    )
    facts = training_facts(train[0], last, seed, len(log))
    save_model(regressor, path, preprocessing, facts)
    forget_backup(folder.logs, "regression")
    return classifier, open_model(path)


def average_classifiers(
    paths: list[Path], splits: dict[str, pd.DataFrame], profile: Profile, path: Path, seed: int = 0
) -> Model:
    """Average the weights of classifiers that are ends of one training, calibrate and save it.

    Normalisation is measured anew on the train split, the temperature fitted on validation. The
    card tells the files as "mean_of".
    """
    ends = [open_model(one) for one in paths]
    weights = zip(*(end.model.get_weights() for end in ends), strict=True)
    model, preprocessing = ends[-1].model, ends[-1].preprocessing
    model.set_weights([np.mean(parts, axis=0) for parts in weights])
    train, validation = _read(splits, preprocessing)
    measure_normalisation(model, train, preprocessing, profile.classifier, seed)
    facts = ends[-1].training | {"mean_of": [one.name for one in paths]}
    return save_calibrated(model, preprocessing, validation, facts, path)


def train_synthetic(
    folder: RunFolder, seed: int = 0, limit: int | None = None, epochs: int = 0
) -> tuple[dict[str, pd.DataFrame], tuple[Model, Model]]:
    """Train both networks on AffectFaces as notebooks 02 and 03 do, in the standard profile.

    The classifier's own head is shifted at the end: see `correct_biases`. Gives the splits, and
    classifier and regressor, saved in the folder.
    """
    profile = get_profile("standard", epochs=epochs)
    splits = load_splits("affectfaces", limit=limit, seed=seed)
    classifier = find_or_train_classifier("", splits, profile, folder, seed)
    regressor = find_or_train_regressor("", classifier, splits, profile, folder, seed)
    path = folder.models / "classifier_corrected.keras"
    if not path.is_file():
        faces, table = load_faces(splits["validation"], classifier.preprocessing)
        correct_biases(classifier, (table, faces), path)
    return splits, (open_model(path), regressor)


def _train_classifier(
    model: keras.Model,
    splits: dict[str, pd.DataFrame],
    profile: Profile,
    path: Path,
    logs: Path,
    seed: int,
    find_landmarks: Landmarks | None = None,
) -> None:
    """Train one stage, with faint smiles if landmarks can be found; save it, calibrated."""
    preprocessing = Preprocessing(profile.image_size, grey=True)
    train, validation = _read(splits, preprocessing)
    if find_landmarks is not None:
        train = add_faint_smiles(*train, find_landmarks, seed)
    log = train_model(model, train, validation, preprocessing, profile.classifier, logs, seed, True)
    facts = training_facts(train[0], profile, seed, len(log))
    facts |= {"faint_smiles": int(train[0]["image_id"].str.endswith(SMILING).sum())}
    save_calibrated(model, preprocessing, validation, facts, path)
    forget_backup(logs, "classification")


def _read(
    splits: dict[str, pd.DataFrame], preprocessing: Preprocessing
) -> list[tuple[pd.DataFrame, np.ndarray]]:
    """Read the faces of train and validation, without copies of one another's or the test's."""
    read = {name: load_faces(table, preprocessing) for name, table in splits.items()}
    (faces, table), (held_out, held_out_table) = read["train"], read["validation"]
    unseen = read["test"][0]
    return [
        drop_copies(table, faces, np.concatenate([held_out, unseen])),
        drop_copies(held_out_table, held_out, unseen),
    ]
