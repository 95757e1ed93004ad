"""Random numbers of a batch that stay the same, however many replicas share it."""

from __future__ import annotations

from collections.abc import Callable

import keras
import tensorflow as tf
from keras import ops


def replica_part(draw: Callable[[tuple], tf.Tensor], shape: tuple) -> tf.Tensor:
    """Draw for the batch of all replicas, and give the rows of this one.

    Replicas of `tf.distribute` have generators in the same state. What each draws for its own part
    would be the same for the first, second ... face of all parts, and another thing than one
    process draws for the whole batch.

    Parameters
    ----------
    draw : callable
        Takes a shape and gives a tensor of it.
    shape : tuple of int or scalar tensor
        Of this replica's part; all have as many rows.

    Returns
    -------
    tensor
        Of this shape. Without replicas, `draw(shape)`.
    """
    context = tf.distribute.get_replica_context()
    replicas = context.num_replicas_in_sync if context else 1
    if replicas == 1:
        return draw(shape)
    rows, *others = shape
    first = rows * context.replica_id_in_sync_group
    return draw((rows * replicas, *others))[first : first + rows]


class WholeBatchDropout(keras.layers.Dropout):
    """Dropout that draws with `replica_part`."""

    def call(self, inputs: object, training: bool = False) -> object:
        """Set a share of the inputs to 0 and scale the others, if training."""
        if not training or not self.rate:
            return inputs

        def draw(shape: tuple) -> tf.Tensor:
            return keras.random.uniform(shape, seed=self.seed_generator)

        kept = replica_part(draw, tuple(ops.shape(inputs))) >= self.rate
        return ops.where(kept, inputs / (1 - self.rate), 0.0)


def with_whole_batch_dropout(model: keras.Model, seed: int = 0) -> keras.Model:
    """Put `WholeBatchDropout` in place of the dropout of a model; all else is shared with it.

    Parameters
    ----------
    model : keras.Model
        Functional; dropout inside of a model in it stays.
    seed : int
        Of the first dropout; the next one gets the next.

    Returns
    -------
    keras.Model
        Made of the same layers, so training it trains the model.
    """
    dropped = [layer for layer in model.layers if isinstance(layer, keras.layers.Dropout)]

    def replace(layer: keras.layers.Layer) -> keras.layers.Layer:
        if layer not in dropped:
            return layer
        return WholeBatchDropout(layer.rate, seed=seed + dropped.index(layer), name=layer.name)

    return keras.models.clone_model(model, clone_function=replace) if dropped else model
