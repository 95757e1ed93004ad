"""Steps of training and validation on all replicas of a `tf.distribute` strategy."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import islice

import keras
import tensorflow as tf

from affectkit.batch_norm import momenta_kept
from affectkit.profiles import TrainingSettings
from affectkit.training_recipe import build_loss


class ReplicaLoop:
    """What Keras' `fit` does with a batch, written for strategies of several workers.

    Parameters
    ----------
    strategy : tf.distribute.Strategy
    trainer : keras.Model
        Takes float32 faces 0..255; made in the strategy's scope.
    optimizer : keras.optimizers.Optimizer
        Built in the strategy's scope.
    task : {"classification", "regression"}
    settings : TrainingSettings
        Whose label_smoothing and batch_size, that of all replicas, are used.
    """

    def __init__(
        self,
        strategy: tf.distribute.Strategy,
        trainer: keras.Model,
        optimizer: keras.optimizers.Optimizer,
        task: str,
        settings: TrainingSettings,
    ) -> None:
        self._strategy, self._trainer, self._optimizer = strategy, trainer, optimizer
        self._task, self._batch_size = task, settings.batch_size
        self._loss = build_loss(task, settings.label_smoothing, reduction="none")
        self._train_step = tf.function(self._train_on_replicas)
        self._check_step = tf.function(self._check_on_replicas)

    def train(self, batches: Iterable, rates: Sequence[float]) -> float:
        """Take a step for each learning rate; gives the mean loss.

        Raises
        ------
        ValueError
            If the loss becomes NaN.
        """
        losses = []
        for rate, batch in zip(rates, batches, strict=False):
            self._optimizer.learning_rate.assign(rate)
            losses.append(self._train_step(batch))
        loss = float(tf.reduce_mean(losses))
        if not math.isfinite(loss):
            raise ValueError(
                "the loss became NaN or infinite; lower the learning_rate (a tenth is a good first "
                "try) or start from pretrained weights"
            )
        return loss

    def check(self, batches: Iterable, steps: int) -> dict[str, float]:
        """Give val_loss, and val_accuracy or val_rmse, over so many batches.

        Raises
        ------
        ValueError
            If no face could be read.
        """
        totals = sum(self._check_step(batch) for batch in islice(batches, steps))
        loss, measure, count = (float(value) for value in totals)
        if not count:
            raise ValueError("no face of the validation split could be read; see the warnings")
        measure /= count
        name = "val_rmse" if self._task == "regression" else "val_accuracy"
        return {"val_loss": loss / count, name: measure**0.5 if name == "val_rmse" else measure}

    def measure(self, backbone: keras.Model, batches: Iterable, steps: int) -> None:
        """Do what `affectkit.batch_norm.average_statistics` does, over so many batches."""

        @tf.function
        def pass_through(faces: object, momentum: tf.Tensor) -> None:
            self._strategy.run(pass_one, args=(faces, momentum))

        def pass_one(faces: tf.Tensor, momentum: tf.Tensor) -> None:
            for layer in layers:
                layer.momentum = momentum
            self._trainer(tf.cast(faces, tf.float32), training=True)

        with momenta_kept(backbone) as layers:
            for count, batch in enumerate(islice(batches, steps)):
                pass_through(batch[0], tf.constant(count / (count + 1)))

    def _train_on_replicas(self, batch: tuple) -> tf.Tensor:
        losses = self._strategy.run(self._train_on_one, args=batch)
        return self._strategy.reduce(tf.distribute.ReduceOp.SUM, losses, axis=None)

    def _train_on_one(self, faces: tf.Tensor, targets: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            outputs = self._trainer(tf.cast(faces, tf.float32), training=True)
            loss = tf.reduce_sum(self._loss(targets, outputs) * weights) / self._batch_size
        variables = self._trainer.trainable_variables
        gradients = tape.gradient(loss, [variable.value for variable in variables])
        self._optimizer.apply(gradients, variables)
        return loss

    def _check_on_replicas(self, batch: tuple) -> tf.Tensor:
        totals = self._strategy.run(self._check_on_one, args=batch)
        return self._strategy.reduce(tf.distribute.ReduceOp.SUM, totals, axis=None)

    def _check_on_one(self, faces: tf.Tensor, targets: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
        outputs = self._trainer(tf.cast(faces, tf.float32), training=False)
        if self._task == "regression":
            measure = tf.reduce_mean((outputs - targets) ** 2, axis=1)
        else:
            right = tf.argmax(outputs, axis=1) == tf.argmax(targets, axis=1)
            measure = tf.cast(right, tf.float32)
        loss = self._loss(targets, outputs)
        return tf.stack([tf.reduce_sum(part * weights) for part in
                         (loss, measure, tf.ones_like(loss))])  # fmt: skip


def average_on_replicas(
    strategy: tf.distribute.Strategy, variables: Sequence[keras.Variable]
) -> None:
    """Give each variable the mean of its values on all replicas."""

    def mean() -> list[tf.Tensor]:
        context = tf.distribute.get_replica_context()
        values = [tf.identity(variable.value) for variable in variables]
        return context.all_reduce(tf.distribute.ReduceOp.MEAN, values)

    for variable, value in zip(variables, strategy.run(tf.function(mean)), strict=True):
        variable.assign(strategy.experimental_local_results(value)[0])
