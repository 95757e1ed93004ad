"""Augmentation: it changes faces while training only, and is not part of the model."""

import keras
import numpy as np
import pytest

from affectkit.augmentation import build_augmentation, with_augmentation
from affectkit.models import build_classifier
from affectkit.preprocess import scale_pixels


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


@pytest.mark.parametrize("strength", ["light", "strong"])
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
