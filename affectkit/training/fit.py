"""One training, of classifier or regressor, in one process or several: `fit`, log, backup, resume.

In the scope of a strategy of several GPUs or workers (`choose_strategy`), every process calls this
alike: batches are shared, normalisation is over the batch of all, and the chief writes.
"""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import tensorflow as tf

from affectkit.data.shards.streams import damage_named
from affectkit.models.batch_norm import (
    average_statistics,
    is_folded,
    restore_statistics,
    synchronise_batch_norm,
)
from affectkit.models.build import get_backbone, task_of
from affectkit.preprocess import Preprocessing, scale_pixels
from affectkit.profiles import TrainingSettings
from affectkit.training.augmentation import with_augmentation
from affectkit.training.backup import TrainingBackup, short_hash
from affectkit.training.callbacks import CosineLearningRate, EpochProgress, StopOnNaN
from affectkit.training.inputs import Inputs, Rows, TableInputs
from affectkit.training.keras_workers import LARGEST_AGREED, all_agree, wait_for_all
from affectkit.training.workers import is_chief

AVERAGED_BATCHES = 200
"""Batches that normalisation is measured on again for the average of the weights."""

MEASURED_FACES = 512
"""Faces that folded normalisation gets its statistics from."""


def train_model(
    model: keras.Model,
    train: Rows,
    validation: Rows,
    preprocessing: Preprocessing,
    settings: TrainingSettings,
    log_folder: str | Path,
    seed: int = 0,
    keep_backup: bool = False,
) -> pd.DataFrame:
    """Train a classifier or regressor in place.

    A run that was interrupted or killed goes on from its last finished epoch when it is called
    again with the same `log_folder`, and ends with the very weights that it would have had. With
    other rows, settings or seed it begins anew.

    The model ends with the weights of its best validation loss, or, with an `ema_momentum`, with
    the moving average at the end and normalisation measured anew for it (the log's validation is
    then about the weights before averaging). A backbone whose normalisation is folded gets its
    statistics back first.

    Parameters
    ----------
    model : keras.Model
        From `build_classifier` or `build_regressor`.
    train, validation : tuple of (DataFrame, ndarray or None)
        What `load_faces` returned as (table, faces) for each split.
    preprocessing : Preprocessing
        As used for `load_faces`.
    settings : TrainingSettings
        The recipe.
    log_folder : str or Path
        Gets `<task>_log.csv` (a row an epoch) and, while running, a backup.
    seed : int
        Seed of shuffling and augmentation.
    keep_backup : bool
        Keep the backup at the end, so that nothing is lost until the model is saved; then call
        `forget_backup`.

    Returns
    -------
    pandas.DataFrame
        The log: epoch, loss, val_loss, and accuracy or rmse with its val_ form.

    Raises
    ------
    ValueError
        If targets are missing or the loss becomes NaN.
    """
    inputs = TableInputs(train, validation, task_of(model), preprocessing, settings, seed)
    log = fit_model(model, inputs, settings, Path(log_folder))
    if not keep_backup:
        forget_backup(log_folder, task_of(model))
    return log


