"""Logits shifted by class frequencies, against values worked out by hand."""

import keras
import numpy as np
import pytest

from affectkit.training.recipes.calibration import choose_strength, class_frequencies, shift_head


def test_frequencies_are_shares_and_never_zero():
    found = class_frequencies(np.array([0, 0, 0, 1, 1, 2]), classes=4)
    np.testing.assert_allclose(found, np.array([3, 2, 1, 1]) / 7)


def test_the_strength_goes_as_far_as_accuracy_allows():
    frequencies = np.array([0.9, 0.1])  # ln 9 = 2.197 is what a strength of 1 shifts by
    labels = np.array([0, 0, 1, 1])
    # class 1 wins once strength * 2.197 passes the lead of class 0
    lead = np.array([3.0, 1.0, 0.5, -1.0])
    logits = np.stack([lead, np.zeros(4)], axis=1)
    # up to 0.2 the third is wrong (3 of 4); from 0.3 it is right; from 0.5 the second is wrong
    assert choose_strength(labels, logits, frequencies, most_loss=0) == pytest.approx(1.0)
    # where the lost one is not made up for, the strength stops before it
    assert choose_strength(labels[:2], logits[:2], frequencies, most_loss=0) == pytest.approx(0.4)
    assert choose_strength(labels[:2], logits[:2], frequencies, most_loss=0.5) == pytest.approx(1.0)


def test_the_heads_answers_are_shifted():
    inputs = keras.Input((3,))
    outputs = keras.layers.Dense(8, activation="softmax", name="expression")(inputs)
    model = keras.Model(inputs, outputs)
    faces = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    frequencies = class_frequencies(np.repeat(np.arange(8), [50, 30, 9, 8, 4, 2, 6, 1]))
    before = np.log(model.predict(faces, verbose=0))
    shift_head(model, -0.5 * np.log(frequencies))
    after = np.log(model.predict(faces, verbose=0))
    expected = before - 0.5 * np.log(frequencies)
    expected -= np.log(np.exp(expected).sum(axis=1, keepdims=True))
    np.testing.assert_allclose(after, expected, atol=1e-5)
