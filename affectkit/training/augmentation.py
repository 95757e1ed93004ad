"""Augmentation as Keras layers: part of the training model, never saved or exported."""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf

from affectkit.preprocess import scale_pixels
from affectkit.training.keras_workers import model_class
from affectkit.training.layers import RandomAffine, RandomLight, RandomPatch

STRENGTHS = ("none", "light", "geometric", "strong", "heavy", "photometric")


def build_augmentation(strength: str = "light", seed: int = 0) -> list[keras.layers.Layer]:
    """Give the layers that vary faces while training.

    Parameters
    ----------
    strength : {"none", "light", "geometric", "strong", "heavy", "photometric"}
        "light" flips and shifts; "geometric" also rotates; "strong" also zooms and changes light
        and colour;
        "heavy" varies these further and erases a patch of every other face (Zhong et al., 2020,
        arXiv:1708.04896);
        "photometric" changes light and contrast only, for targets that know left from right.
    seed : int
        Seed of the random layers.

    Returns
    -------
    list of keras.layers.Layer
        For float32 pixels 0..255. They draw what the layers of Keras that were used up to November
        2026 drew, in fewer resamplings; checkpoints of before were trained with those.

    Raises
    ------
    ValueError
        If the strength is unknown.
    """
    if strength not in STRENGTHS:
        raise ValueError(f"expected an augmentation strength of {STRENGTHS}, got {strength!r}")
    if strength == "none":
        return []
    if strength == "photometric":
        pixels = {"value_range": (0, 255)}
        return [
            keras.layers.RandomBrightness(0.2, **pixels, seed=seed),
            keras.layers.RandomContrast(0.3, **pixels, seed=seed + 1),
        ]
    if strength == "light":
        return [RandomAffine(shift=0.08, seed=seed)]
    if strength == "geometric":
        return [RandomAffine(shift=0.1, angle=10, seed=seed)]
    if strength == "strong":
        return [
            RandomAffine(shift=0.1, angle=10, zoom=(-0.15, 0.1), seed=seed),
            RandomLight(0.2, 0.3, grey=0.2, seed=seed + 1),
        ]
    return [
        RandomAffine(shift=0.1, angle=15, zoom=(-0.2, 0.2), seed=seed),
        RandomLight(0.2, 0.5, grey=0.2, seed=seed + 1),
        RandomPatch(0.5, (0.02, 0.2), seed=seed + 2),
    ]


def with_augmentation(model: keras.Model, strength: str = "light", seed: int = 0) -> keras.Model:
    """Wrap a model for training: pixels 0..255 -> augmentation -> scaling -> the model.

    The wrapper shares the weights, so training it trains the model. Input float32 (batch, size,
    size, 3), RGB.
    """
    inputs = keras.Input(model.input_shape[1:], name="pixels")  # float32 0..255
    faces = inputs
    for layer in build_augmentation(strength, seed):
        faces = layer(faces)
    return model_class()(inputs, model(scale_pixels(faces)), name=f"training_{model.name}")


def mix_up(
    batches: tf.data.Dataset, strength: float, seed: int = 0, first_batch: int = 0
) -> tf.data.Dataset:
    """Blend every face and its target with those of another face of the batch.

    As `keras.layers.MixUp` (Zhang et al., 2018, arXiv:1710.09412), but what is drawn for a batch
    depends on seed and number alone (`first_batch` counts over all epochs), so that a training can
    go on where it was. `strength` is both parameters of the shares' Beta distribution. A target
    counts by its share and its weight, so that the loss is the weighted mean of both faces' losses;
    where neither counts, it is 0. Faces become float32 0..255.
    """

    def draw(number: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        generator = np.random.default_rng([seed, int(number)])
        shares = generator.beta(strength, strength, int(rows)).astype(np.float32)
        return generator.permutation(int(rows)), shares

    def blend(number: tf.Tensor, parts: tuple[tf.Tensor, ...]) -> tuple[tf.Tensor, ...]:
        faces, targets, *weights = parts
        rows = tf.shape(faces)[0]
        partners, own = tf.numpy_function(draw, [number, rows], [tf.int64, tf.float32])
        partners, own = tf.ensure_shape(partners, [None]), tf.ensure_shape(own, [None])

        def mixed(values: tf.Tensor) -> tf.Tensor:
            share = tf.reshape(own, [-1] + [1] * (len(values.shape) - 1))
            return values * share + tf.gather(values, partners) * (1 - share)

        weight = weights[0][:, None] if weights else tf.ones_like(targets[:, :1])
        shares = mixed(weight)
        means = tf.math.divide_no_nan(mixed(targets * weight), shares)
        blended = (mixed(tf.cast(faces, tf.float32)), means)
        return (*blended, *([shares[:, 0]] if weights else []))

    return batches.enumerate(first_batch).map(blend).prefetch(tf.data.AUTOTUNE)