def fit_model(
    model: keras.Model,
    inputs: Inputs,
    settings: TrainingSettings,
    folder: Path,
    begin_anew: bool = True,
) -> pd.DataFrame:
    """Do what `train_model` says with any inputs; a kept backup waits for `forget_backup`.

    Unless it is to `begin_anew`, a backup of other settings or a damaged one is refused.
    """
    task, backbone = task_of(model), get_backbone(model)
    strategy = tf.distribute.get_strategy()
    average = settings.ema_momentum > 0
    early_stopping = None if average else _early_stopping(settings.patience)
    facts = asdict(settings) | inputs.facts()
    facts |= {"network": short_hash(*(weight.shape for weight in model.weights))}
    log = folder / f"{task}_log.csv"
    backup = TrainingBackup(_backup_file(folder, task), log, facts, early_stopping, begin_anew)
    resumes = backup.load()
    known = int(short_hash(sorted(facts.items())), 16) % LARGEST_AGREED
    if not all_agree([len(backup.rows), known]):
        raise ValueError(
            f"the workers differ: this one found {len(backup.rows)} finished epochs in {folder}; "
            "all must run the same command, on the same shards, in one folder that they share"
        )
    if is_folded(backbone) and not resumes:
        faces = next(iter(inputs.measured().unbatch().batch(MEASURED_FACES).take(1)))[0]
        restore_statistics(backbone, scale_pixels(faces.numpy().astype(np.float32)))
    if settings.head_epochs and not resumes:
        fit_model(model, inputs, head_settings(settings), folder / "head", begin_anew)
    backbone.trainable = not settings.freeze_backbone
    synchronise_batch_norm(model, strategy.num_replicas_in_sync > 1)
    trainer = with_augmentation(model, settings.augmentation, inputs.seed)
    trainer.compile(
        optimizer=_optimizer(settings),
        loss=_loss(task, settings.label_smoothing),
        metrics=[_metric(task)],
    )
    trainer.optimizer.build(trainer.trainable_variables)
    backup.restore(trainer)
    done = settings.epochs if backup.stopped else len(backup.rows)
    with damage_named(inputs.addresses):
        trainer.fit(
            inputs.training(first_epoch=done),
            validation_data=inputs.validation(),
            validation_steps=inputs.validation_steps,
            initial_epoch=done,
            epochs=settings.epochs,
            steps_per_epoch=inputs.steps,
            verbose=0,
            shuffle=False,  # the inputs do
            callbacks=[
                CosineLearningRate(settings.epochs * inputs.steps, settings.learning_rate),
                StopOnNaN(),
                *([early_stopping] if early_stopping else []),
                backup,
                EpochProgress(f"{task}, {settings.epochs} epochs"),
            ],
        )
    synchronise_batch_norm(model, False)
    if average and not settings.freeze_backbone:
        _measure_normalisation(trainer, backbone, inputs)
    backbone.trainable = True
    wait_for_all()  # the chief writes the log
    return pd.read_csv(log)


def measure_normalisation(
    model: keras.Model,
    train: Rows,
    preprocessing: Preprocessing,
    settings: TrainingSettings,
    seed: int = 0,
) -> None:
    """Measure normalisation anew, in place, for weights that are an average; see `train_model`.

    Statistics are those of the faces as they are trained on.
    """
    inputs = TableInputs(train, train, task_of(model), preprocessing, settings, seed)
    trainer = with_augmentation(model, settings.augmentation, seed)
    _measure_normalisation(trainer, get_backbone(model), inputs)


def _measure_normalisation(trainer: keras.Model, backbone: keras.Model, inputs: Inputs) -> None:
    """Every worker does the same by itself."""
    batches = inputs.measured().take(min(AVERAGED_BATCHES, inputs.steps))
    with damage_named(inputs.addresses):
        average_statistics(trainer, backbone, batches.map(lambda faces, *_: faces))


def forget_backup(log_folder: str | Path, task: str) -> None:
    """Remove what `train_model` keeps of a training of this task; for when its model is saved."""
    if is_chief():
        for folder in (Path(log_folder), Path(log_folder) / "head"):
            _backup_file(folder, task).unlink(missing_ok=True)


def head_settings(settings: TrainingSettings) -> TrainingSettings:
    """Give the recipe of the stage that trains the head alone, for `head_epochs`."""
    return replace(
        settings, epochs=settings.head_epochs, head_epochs=0, freeze_backbone=True, ema_momentum=0
    )


def _backup_file(folder: Path, task: str) -> Path:
    return folder / f"{task}_backup.npz"


def _early_stopping(patience: int) -> keras.callbacks.Callback:
    return keras.callbacks.EarlyStopping(
        monitor="val_loss", patience=patience, restore_best_weights=True
    )


def _optimizer(settings: TrainingSettings) -> keras.optimizers.Optimizer:
    """Make AdamW with this weight decay, and with a moving average of the weights if wanted."""
    average = settings.ema_momentum > 0
    return keras.optimizers.AdamW(
        weight_decay=settings.weight_decay,
        use_ema=average,
        ema_momentum=settings.ema_momentum if average else 0.99,
    )


def _loss(task: str, label_smoothing: float) -> keras.losses.Loss:
    if task == "regression":
        return keras.losses.MeanSquaredError()
    return keras.losses.CategoricalCrossentropy(label_smoothing=label_smoothing)


def _metric(task: str) -> keras.metrics.Metric:
    if task == "regression":
        return keras.metrics.RootMeanSquaredError(name="rmse")
    return keras.metrics.CategoricalAccuracy(name="accuracy")
