"""Whole steps of the course, for notebooks that miss a model and for the command line."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import keras
import pandas as pd
import tensorflow as tf

from affectkit.data.batches import load_faces
from affectkit.data.shards.index import ShardIndex
from affectkit.data.skipped import SkippedRows
from affectkit.data.table import annotated_rows
from affectkit.evaluation.metrics.calibration import fit_temperature
from affectkit.files.run_folder import RunFolder
from affectkit.labels import NUM_EXPRESSIONS
from affectkit.models.build import build_backbone, build_classifier, build_regressor
from affectkit.models.inference import predict_faces
from affectkit.models.keras_models import save_model
from affectkit.models.opening import Model, open_model
from affectkit.preprocess import Preprocessing
from affectkit.profiles import NAMED_WEIGHTS, Profile
from affectkit.training.fit import forget_backup, train_model
from affectkit.training.replicas import forget_backups, predict_shares, train_on_shards
from affectkit.training.shares import ShardShares
from affectkit.training.workers import (
    all_agree,
    choose_strategy,
    is_chief,
    wait_for_all,
    workers_of,
)

Splits = dict[str, pd.DataFrame]


def train_classifier_run(
    splits: Splits,
    profile: Profile,
    folder: RunFolder,
    seed: int = 0,
    skipped: SkippedRows | None = None,
) -> Model:
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
    Model
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
    trained = Model.of_keras(model, preprocessing)
    probabilities = predict_faces(trained, *validation)
    temperature = fit_temperature(validation[0]["expression"].to_numpy(int), probabilities)
    path = folder.models / "classifier.keras"
    save_model(model, path, preprocessing, facts, temperature)
    forget_backup(folder.logs, "classification")
    return open_model(path)


def train_regressor_run(
    classifier: Model,
    splits: Splits,
    profile: Profile,
    folder: RunFolder,
    seed: int = 0,
    skipped: SkippedRows | None = None,
) -> Model:
    """Make the regressor from the classifier's features, train and save it: notebook 03.

    Parameters
    ----------
    classifier : Model
        Whose features and preprocessing are used.
    splits, profile, folder, seed, skipped
        As in `train_classifier_run`; the model is `models/regressor.keras`.

    Returns
    -------
    Model
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
    facts["classifier_sha256"] = classifier.sha256
    path = save_model(model, folder.models / "regressor.keras", preprocessing, facts)
    forget_backup(folder.logs, "regression")
    return open_model(path)


def find_or_train_classifier(
    path: str | Path,
    splits: Splits,
    profile: Profile,
    folder: RunFolder,
    seed: int = 0,
    skipped: SkippedRows | None = None,
) -> Model:
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
    classifier: Model,
    splits: Splits,
    profile: Profile,
    folder: RunFolder,
    seed: int = 0,
    skipped: SkippedRows | None = None,
) -> Model:
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
) -> Model | None:
    if path:
        return open_model(path).for_task(task)
    if not default.is_file():
        return None
    found = open_model(default)
    training = found.training
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


# FOLD affectkit.shard_runs: """Train classifier or regressor from shards, fit the temperature and save: a whole run in one call.
#
# What `affectkit.training.runs` does with tables, for one process or many: all workers call this alike,
# and the chief writes.
# """
TASKS = {"classifier": "classification", "regressor": "regression"}
"""What each network learns."""


def train_classifier_from_shards(
    index: ShardIndex,
    profile: Profile,
    folder: RunFolder,
    seed: int = 0,
    shares: int | None = None,
    strategy: tf.distribute.Strategy | None = None,
) -> Model:
    """Train a classifier and save it as `models/classifier.keras`, with card and temperature.

    A run that was interrupted or killed goes on from its last finished epoch, and one whose model
    is there already gives that.

    Parameters
    ----------
    index : ShardIndex
        With a train and a validation split.
    profile : Profile
        Size and recipe.
    folder : RunFolder
        Gets model and log; all workers must see it.
    seed : int
        Of everything random.
    shares : int, optional
        See `affectkit.training.replicas.train_on_shards`.
    strategy : tf.distribute.Strategy, optional
        That of `affectkit.training.workers.choose_strategy` if omitted.

    Returns
    -------
    Model
        The saved model, loaded again.

    Raises
    ------
    ValueError
        If the folder holds a classifier of another training, or as `train_on_shards`.
    """
    strategy = strategy or choose_strategy()
    if profile.weights == "imagenet":  # one worker fetches the file, where home is shared
        if is_chief():
            build_backbone(profile.image_size, profile.alpha, "imagenet", 0.9)
        wait_for_all(strategy)

    def build() -> keras.Model:
        return build_classifier(profile.image_size, profile.alpha, profile.dropout, profile.weights)

    preprocessing = Preprocessing(image_size=profile.image_size)
    start = {"weights": start_weights(profile.weights)}
    start |= {"alpha": profile.alpha, "dropout": profile.dropout}
    return _train(
        *("classifier", build, preprocessing, index, profile, folder, seed, shares, strategy),
        facts={},
        start=start,
    )


