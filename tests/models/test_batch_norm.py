"""Folded batch normalisation: found, and split without changing what the network says."""

import keras
import numpy as np
import pytest

from affectkit.models import average_statistics
from affectkit.models.batch_norm import is_folded, restore_statistics
from affectkit.models.build import build_backbone


def folded_network():
    """Two convolutions with normalisation of which only shifts are left."""
    keras.utils.set_random_seed(1)
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3, use_bias=False)(inputs)
    x = keras.layers.ReLU()(keras.layers.BatchNormalization(epsilon=1e-3)(x))
    x = keras.layers.Conv2D(5, 3, use_bias=False)(x)
    model = keras.Model(inputs, keras.layers.BatchNormalization(epsilon=1e-3)(x))
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.beta.assign(np.linspace(-0.5, 0.5, layer.beta.shape[0]))
            layer.moving_variance.assign(np.full(layer.beta.shape, 1 - 1e-3))
    return model


def test_outputs_stay_and_statistics_are_those_of_the_faces():
    model = folded_network()
    faces = np.random.default_rng(0).normal(0.2, 1, (100, 8, 8, 3)).astype(np.float32)
    before = model(faces, training=False).numpy()
    assert is_folded(model)
    restore_statistics(model, faces)
    assert not is_folded(model)
    np.testing.assert_allclose(model(faces, training=False), before, atol=1e-5)
    # the same faces as one training batch now give the same outputs too
    np.testing.assert_allclose(model(faces, training=True), before, atol=1e-4)
    first = next(x for x in model.layers if isinstance(x, keras.layers.BatchNormalization))
    inputs = keras.Model(model.input, first.input)(faces).numpy()
    np.testing.assert_allclose(first.moving_mean, inputs.mean((0, 1, 2)), atol=1e-5)
    np.testing.assert_allclose(first.moving_variance, inputs.var((0, 1, 2)), rtol=1e-4)


def test_fresh_and_trained_backbones_are_not_folded():
    assert not is_folded(build_backbone(32, 0.35, None, 0.9))
    assert not is_folded(build_backbone(32, 0.35, "affectfaces", 0.9))


@pytest.mark.needs_shared
def test_the_imagenet_file_is_folded_and_can_be_restored(shared):
    file = shared / "models" / "mobilenet_v2_1.0_imagenet_notop.weights.h5"
    backbone = build_backbone(96, 1.0, file, 0.9)
    assert is_folded(backbone)
    faces = np.random.default_rng(0).uniform(-1, 1, (64, 96, 96, 3)).astype(np.float32)
    before = backbone(faces[:8], training=False).numpy()
    restore_statistics(backbone, faces)
    np.testing.assert_allclose(backbone(faces[:8], training=False), before, atol=2e-3)
    assert not is_folded(backbone)


def test_statistics_become_the_means_over_batches():
    model = folded_network()
    faces = np.random.default_rng(3).normal(0.5, 2, (40, 8, 8, 3)).astype(np.float32)
    first = next(x for x in model.layers if isinstance(x, keras.layers.BatchNormalization))
    momentum = first.momentum
    average_statistics(model, model, [faces[:20], faces[20:]])
    inputs = keras.Model(model.input, first.input)(faces).numpy()
    halves = [inputs[:20], inputs[20:]]
    mean = np.mean([half.mean((0, 1, 2)) for half in halves], axis=0)
    variance = np.mean([half.var((0, 1, 2)) for half in halves], axis=0)
    np.testing.assert_allclose(first.moving_mean, mean, atol=1e-5)
    np.testing.assert_allclose(first.moving_variance, variance, rtol=1e-4)
    assert first.momentum == momentum
