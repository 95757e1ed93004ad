"""Batch normalisation: unfold it, measure it anew, or take it over several replicas."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import keras
import numpy as np


def is_folded(backbone: keras.Model) -> bool:
    """Tell whether all normalisation was folded into the convolutions: only shifts are left.

    Exports for inference do that. Such a model predicts correctly, but training it with batch
    statistics changes at once what every layer puts out. A fresh model has no shifts either, and
    is not folded.
    """
    layers = batch_norms(backbone)
    neutral = all(
        np.allclose(layer.gamma, 1) and np.allclose(layer.moving_mean, 0) for layer in layers
    )
    return neutral and any(not np.allclose(layer.beta, 0) for layer in layers)


def restore_statistics(backbone: keras.Model, faces: np.ndarray) -> None:
    """Split every folded shift into mean, variance, gamma and beta; outputs stay what they were.

    With the mean m and variance v that the inputs of a layer have over the faces, y = g (x - 0)
    / sqrt(1) + b becomes y = gamma (x - m) / sqrt(v + epsilon) + beta with gamma = g sqrt(v +
    epsilon) and beta = b + g m: the same function, in the form that training starts from.

    Parameters
    ----------
    backbone : keras.Model
        Changed in place.
    faces : numpy.ndarray
        float32, shape (n, size, size, 3), as the model takes them. A few hundred give statistics
        that are good to some percent.
    """
    layers = batch_norms(backbone)
    probe = keras.Model(backbone.input, {layer.name: layer.input for layer in layers})
    counts, sums, squares = 0, [0.0] * len(layers), [0.0] * len(layers)
    for start in range(0, len(faces), 32):
        found = probe(faces[start : start + 32], training=False)
        for index, layer in enumerate(layers):
            values = np.asarray(found[layer.name], np.float64)
            axes = tuple(range(values.ndim - 1))
            sums[index] += values.mean(axes) * len(values)
            squares[index] += (values**2).mean(axes) * len(values)
        counts += len(faces[start : start + 32])
    for layer, total, square in zip(layers, sums, squares, strict=True):
        mean = total / counts
        variance = np.maximum(square / counts - mean**2, 0)
        gain = np.asarray(layer.gamma) / np.sqrt(np.asarray(layer.moving_variance) + layer.epsilon)
        shift = np.asarray(layer.beta) - gain * np.asarray(layer.moving_mean)
        layer.gamma.assign(gain * np.sqrt(variance + layer.epsilon))
        layer.beta.assign(shift + gain * mean)
        layer.moving_mean.assign(mean)
        layer.moving_variance.assign(variance)


def average_statistics(model: keras.Model, backbone: keras.Model, batches: Iterable) -> None:
    """Measure the moving statistics anew, as plain means over batches.

    Where an average of weights was put in place, they still belong to the last weights.

    Parameters
    ----------
    model : keras.Model
        Called on every batch in training mode; no gradient is taken.
    backbone : keras.Model
        Part of the model, whose layers are changed in place.
    batches : iterable of tensors
        Inputs of the model.
    """
    with momenta_kept(backbone) as layers:
        for count, batch in enumerate(batches):
            for layer in layers:
                layer.momentum = count / (count + 1)
            model(batch, training=True)


@contextmanager
def momenta_kept(backbone: keras.Model) -> Iterator[list[keras.layers.BatchNormalization]]:
    """Give the layers of normalisation, and their momentum back at the end."""
    layers = batch_norms(backbone)
    momenta = [layer.momentum for layer in layers]
    try:
        yield layers
    finally:
        for layer, momentum in zip(layers, momenta, strict=True):
            layer.momentum = momentum


def synchronise_batch_norm(
    model: keras.Model, on: bool = True
) -> list[keras.layers.BatchNormalization]:
    """Normalise over the batch of all replicas, or each over its own.

    Call it before training, within the strategy's scope, and with False before the model is saved.

    Returns
    -------
    list of keras.layers.BatchNormalization
        All such layers, at any depth.
    """
    layers = batch_norms(model)
    for layer in layers:
        layer.synchronized = on
    return layers


def batch_norms(model: keras.Model) -> list[keras.layers.BatchNormalization]:
    """List the layers of normalisation of a model, at any depth."""
    found = []
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            found += batch_norms(layer)
        elif isinstance(layer, keras.layers.BatchNormalization):
            found.append(layer)
    return found
