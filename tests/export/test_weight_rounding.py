"""Weights rounded to 8 bits, with normalisation that takes back what that shifts."""

import keras
import numpy as np
import pytest

from affectkit.export.weight_rounding import LEVELS, round_weights
from affectkit.models import build_classifier, get_backbone, open_model


def two_channels(weights: list[float]) -> keras.Model:
    """A convolution of two channels to one, with normalisation by mean 7 and variance 3."""
    inputs = keras.Input((4, 4, 2))
    x = keras.layers.Conv2D(1, 1, use_bias=False)(inputs)
    model = keras.Model(inputs, keras.layers.BatchNormalization(epsilon=1e-3)(x))
    model.layers[1].kernel.assign(np.reshape(weights, (1, 1, 2, 1)))
    model.layers[2].moving_mean.assign([7.0])
    model.layers[2].moving_variance.assign([3.0])
    return model


def levels(kernel: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
    return kernel / np.abs(kernel).max(axis=axes, keepdims=True) * LEVELS


def test_the_mean_that_rounding_takes_comes_back():
    model = two_channels([127.0, 0.4])  # of steps of 1: the second weight becomes 0
    faces = np.zeros((20, 4, 4, 2), np.float32)
    faces[..., 0] = np.linspace(-0.02, 0.02, 20)[:, None, None]
    faces[..., 1] = 5.0
    rounded = round_weights(model, faces)
    np.testing.assert_allclose(np.ravel(rounded.layers[1].kernel), [127, 0], atol=1e-4)
    np.testing.assert_allclose(rounded.layers[2].moving_mean, [0], atol=1e-4)  # without 0.4 * 5
    np.testing.assert_allclose(rounded(faces), model(faces), atol=1e-4)
    other = np.full((1, 4, 4, 2), (0.3, 5.0), np.float32)
    by_hand = (127 * 0.3 + 0.4 * 5 - 7) / np.sqrt(3 + 1e-3)
    np.testing.assert_allclose(rounded(other), by_hand, rtol=1e-5)


def test_the_spread_comes_back_too():
    model = two_channels([127.0, 0.4])
    faces = np.zeros((20, 4, 4, 2), np.float32)
    faces[..., 0] = np.resize([0.05, 0.05, -0.05, -0.05], 20)[:, None, None]
    faces[..., 1] = np.resize([-5.0, 5.0], 20)[:, None, None]
    rounded = round_weights(model, faces)
    before, after = (np.asarray(one(faces)) for one in (model, rounded))
    assert np.std(after) == pytest.approx(np.std(before), rel=1e-3)
    assert np.mean(after) == pytest.approx(np.mean(before), abs=1e-4)
    # by hand: 6.35 and 2 from the two channels, of which the second is lost, over sqrt(3.001)
    assert np.std(after) == pytest.approx(np.hypot(6.35, 2) / np.sqrt(3.001), rel=1e-3)
    without = two_channels([127.0, 0.0])
    assert np.std(without(faces)) < 0.97 * np.std(before)


def test_every_output_channel_has_its_own_steps():
    keras.utils.set_random_seed(2)
    model = build_classifier(32, 0.35)
    before = [weight.copy() for weight in model.get_weights()]
    faces = np.random.default_rng(0).uniform(-1, 1, (8, 32, 32, 3)).astype(np.float32)
    backbone = get_backbone(round_weights(model, faces))
    for weight, own in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, own)
    for layer, first in zip(backbone.layers, get_backbone(model).layers, strict=True):
        if isinstance(layer, keras.layers.DepthwiseConv2D):
            axes = (0, 1)
        elif isinstance(layer, keras.layers.Conv2D):
            axes = (0, 1, 2)
        else:
            continue
        kernel, original = np.asarray(layer.kernel), np.asarray(first.kernel)
        found = levels(kernel, axes)
        np.testing.assert_allclose(found, np.round(found), atol=1e-3)
        step = np.abs(original).max(axis=axes, keepdims=True) / LEVELS
        assert (np.abs(kernel - original) <= 0.5 * step * 1.001).all()


@pytest.fixture(scope="module")
def drawn_faces():
    from affectkit.faces import render_face

    pictures = np.stack([render_face(seed, 112)[0] for seed in range(80)])
    grey = pictures.astype(np.float32).mean(axis=-1, keepdims=True) / 127.5 - 1
    return np.repeat(grey, 3, axis=-1)


@pytest.mark.slow
@pytest.mark.parametrize("frozen", [False, True])
def test_answers_of_other_faces_stay_nearer_than_with_rounding_alone(
    drawn_faces, frozen, monkeypatch
):
    model = open_model("affectkit-real").for_task("classification").model
    get_backbone(model).trainable = not frozen
    measured, others = drawn_faces[:50], drawn_faces[50:]

    def error() -> float:
        rounded = round_weights(model, measured)
        return float(np.abs(rounded(others) - model(others)).sum(axis=-1).mean())

    corrected = error()
    monkeypatch.setattr("affectkit.export.weight_rounding.average_statistics", lambda *_: None)
    assert 0 < corrected < 0.3 * error()


def test_without_faces_there_is_nothing_to_measure():
    with pytest.raises(ValueError, match="expected faces to measure normalisation on, got none"):
        round_weights(two_channels([1.0, 1.0]), np.empty((0, 4, 4, 2), np.float32))


def test_large_faces_are_fewer_so_that_memory_does_not_grow(monkeypatch):
    used = []
    monkeypatch.setattr(
        "affectkit.export.weight_rounding.average_statistics",
        lambda model, backbone, batches: used.extend(batches),
    )
    monkeypatch.setattr("affectkit.export.weight_rounding.MOST_PIXELS", 5 * 4 * 4)
    faces = np.arange(9.0, dtype=np.float32)[:, None, None, None] * np.ones((1, 4, 4, 2), "f4")
    round_weights(two_channels([1.0, 1.0]), faces)
    assert used[0][:, 0, 0, 0].tolist() == [0, 2, 4, 6, 8]
