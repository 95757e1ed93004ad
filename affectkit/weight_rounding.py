"""Round the weights of convolutions to 8 bits, and undo what that shifts on average.

Rounding moves the mean and the variance of what a convolution puts out. The normalisation after it
can take both back: empirical bias correction (Nagel, van Baalen, Blankevoort & Welling, 2019,
arXiv:1906.04721, section 4.2), here of variances too.
"""

from __future__ import annotations

import keras
import numpy as np

from affectkit.batch_norm import average_statistics, batch_norms

LEVELS = 127
"""Weights become whole numbers from -127 to 127 times a scale."""

MOST_FACES, BATCH_SIZE = 300, 50


def round_weights(model: keras.Model, faces: np.ndarray) -> keras.Model:
    """Give a copy whose weights int8 can hold, with its normalisation corrected.

    Each output channel of a convolution gets its own scale, as TFLite's. A later conversion finds
    the same scales, so it has nothing left to round.

    Parameters
    ----------
    model : keras.Model
        Functional; stays as it is.
    faces : numpy.ndarray
        float32, shape (n, size, size, 3), as the model takes them. At most `MOST_FACES` are used,
        evenly spaced; of fewer than some ten, the measured means are rough.

    Returns
    -------
    keras.Model
        Of the same architecture.

    Raises
    ------
    ValueError
        If there are no faces.
    """
    if not len(faces):
        raise ValueError("expected faces to measure normalisation on, got none")
    rows = np.linspace(0, len(faces) - 1, min(len(faces), MOST_FACES)).round().astype(int)
    parts = np.array_split(faces[rows], -(-len(rows) // BATCH_SIZE))
    rounded = _copy(model)
    for layer in _convolutions(rounded):
        layer.kernel.assign(_round_kernel(layer))
    corrected = _copy(rounded)
    layers = (
        batch_norms(one) for one in (corrected, _measured(model, parts), _measured(rounded, parts))
    )
    for layer, before, after in zip(*layers, strict=True):
        mean, variance = np.asarray(layer.moving_mean), np.asarray(layer.moving_variance)
        spread = [np.asarray(one.moving_variance) + layer.epsilon for one in (before, after)]
        shift = np.asarray(after.moving_mean) - np.asarray(before.moving_mean)
        layer.moving_mean.assign(mean + shift)
        variance = (variance + layer.epsilon) * spread[1] / spread[0] - layer.epsilon
        layer.moving_variance.assign(np.maximum(variance, 0))
    return corrected


def _measured(model: keras.Model, batches: list[np.ndarray]) -> keras.Model:
    """Give a copy whose statistics of normalisation are the batches'."""
    copy = _copy(model)
    for layer in batch_norms(copy):
        layer.trainable = True  # frozen, it would not look at the batches
    average_statistics(copy, copy, batches)
    return copy


def _copy(model: keras.Model) -> keras.Model:
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    return copy


def _convolutions(model: keras.Model) -> list[keras.layers.Layer]:
    """List the convolutions of a model, at any depth."""
    kinds = keras.layers.Conv2D, keras.layers.DepthwiseConv2D
    found = []
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            found += _convolutions(layer)
        elif isinstance(layer, kinds):
            found.append(layer)
    return found


def _round_kernel(layer: keras.layers.Layer) -> np.ndarray:
    kernel = np.asarray(layer.kernel)
    deep = isinstance(layer, keras.layers.DepthwiseConv2D)
    largest = np.abs(kernel).max(axis=(0, 1) if deep else (0, 1, 2), keepdims=True)
    scale = np.where(largest > 0, largest, 1) / LEVELS
    return np.round(kernel / scale) * scale
