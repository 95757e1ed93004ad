"""What a network answers to a split of shards, found by all replicas together."""

from __future__ import annotations

from itertools import islice

import keras
import numpy as np
import tensorflow as tf

from affectkit.preprocess import scale_pixels
from affectkit.shard_shares import ShardShares
from affectkit.shard_streams import damage_named


def predict_shares(
    model: keras.Model, data: ShardShares, split: str = "validation"
) -> tuple[np.ndarray, np.ndarray]:
    """Predict for every face of a split once; all workers call this alike.

    Parameters
    ----------
    model : keras.Model
        Made in the strategy's scope.
    data : ShardShares
        What to read, and with which strategy.
    split : str
        validation or test.

    Returns
    -------
    targets : numpy.ndarray
        float32, shape (n, 8): 1 for the expression, or (n, 2): valence and arousal. In no certain
        order; without faces that can't be read.
    answers : numpy.ndarray
        float32, of the same shape and order: probabilities, or valence and arousal.
    """
    strategy = data.strategy

    def answer_one(faces: tf.Tensor) -> tf.Tensor:
        return model(scale_pixels(tf.cast(faces, tf.float32)), training=False)

    @tf.function
    def answer(batch: tuple) -> list[tf.Tensor]:
        faces, targets, weights = batch
        found = (weights, targets, strategy.run(answer_one, args=(faces,)))
        return [strategy.gather(part, axis=0) for part in found]

    batches = islice(data.batches(split, 0, soft=False), data.steps(split))
    with damage_named(data.index.addresses(split)):
        parts = [[part.numpy() for part in answer(batch)] for batch in batches]
    weights, targets, answers = (np.concatenate(part) for part in zip(*parts, strict=True))
    return targets[weights > 0], answers[weights > 0]
