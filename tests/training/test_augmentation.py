"""Augmentation: it changes faces while training only, and is not part of the model."""

import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from affectkit.models import build_classifier
from affectkit.preprocess import scale_pixels
from affectkit.training import build_augmentation
from affectkit.training.augmentation import mix_up, with_augmentation


@pytest.fixture
def faces():
    pixels = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3))
    return pixels.astype(np.float32)


def test_wrapper_equals_the_model_outside_of_training(faces):
    model = build_classifier(image_size=32)
    wrapped = with_augmentation(model, "strong", seed=3)
    np.testing.assert_allclose(
        wrapped(faces, training=False), model(scale_pixels(faces), training=False), rtol=1e-5
    )
    assert {id(weight) for weight in model.trainable_weights} == {
        id(weight) for weight in wrapped.trainable_weights
    }
    assert "random" not in " ".join(layer.name for layer in model.layers)


@pytest.mark.parametrize("strength", ["light", "geometric", "strong", "heavy"])
def test_training_varies_faces_within_the_pixel_range(faces, strength):
    augment = keras.Sequential(build_augmentation(strength, seed=1))
    varied = np.stack([augment(faces, training=True).numpy() for _ in range(10)])
    assert varied.shape == (10, 4, 32, 32, 3)
    assert varied.min() >= -1e-3
    assert varied.max() <= 255.001
    assert varied.std(axis=0).mean() > 1
    np.testing.assert_array_equal(augment(faces, training=False), faces)


def test_bright_faces_are_not_clipped_to_one():
    """RandomContrast clips to its value_range; with the wrong one every pixel would be 1."""
    bright = np.full((2, 32, 32, 3), 200, np.float32)
    augment = keras.Sequential(build_augmentation("strong", seed=0))
    assert augment(bright, training=True).numpy().mean() > 100


def test_none_and_unknown():
    assert build_augmentation("none") == []
    with pytest.raises(ValueError, match="augmentation strength of .*got 'wild'"):
        build_augmentation("wild")


def test_heavy_erases_a_patch_of_about_half_of_the_faces():
    erase = build_augmentation("heavy", seed=1)[-1]
    flat = np.full((400, 32, 32, 3), 100, np.float32)
    changed = (erase(flat, training=True).numpy() != flat).any(axis=3)
    assert 0.4 < changed.any(axis=(1, 2)).mean() < 0.6
    sides = changed.any(axis=1).sum(axis=1)[changed.any(axis=(1, 2))]
    assert 10 < sides.max() <= math.sqrt(0.2) * 32 + 1  # Keras takes shares of the area


@pytest.mark.parametrize("weights", [None, [1.0, 2.0, 3.0, 4.0]])
def test_mix_up_weighs_targets_like_the_losses_of_both_faces(weights):
    grey = np.array([0, 80, 160, 240], np.float32)
    faces = grey[:, None, None, None] * np.ones((1, 32, 32, 3), np.float32)
    targets = np.eye(4, 8, dtype=np.float32)
    parts = (faces, targets) if weights is None else (faces, targets, np.float32(weights))
    batches = tf.data.Dataset.from_tensor_slices(parts).batch(4).repeat(30)
    mixed_any = 0
    for mixed, labels, *rest in mix_up(batches, 0.4, seed=1).as_numpy_iterator():
        # grey levels tell the share of the partner: weights of both sum to the mixed weight
        np.testing.assert_allclose(labels.sum(axis=1), 1, atol=1e-5)
        used = np.ones(4) if weights is None else np.float32(weights)
        for row in range(4):
            both = np.flatnonzero(labels[row] > 1e-6)
            shares = labels[row, both] / used[both]
            shares /= shares.sum()  # undo the weights: what is left are the shares of the pixels
            assert mixed[row].mean() == pytest.approx(grey[both] @ shares, abs=0.1)
            if rest:
                assert rest[0][row] == pytest.approx(used[both] @ shares, rel=1e-3)
            mixed_any += len(both) == 2
    assert mixed_any > 30


def test_mix_up_of_faces_that_do_not_count_stays_finite():
    """Such as faces of a shard that can't be read: weight 0, on both sides of some blends."""
    faces, targets = np.zeros((4, 8, 8, 3), np.uint8), np.eye(4, 8, dtype=np.float32)
    weights = np.array([0, 0, 0, 2], np.float32)
    batches = tf.data.Dataset.from_tensor_slices((faces, targets, weights)).batch(4).repeat(10)
    for _, labels, shares in mix_up(batches, 0.4, seed=1).as_numpy_iterator():
        assert np.isfinite(labels).all()
        np.testing.assert_allclose(labels.sum(axis=1), shares > 0, atol=1e-5)
        np.testing.assert_allclose(labels[shares > 0].argmax(axis=1), 3)
