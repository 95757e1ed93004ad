"""The quick layers do what Keras' layers do one after the other, and draw from the same ranges."""

import math

import keras
import numpy as np
import pytest
from keras import layers

from affectkit.training.layers import (
    RandomAffine,
    RandomLight,
    RandomPatch,
    affine_matrix,
    change_light,
)

SIDE = 40


@pytest.fixture(scope="module")
def faces():
    """Smooth patterns: blobs in each channel, so that resampling twice hardly differs from once."""
    y, x = np.mgrid[:SIDE, :SIDE] / SIDE
    waves = [
        127 + 100 * np.sin(a * x + 2 * b * y + c)
        for a, b, c in np.random.default_rng(0).uniform(1, 4, (6, 3))
    ]
    return np.stack(waves).reshape(2, 3, SIDE, SIDE).transpose(0, 2, 3, 1).astype(np.float32)


def warp(faces, mirrored=0.0, right=0.0, down=0.0, angle=0.0, zoom=1.0):
    values = [np.full(len(faces), value, np.float32) for value in
              (mirrored, right, down, angle, zoom)]  # fmt: skip
    matrix = affine_matrix(*values, SIDE, SIDE)
    return keras.ops.image.affine_transform(faces, matrix, "bilinear", "nearest").numpy()


def keras_layers(right=0.0, down=0.0, angle=0.0, zoom=0.0):
    """Keras' layers with nothing left to chance: both bounds are the same."""
    nearest = {"fill_mode": "nearest"}
    return [
        layers.RandomTranslation((down, down), (right, right), **nearest),
        layers.RandomRotation((angle / 360, angle / 360), **nearest),
        layers.RandomZoom((zoom, zoom), **nearest),
    ]


@pytest.mark.parametrize(
    ("number", "ours", "theirs"),
    [
        (0, {"right": 4, "down": -2}, {"right": 0.1, "down": -0.05}),
        (1, {"angle": math.radians(9)}, {"angle": 9.0}),
        (2, {"zoom": 0.9}, {"zoom": -0.1}),
    ],
)
def test_each_change_alone_is_that_of_keras(faces, number, ours, theirs):
    expected = keras_layers(**theirs)[number](faces, training=True).numpy()
    np.testing.assert_allclose(warp(faces, **ours), expected, atol=0.05)
    assert np.abs(expected - faces).max() > 10


def test_mirrored_is_mirrored(faces):
    np.testing.assert_allclose(warp(faces, mirrored=1.0), faces[:, :, ::-1], atol=1e-3)


def test_all_at_once_are_those_of_keras_one_after_the_other(faces):
    expected = faces[:, :, ::-1]
    for layer in keras_layers(right=0.05, down=-0.05, angle=8.0, zoom=-0.1):
        expected = layer(expected, training=True)
    found = warp(faces, 1.0, 2, -2, math.radians(8), 0.9)
    inner = slice(6, -6)  # outside, Keras repeats edges of edges
    difference = np.abs(found - expected.numpy())[:, inner, inner]
    assert difference.max() < 3
    assert np.abs(expected.numpy() - faces)[:, inner, inner].mean() > 20


def test_light_is_that_of_keras(faces):
    added, factor = np.full((2, 1, 1), 25.5, np.float32), np.full((2, 1, 1), 1.2, np.float32)
    expected = layers.RandomBrightness((0.1, 0.1), value_range=(0, 255))(faces, training=True)
    mean = expected.numpy().mean((1, 2), keepdims=True)
    expected = np.clip((expected.numpy() - mean) * 1.2 + mean, 0, 255)
    is_grey = np.array([False, True])[:, None, None]
    found = change_light(faces, added, factor, is_grey).numpy()
    np.testing.assert_allclose(found[0], expected[0], atol=1e-3)
    mild = change_light(faces, added, 0 * factor + 0.8, is_grey).numpy()  # nothing is clipped
    bright = np.clip(faces + 25.5, 0, 255)
    mean = bright.mean((1, 2), keepdims=True)
    grey = layers.RandomGrayscale(1.0)((bright - mean) * 0.8 + mean, training=True).numpy()
    np.testing.assert_allclose(mild[1], grey[1], atol=1e-2)


def test_draws_cover_the_ranges_and_repeat_with_the_seed():
    ramp = np.broadcast_to(np.arange(SIDE, dtype=np.float32)[None, None, :, None],
                           (400, SIDE, SIDE, 3))  # fmt: skip
    moved = RandomAffine(shift=0.1, flip=False, seed=1)(ramp, training=True).numpy()
    shifts = ramp[0, 20, 20, 0] - moved[:, 20, 20, 0]
    assert -4.01 <= shifts.min() < -3.8
    assert 3.8 < shifts.max() <= 4.01
    assert abs(shifts.mean()) < 0.4
    again = RandomAffine(shift=0.1, flip=False, seed=1)(ramp, training=True).numpy()
    np.testing.assert_array_equal(moved, again)
    flipped = RandomAffine(seed=2)(ramp, training=True).numpy()[:, 0, 0, 0] > 20
    assert 0.4 < flipped.mean() < 0.6


def test_light_draws_cover_the_ranges():
    flat = np.full((400, 8, 8, 3), (90, 120, 150), np.float32)
    changed = RandomLight(0.2, 0.3, grey=0.25, seed=3)(flat, training=True).numpy()[:, 0, 0]
    grey = np.ptp(changed, axis=1) < 1e-3
    assert 0.18 < grey.mean() < 0.32
    added = changed[~grey] - (90, 120, 150)  # contrast does nothing to flat faces
    assert -51.01 <= added.min() < -48
    assert 48 < added.max() <= 51.01


def test_patches_have_the_promised_number_and_size():
    flat = np.full((600, 50, 50, 3), 100, np.float32)
    changed = (RandomPatch(0.5, (0.04, 0.25), seed=4)(flat, training=True).numpy() != flat).any(3)
    assert 0.42 < changed.any((1, 2)).mean() < 0.58
    widths = changed.any(1).sum(1)[changed.any((1, 2))]
    assert 9 <= widths.min() <= 12
    assert 23 <= widths.max() <= 26


@pytest.mark.parametrize(
    "layer",
    [RandomAffine(0.1, 10, (-0.1, 0.1)), RandomLight(0.2, 0.3, 0.5), RandomPatch(1, (0.1, 0.2))],
)
def test_outside_of_training_nothing_changes(faces, layer):
    np.testing.assert_array_equal(layer(faces, training=False), faces)
    assert np.abs(layer(faces, training=True).numpy() - faces).max() > 1