def train_regressor_from_shards(
    classifier: Model,
    index: ShardIndex,
    profile: Profile,
    folder: RunFolder,
    seed: int = 0,
    shares: int | None = None,
    strategy: tf.distribute.Strategy | None = None,
) -> Model:
    """Train a regressor from a classifier's features, and save it as `models/regressor.keras`.

    Parameters
    ----------
    classifier : Model
        Whose features and preprocessing are used.
    index, profile, folder, seed, shares, strategy
        As in `train_classifier_from_shards`.

    Returns
    -------
    Model
        The saved model, loaded again.

    Raises
    ------
    ValueError
        If the model is no classifier, or as in `train_classifier_from_shards`.
    """
    if classifier.task != "classification":
        raise ValueError("expected a classifier, whose features a regressor can use; got another")
    facts = {"classifier_sha256": classifier.sha256}
    return _train(
        "regressor", lambda: build_regressor(classifier.model), classifier.preprocessing,
        index, profile, folder, seed, shares, strategy or choose_strategy(), facts, facts,
    )  # fmt: skip


def _train(
    name: str,
    build: Callable[[], keras.Model],
    preprocessing: Preprocessing,
    index: ShardIndex,
    profile: Profile,
    folder: RunFolder,
    seed: int,
    shares: int | None,
    strategy: tf.distribute.Strategy,
    facts: dict[str, object],
    start: dict[str, object],
) -> Model:
    """Train; `facts` goes to the model's card, and a backup of another `start` is refused."""
    task, settings = TASKS[name], getattr(profile, name)
    shares = shares or workers_of(strategy)
    facts = shard_facts(index, task) | {"profile": profile.to_dict(), "seed": seed} | facts
    facts["shares"] = shares
    path = folder.models / f"{name}.keras"
    done = path.is_file()
    if not all_agree(strategy, [done]):
        raise ValueError(
            f"the workers differ on whether {path} is there; all must share its folder"
        )
    if done:
        found = open_model(path)
        made = found.training
        if any(made.get(key) != value for key, value in facts.items()):
            raise ValueError(
                f"{folder.path} holds a {name} of another training; choose another folder, or "
                "delete the model first"
            )
        if is_chief():
            forget_backups(folder.logs, task)
        return found

    def seeded() -> keras.Model:
        keras.utils.set_random_seed(seed)
        return build()

    data = ShardShares(index, task, preprocessing, settings, seed, strategy, shares)
    start = {"profile": profile.name} | start
    model, log = train_on_shards(
        *(seeded, index, task, preprocessing, settings, folder.logs, seed, strategy, shares),
        facts=start,
    )
    temperature = 1.0
    if task == "classification":
        targets, probabilities = predict_shares(model, data)
        temperature = fit_temperature(targets.argmax(axis=1), probabilities)
    if is_chief():
        save_model(model, path, preprocessing, facts | {"epochs": len(log)}, temperature)
    wait_for_all(strategy)  # a backup is needed until the model is there
    if is_chief():
        forget_backups(folder.logs, task)
    return open_model(path)


def start_weights(weights: str | None) -> str:
    """Name what a classifier starts from; files by name and content, wherever they are."""
    if weights in (None, *NAMED_WEIGHTS) or not Path(weights).is_file():
        return weights or "none"
    with Path(weights).open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return f"{Path(weights).name}, SHA-256 {digest[:16]}"


def shard_facts(index: ShardIndex, task: str) -> dict[str, object]:
    """Give what a model's card says about the shards that it learned from; all JSON-able."""
    source = dict(index.content.get("source") or {})
    counts = index.content["counts"].get("train", {})
    rows = (
        sum(shard["valence_arousal"] for shard in index.shards("train"))
        if task == "regression"
        else sum(counts.get(str(code), 0) for code in range(NUM_EXPRESSIONS))
    )
    return {
        "dataset": "shards",
        "source": source.get("dataset", ""),
        "protocol": source.get("protocol", ""),
        "fingerprint": index.content["fingerprint"],
        "rows": rows,
    }
