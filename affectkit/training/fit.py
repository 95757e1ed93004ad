"""Train the classifier, then the regressor from its features: `fit`, log, early stop and resume."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import tensorflow as tf

from affectkit.data.batches import make_batches
from affectkit.data.shards.streams import damage_named
from affectkit.data.table import annotated_rows
from affectkit.models.batch_norm import average_statistics, is_folded, restore_statistics
from affectkit.models.build import get_backbone, task_of
from affectkit.preprocess import Preprocessing, scale_pixels
from affectkit.profiles import TrainingSettings
from affectkit.training.augmentation import mix_up, with_augmentation
from affectkit.training.backup import TrainingBackup, training_identity
from affectkit.training.callbacks import CosineLearningRate, EpochProgress, StopOnNaN
from affectkit.training.targets import class_weights, training_targets

Faces = np.ndarray | None


def train_model(
    model: keras.Model,
    train: tuple[pd.DataFrame, Faces],
    validation: tuple[pd.DataFrame, Faces],
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
    task = task_of(model)
    folder = Path(log_folder)
    log = folder / f"{task}_log.csv"
    backbone = get_backbone(model)
    data = (*train, task, preprocessing, settings, seed)
    average = settings.ema_momentum > 0
    early_stopping = None if average else _early_stopping(settings.patience)
    facts = settings, seed, [weight.shape for weight in model.weights], *train[0]["image_id"]
    identity = training_identity(*facts, training_targets(train[0], task))
    backup = TrainingBackup(_backup_file(folder, task), log, identity, early_stopping)
    resumes = backup.load()
    if is_folded(backbone) and not resumes:
        some = next(iter(_batches(*data, first_epoch=0).unbatch().batch(512).take(1)))[0]
        restore_statistics(backbone, scale_pixels(some.numpy().astype(np.float32)))
    if settings.head_epochs and not resumes:
        first = head_settings(settings)
        train_model(model, train, validation, preprocessing, first, folder / "head", seed, True)
    backbone.trainable = not settings.freeze_backbone
    steps = math.ceil(len(train[0]) / settings.batch_size)
    trainer = with_augmentation(model, settings.augmentation, seed)
    trainer.compile(
        optimizer=build_optimizer(settings),
        loss=build_loss(task, settings.label_smoothing),
        metrics=[_metric(task)],
    )
    backup.restore(trainer)
    done = settings.epochs if backup.state.stopped else backup.state.epochs
    with damage_named({*train[0]["path"], *validation[0]["path"]}):
        trainer.fit(
            _batches(*data, first_epoch=done),
            validation_data=_batches(*validation, task, preprocessing, settings, seed),
            initial_epoch=done,
            epochs=settings.epochs,
            steps_per_epoch=steps,
            verbose=0,
            shuffle=False,  # make_batches shuffles
            callbacks=[
                CosineLearningRate(settings.epochs * steps, settings.learning_rate),
                StopOnNaN(),
                *([early_stopping] if early_stopping else []),
                backup,
                EpochProgress(f"{task}, {settings.epochs} epochs"),
            ],
        )
    if average and not settings.freeze_backbone:
        _measure_normalisation(trainer, backbone, data)
    backbone.trainable = True
    if not keep_backup:
        forget_backup(folder, task)
    return pd.read_csv(log)


def measure_normalisation(
    model: keras.Model,
    train: tuple[pd.DataFrame, Faces],
    preprocessing: Preprocessing,
    settings: TrainingSettings,
    seed: int = 0,
) -> None:
    """Measure the statistics of normalisation anew, in place: for weights that are an average.

    Parameters
    ----------
    model, train, preprocessing, settings, seed
        As for `train_model`: statistics are those of the faces as they are trained on.
    """
    trainer = with_augmentation(model, settings.augmentation, seed)
    data = (*train, task_of(model), preprocessing, settings, seed)
    _measure_normalisation(trainer, get_backbone(model), data)


def _measure_normalisation(trainer: keras.Model, backbone: keras.Model, data: tuple) -> None:
    steps = math.ceil(len(data[0]) / data[4].batch_size)
    some = _batches(*data, first_epoch=0).take(min(AVERAGED_BATCHES, steps))
    average_statistics(trainer, backbone, some.map(lambda x, *_: x))


def forget_backup(log_folder: str | Path, task: str) -> None:
    """Remove what `train_model` keeps of a training of this task; for when its model is saved."""
    for folder in (Path(log_folder), Path(log_folder) / "head"):
        _backup_file(folder, task).unlink(missing_ok=True)


def _backup_file(folder: Path, task: str) -> Path:
    return folder / f"{task}_backup.npz"


def _early_stopping(patience: int) -> keras.callbacks.Callback:
    return keras.callbacks.EarlyStopping(
        monitor="val_loss", patience=patience, restore_best_weights=True
    )


def _batches(
    table: pd.DataFrame,
    faces: Faces,
    task: str,
    preprocessing: Preprocessing,
    settings: TrainingSettings,
    seed: int,
    first_epoch: int | None = None,
) -> tf.data.Dataset:
    """Give the batches of one pass in the table's order, or of epochs without end, shuffled."""
    trains = first_epoch is not None
    targets = training_targets(table, task)
    weights = None
    if trains and settings.balance and annotated_rows(table, "classification").all():
        weights = class_weights(table, settings.balance)[table["expression"].to_numpy(int)]
    batches = make_batches(
        table,
        faces,
        preprocessing,
        targets,
        weights,
        settings.batch_size,
        seed=seed,
        first_epoch=first_epoch,
        in_order=False,
    )
    if not trains or not settings.mixup:
        return batches
    steps = math.ceil(len(table) / settings.batch_size)
    return mix_up(batches, settings.mixup, seed, first_epoch * steps)


def _metric(task: str) -> keras.metrics.Metric:
    if task == "regression":
        return keras.metrics.RootMeanSquaredError(name="rmse")
    return keras.metrics.CategoricalAccuracy(name="accuracy")


# FOLD affectkit.training_recipe: """What a recipe means to any way of training: optimizer, loss, and the stage before the stage."""
AVERAGED_BATCHES = 200
"""Batches that normalisation is measured on again for the average of the weights."""


def build_optimizer(settings: TrainingSettings) -> keras.optimizers.Optimizer:
    """Make AdamW with this weight decay, and with a moving average of the weights if wanted."""
    average = settings.ema_momentum > 0
    return keras.optimizers.AdamW(
        weight_decay=settings.weight_decay,
        use_ema=average,
        ema_momentum=settings.ema_momentum if average else 0.99,
    )


def build_loss(task: str, label_smoothing: float, **options: object) -> keras.losses.Loss:
    """Make the loss of a task; the options are those of every Keras loss."""
    if task == "regression":
        return keras.losses.MeanSquaredError(**options)
    return keras.losses.CategoricalCrossentropy(label_smoothing=label_smoothing, **options)


def head_settings(settings: TrainingSettings) -> TrainingSettings:
    """Give the recipe of the stage that trains the head alone, for `head_epochs`."""
    return replace(
        settings, epochs=settings.head_epochs, head_epochs=0, freeze_backbone=True, ema_momentum=0
    )
