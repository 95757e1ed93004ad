"""Round the weights of convolutions to 8 bits, and undo what that shifts on average.

Rounding moves the mean and the variance of what a convolution puts out. The normalisation after it
can take both back: empirical bias correction (Nagel, van Baalen, Blankevoort & Welling, 2019,
arXiv:1906.04721, section 4.2), here of variances too.
"""

from __future__ import annotations

import keras
import numpy as np

from affectkit.models.batch_norm import average_statistics, batch_norms, restore_statistics

LEVELS = 127
"""Weights become whole numbers from -127 to 127 times a scale."""

MOST_FACES, MOST_PIXELS = 300, 300 * 112 * 112
"""So many faces, and pixels of them all, are used: they go through the network in one batch."""


def round_weights(model: keras.Model, faces: np.ndarray) -> keras.Model:
    """Give a copy whose weights int8 can hold, with normalisation that is corrected, none frozen.

    Each output channel of a convolution gets its own scale, as TFLite's: a later conversion finds
    the same scales and has nothing left to round. Fewer than some ten faces give rough means.
    """
    if not len(faces):
        raise ValueError(
            "expected faces to measure normalisation on, got none: give some hundred, of the kind "
            "that the model is for"
        )
    number = max(1, min(len(faces), MOST_FACES, MOST_PIXELS // (faces.shape[1] * faces.shape[2])))
    batch = faces[np.linspace(0, len(faces) - 1, number).round().astype(int)]
    rounded = _copy(model)
    for part in _normalised_parts(rounded):
        restore_statistics(part, batch)  # the same function, normalised as the batch would be
    for layer in _convolutions(rounded):
        layer.kernel.assign(_round_kernel(layer))
    for layer in batch_norms(rounded):
        layer.trainable = True  # frozen, it would not look at the batch
    average_statistics(rounded, rounded, [batch])
    return rounded


def _normalised_parts(model: keras.Model) -> list[keras.Model]:
    """List the model, or its parts, that have layers of normalisation themselves."""
    own = any(isinstance(layer, keras.layers.BatchNormalization) for layer in model.layers)
    nested = [layer for layer in model.layers if isinstance(layer, keras.Model)]
    return [model] * own + [part for one in nested for part in _normalised_parts(one)]


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
    """Give a convolution's weights as whole numbers times the scale of their output channel."""
    kernel = np.asarray(layer.kernel)
    depthwise = isinstance(layer, keras.layers.DepthwiseConv2D)
    largest = np.abs(kernel).max(axis=(0, 1) if depthwise else (0, 1, 2), keepdims=True)
    scale = np.where(largest > 0, largest, 1) / LEVELS
    return np.round(kernel / scale) * scale
