"""What a recipe means to any way of training: optimizer, loss, and the stage before the stage."""

from __future__ import annotations

from dataclasses import replace

import keras

from affectkit.profiles import TrainingSettings

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
