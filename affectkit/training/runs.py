"""Whole trainings: read the data, train, fit the temperature and save."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import keras
import pandas as pd

from affectkit.data.batches import load_faces
from affectkit.data.shards.index import ShardIndex
from affectkit.data.skipped import SkippedRows
from affectkit.data.table import annotated_rows
from affectkit.evaluation.metrics.calibration import fit_temperature
from affectkit.files.run_folder import RunFolder
from affectkit.labels import NUM_EXPRESSIONS
from affectkit.models.build import build_backbone, build_classifier, build_regressor
from affectkit.models.keras_models import save_model
from affectkit.models.opening import Model, open_model
from affectkit.preprocess import Preprocessing
from affectkit.profiles import NAMED_WEIGHTS, Profile, TrainingSettings
from affectkit.training.fit import fit_model, forget_backup
from affectkit.training.inputs import Inputs, ShardInputs, TableInputs
from affectkit.training.keras_workers import all_agree, wait_for_all
from affectkit.training.workers import is_chief

Splits = dict[str, pd.DataFrame]


def train_classifier_run(
    data: Splits | ShardIndex,
    profile: Profile,
    folder: RunFolder,
    seed: int = 0,
    skipped: SkippedRows | None = None,
) -> Model:
    """Read faces, train the classifier, fit its temperature and save it: notebook 02 in one call.

    A run that was interrupted or killed goes on from its last finished epoch. To train on several
    GPUs or workers, call it in the scope of `choose_strategy`, on each worker alike.

    Parameters
    ----------
    data : dict of str to DataFrame, or ShardIndex
        From `load_splits`, or from `read_index`: shards are read without a table, each worker its
        share. A run from shards whose model is there already gives that.
    profile : Profile
        Size and recipe; its batch_size is that of all workers together.
    folder : RunFolder
        Gets `models/classifier.keras` with its card, and the log; all workers must see it.
    seed : int
        Of weights, shuffling and augmentation.
    skipped : SkippedRows, optional
        Where unreadable images of a table are noted.

    Returns
    -------
    Model
        The saved model, loaded again.

    Raises
    ------
    ValueError
        If no row has an expression; with shards also if a split is too small, the batch can't be
        shared evenly, or the folder holds a model or backup of another training.
    """
    build, start = _new_classifier(profile, data)
    preprocessing = Preprocessing(image_size=profile.image_size)
    run = _Run("classifier", build, preprocessing, profile, folder, seed, {}, start)
    return run.from_shards(data) if isinstance(data, ShardIndex) else run.from_tables(data, skipped)


def train_regressor_run(
    classifier: Model | None,
    data: Splits | ShardIndex,
    profile: Profile,
    folder: RunFolder,
    seed: int = 0,
    skipped: SkippedRows | None = None,
) -> Model:
    """Make the regressor from the classifier's features, train and save it: notebook 03.

    Without a classifier it is trained directly, from where the profile's classifier would start.

    Parameters
    ----------
    classifier : Model or None
        Whose features and preprocessing are used.
    data, profile, folder, seed, skipped
        As in `train_classifier_run`; the model is `models/regressor.keras`.

    Returns
    -------
    Model
        The saved model, loaded again.

    Raises
    ------
    ValueError
        If the model is no classifier, or as in `train_classifier_run`.
    """
    if classifier is None:
        profile = replace(profile, regressor=profile.direct_regressor or profile.regressor)
        build_start, facts = _new_classifier(profile, data)
        preprocessing = Preprocessing(image_size=profile.image_size)
    elif classifier.task == "classification":
        facts, preprocessing = {"classifier_sha256": classifier.sha256}, classifier.preprocessing
    else:
        raise ValueError("expected a classifier, whose features a regressor can use; got another")

    def build() -> keras.Model:
        start = build_start() if classifier is None else classifier.model
        return build_regressor(start, profile.regressor_dropout)

    run = _Run("regressor", build, preprocessing, profile, folder, seed, facts, facts)
    return run.from_shards(data) if isinstance(data, ShardIndex) else run.from_tables(data, skipped)


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

    Parameters
    ----------
    path : str or Path
        A `.keras` file, a name, or "".
    splits, profile, folder, seed, skipped
        As in `train_classifier_run`.

    Returns
    -------
    Model
        What was found, or the saved model.

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
    """Load or train the regressor; errors are those of `find_or_train_classifier`.

    Parameters
    ----------
    path : str or Path
        As in `find_or_train_classifier`.
    classifier : Model
        What a new regressor starts from.
    splits, profile, folder, seed, skipped
        Those of `train_regressor_run`.

    Returns
    -------
    Model
        The regressor.
    """
    found = _find(path, folder.models / "regressor.keras", splits, profile, "regression")
    return found or train_regressor_run(classifier, splits, profile, folder, seed, skipped)


def training_facts(
    train: pd.DataFrame, profile: Profile, seed: int, epochs: int
) -> dict[str, object]:
    """Give what a model's card says about its training.

    Parameters
    ----------
    train : pandas.DataFrame
        The rows that were trained on.
    profile : Profile
        Size and recipe.
    seed : int
        Of the run.
    epochs : int
        That were trained.

    Returns
    -------
    dict
        dataset, protocol, profile, seed, rows and epochs; JSON-able.
    """
    return {
        "dataset": train.attrs.get("dataset", ""),
        "protocol": train.attrs.get("protocol", ""),
        "profile": profile.to_dict(),
        "seed": seed,
        "rows": len(train),
        "epochs": epochs,
    }


@dataclass(frozen=True)
class _Run:
    """The training of one network; `facts` go to its card, `start` must be that of its backup."""

    name: str
    build: Callable[[], keras.Model]
    preprocessing: Preprocessing
    profile: Profile
    folder: RunFolder
    seed: int
    facts: dict[str, object]
    start: dict[str, object]

    @property
    def task(self) -> str:
        return "classification" if self.name == "classifier" else "regression"

    @property
    def settings(self) -> TrainingSettings:
        return getattr(self.profile, self.name)

    @property
    def path(self) -> Path:
        return self.folder.models / f"{self.name}.keras"

    def from_tables(self, splits: Splits, skipped: SkippedRows | None) -> Model:
        keras.utils.set_random_seed(self.seed)
        train, validation = _read(splits, self.task, self.preprocessing, skipped)
        inputs = TableInputs(
            *(train, validation, self.task, self.preprocessing, self.settings, self.seed),
            facts=self.start,
        )
        facts = training_facts(train[0], self.profile, self.seed, 0) | self.facts
        return self._train(inputs, facts)

    def from_shards(self, index: ShardIndex) -> Model:
        facts = _shard_facts(index, self.task) | {"profile": self.profile.to_dict()}
        facts |= {"seed": self.seed} | self.facts
        done = self.path.is_file()
        if not all_agree([done]):
            raise ValueError(
                f"the workers differ on whether {self.path} is there; all must share its folder"
            )
        if done:
            found = open_model(self.path)
            made = found.training
            if any(made.get(key) != value for key, value in facts.items()):
                raise ValueError(
                    f"{self.folder.path} holds a {self.name} of another training; choose another "
                    "folder, or delete the model first"
                )
            forget_backup(self.folder.logs, self.task)
            return found
        keras.utils.set_random_seed(self.seed)
        start = {"profile": self.profile.name} | self.start
        inputs = ShardInputs(index, self.task, self.preprocessing, self.settings, self.seed, start)
        return self._train(inputs, facts, begin_anew=False)

    def _train(self, inputs: Inputs, facts: dict[str, object], begin_anew: bool = True) -> Model:
        model = self.build()
        log = fit_model(model, inputs, self.settings, self.folder.logs, begin_anew)
        if is_chief():
            temperature = 1.0
            if self.task == "classification":
                temperature = fit_temperature(*inputs.answers(model))
            facts = facts | {"epochs": len(log)}
            save_model(model, self.path, self.preprocessing, facts, temperature)
        wait_for_all()  # a backup is needed until the model is there
        forget_backup(self.folder.logs, self.task)
        return open_model(self.path)


def _new_classifier(
    profile: Profile, data: Splits | ShardIndex
) -> tuple[Callable[[], keras.Model], dict[str, object]]:
    """Give what builds an untrained classifier, and what tells its start from others."""
    if isinstance(data, ShardIndex) and profile.weights == "imagenet":
        if is_chief():  # one worker fetches the file, where home is shared
            build_backbone(profile.image_size, profile.alpha, "imagenet", 0.9)
        wait_for_all()

    def build() -> keras.Model:
        return build_classifier(profile.image_size, profile.alpha, profile.dropout, profile.weights)

    start = {"weights": start_weights(profile.weights)}
    return build, start | {"alpha": profile.alpha, "dropout": profile.dropout}


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


def start_weights(weights: str | None) -> str:
    """Name what a network starts from; files by name and content, wherever they are."""
    if weights in (None, *NAMED_WEIGHTS) or not Path(weights).is_file():
        return weights or "none"
    with Path(weights).open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return f"{Path(weights).name}, SHA-256 {digest[:16]}"


def _shard_facts(index: ShardIndex, task: str) -> dict[str, object]:
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
