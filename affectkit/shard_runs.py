"""Train classifier or regressor from shards, fit the temperature and save: a whole run in one call.

What `affectkit.experiments` does with tables, for one process or many: all workers call this alike,
and the chief writes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import keras
import tensorflow as tf

from affectkit.backbone import build_backbone
from affectkit.data.shard_index import ShardIndex
from affectkit.distributed_training import forget_backups, train_on_shards
from affectkit.labels import NUM_EXPRESSIONS
from affectkit.metrics.calibration import fit_temperature
from affectkit.model_files import LoadedModel, load_model, save_model
from affectkit.models import build_classifier, build_regressor
from affectkit.preprocess import Preprocessing
from affectkit.profiles import NAMED_WEIGHTS, Profile
from affectkit.replica_prediction import predict_shares
from affectkit.run_folder import RunFolder
from affectkit.shard_shares import ShardShares
from affectkit.worker_strategy import (
    all_agree,
    choose_strategy,
    is_chief,
    wait_for_all,
    workers_of,
)

TASKS = {"classifier": "classification", "regressor": "regression"}
"""What each network learns."""


def train_classifier_from_shards(
    index: ShardIndex,
    profile: Profile,
    folder: RunFolder,
    seed: int = 0,
    shares: int | None = None,
    strategy: tf.distribute.Strategy | None = None,
) -> LoadedModel:
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
        See `affectkit.distributed_training.train_on_shards`.
    strategy : tf.distribute.Strategy, optional
        That of `affectkit.worker_strategy.choose_strategy` if omitted.

    Returns
    -------
    LoadedModel
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
    classifier: LoadedModel,
    index: ShardIndex,
    profile: Profile,
    folder: RunFolder,
    seed: int = 0,
    shares: int | None = None,
    strategy: tf.distribute.Strategy | None = None,
) -> LoadedModel:
    """Train a regressor from a classifier's features, and save it as `models/regressor.keras`.

    Parameters
    ----------
    classifier : LoadedModel
        Whose features and preprocessing are used.
    index, profile, folder, seed, shares, strategy
        As in `train_classifier_from_shards`.

    Returns
    -------
    LoadedModel
        The saved model, loaded again.

    Raises
    ------
    ValueError
        If the model is no classifier, or as in `train_classifier_from_shards`.
    """
    if classifier.task != "classification":
        raise ValueError("expected a classifier, whose features a regressor can use; got another")
    facts = {"classifier_sha256": classifier.card.get("sha256")}
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
) -> LoadedModel:
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
        found = load_model(path)
        made = found.card.get("training", {})
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
    return load_model(path)


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
