"""Baselines know the training labels and nothing else."""

import numpy as np
import pytest

from affectkit.data import make_table
from affectkit.evaluation.metrics import baselines


def tables():
    train = make_table(
        {
            "image_id": list("abcde"),
            "split": "train",
            "expression": [1, 1, 2, None, 1],
            "valence": [0.8, 0.4, -0.6, 0.0, np.nan],
            "arousal": [0.2, 0.0, -0.4, 0.2, np.nan],
        },
        "folder",
    )
    test = make_table(
        {"image_id": list("xyz"), "split": "test", "expression": [2, 1, 5]},
        "folder",
    )
    return train, test


def test_dummies():
    labels = [1, 1, 1, 6]
    most_frequent = baselines.dummy_probabilities(labels, 3, "most_frequent")
    assert np.array_equal(most_frequent, np.eye(8)[[1, 1, 1]])
    prior = baselines.dummy_probabilities(labels, 2, "prior")
    assert prior.tolist() == [[0, 0.75, 0, 0, 0, 0, 0.25, 0]] * 2
    stratified = baselines.dummy_probabilities(labels, 4000, "stratified", seed=3)
    assert stratified.mean(axis=0)[[1, 6]] == pytest.approx([0.75, 0.25], abs=0.03)
    again = baselines.dummy_probabilities(labels, 4000, "stratified", seed=3)
    assert np.array_equal(stratified, again)
    assert baselines.dummy_probabilities(labels, 2, "prior", classes=7).shape == (2, 7)


def test_a_dummy_needs_labels():
    with pytest.raises(ValueError, match="at least one labelled training row"):
        baselines.dummy_probabilities([], 3, "prior")


def test_constant_is_the_training_mean():
    train, _ = tables()
    assert baselines.constant_predictions(train, 2) == pytest.approx(
        np.array([[0.15, 0.0]] * 2), abs=1e-12
    )


def test_affectnet_constant_is_the_mean_of_the_class_means():
    expected = [[-1.536 / 8, 2.832 / 8]]
    assert baselines.affectnet_constant_predictions(1) == pytest.approx(np.array(expected))


def test_oracle_knows_the_class_and_falls_back_to_the_mean():
    train, test = tables()
    predictions = baselines.class_mean_predictions(train, test)
    assert predictions == pytest.approx(np.array([[-0.6, -0.4], [0.6, 0.1], [0.15, 0.0]]))
