"""Classification metrics against the published matrix, scikit-learn and cases done by hand."""

import warnings

import krippendorff
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from affectkit.evaluation import classification_metrics
from affectkit.evaluation.metrics.classification import (
    CLASSIFICATION_METRICS,
    confusion_metrics,
    nominal_alpha,
    resampled_classification_metrics,
)

# The seed system on AffectNet's 4,000 rows: rows true, columns predicted, codes 0..7.
PUBLISHED_MATRIX = np.array(
    [
        [280, 11, 50, 40, 16, 15, 41, 47],
        [19, 371, 6, 24, 3, 11, 3, 63],
        [65, 6, 314, 15, 27, 21, 47, 5],
        [45, 33, 24, 293, 69, 16, 11, 9],
        [22, 8, 36, 79, 312, 24, 19, 0],
        [28, 17, 47, 14, 15, 269, 91, 19],
        [65, 4, 28, 21, 25, 48, 293, 16],
        [82, 66, 16, 14, 4, 25, 28, 265],
    ]
)


def rows_of(matrix):
    """Spell a confusion matrix out as labels and one-hot probabilities."""
    pairs = [(t, p) for t, p in np.ndindex(matrix.shape) for _ in range(matrix[t, p])]
    labels, predictions = np.array(pairs).T
    return labels, np.eye(len(matrix))[predictions]


def random_case(seed, rows=200, classes=8, ties=False):
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, classes, rows)
    logits = generator.normal(size=(rows, classes))
    logits[np.arange(rows), labels] += 1
    probabilities = np.exp(logits)
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    if ties:
        probabilities = np.round(probabilities * 8) / 8
    return labels, probabilities


def test_published_matrix_gives_the_published_values():
    values = confusion_metrics(PUBLISHED_MATRIX)
    assert values["accuracy"] == pytest.approx(0.59925)
    assert values["macro_f1"] == pytest.approx(0.60, abs=0.005)
    assert values["cohen_kappa"] == pytest.approx(0.542, abs=0.0005)
    assert values["krippendorff_alpha"] == pytest.approx(0.5419, abs=0.00005)


def test_published_matrix_as_rows_gives_the_same_through_the_libraries():
    labels, probabilities = rows_of(PUBLISHED_MATRIX)
    assert len(labels) == 4000
    by_rows = classification_metrics(labels, probabilities)
    for name, value in confusion_metrics(PUBLISHED_MATRIX).items():
        assert by_rows[name] == pytest.approx(value, abs=1e-12)


def test_hand_computed_two_classes():
    # 10 rows: accuracy .7; F1 = 2*4/(5+6) and 2*3/(5+4); chance (5*6 + 5*4) / 100 = .5
    values = confusion_metrics([[4, 1], [2, 3]])
    assert values["accuracy"] == pytest.approx(0.7)
    assert values["macro_f1"] == pytest.approx((8 / 11 + 6 / 9) / 2)
    assert values["cohen_kappa"] == pytest.approx(0.4)
    # alpha: pooled values 11 and 9 of 20; expected disagreement 2*11*9 / (20*19)
    assert values["krippendorff_alpha"] == pytest.approx(1 - 0.3 / (2 * 11 * 9 / (20 * 19)))


def test_alpha_of_published_data():
    # Krippendorff (2011), "Computing Krippendorff's Alpha-Reliability", A: binary data, two
    # observers, no missing data: 10 units, alpha 0.095
    first, second = [0, 1, 0, 0, 0, 0, 0, 0, 1, 0], [1, 1, 1, 0, 0, 1, 0, 0, 0, 0]
    assert nominal_alpha(sk.confusion_matrix(first, second)) == pytest.approx(0.095, abs=5e-4)
    # by hand: 6 + 14 of 20 pooled values, 2 * 4 that differ; chance 2 * 6 * 14 / 19
    assert nominal_alpha(sk.confusion_matrix(first, second)) == pytest.approx(1 - 8 * 19 / 168)


@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 10_000), rows=st.integers(2, 300), classes=st.integers(2, 8))
def test_alpha_equals_that_of_the_package_krippendorff(seed, rows, classes):
    generator = np.random.default_rng(seed)
    first = generator.integers(0, classes, rows)
    second = np.where(generator.random(rows) < 0.6, first, generator.integers(0, classes, rows))
    matrix = sk.confusion_matrix(first, second, labels=range(classes))
    if len(np.union1d(first, second)) == 1:
        assert np.isnan(nominal_alpha(matrix))
        return
    expected = krippendorff.alpha(np.stack([first, second]), level_of_measurement="nominal")
    assert nominal_alpha(matrix) == pytest.approx(expected, abs=1e-14)
    assert confusion_metrics(matrix)["krippendorff_alpha"] == pytest.approx(expected, abs=1e-14)


def test_many_matrices_at_once_equal_one_by_one():
    matrices = np.random.default_rng(0).integers(0, 50, (5, 8, 8))
    together = confusion_metrics(matrices, np.arange(8))
    for position, matrix in enumerate(matrices):
        for name, value in confusion_metrics(matrix, np.arange(8)).items():
            assert together[name][position] == pytest.approx(value)


@pytest.mark.parametrize("ties", [False, True])
def test_against_scikit_learn(ties):
    labels, probabilities = random_case(1, ties=ties)
    predictions = probabilities.argmax(axis=1)
    values = classification_metrics(labels, probabilities)
    assert list(values) == list(CLASSIFICATION_METRICS)
    one_hot = np.eye(8)[labels]
    expected = {
        "accuracy": sk.accuracy_score(labels, predictions),
        "macro_f1": sk.f1_score(labels, predictions, average="macro"),
        "cohen_kappa": sk.cohen_kappa_score(labels, predictions),
        "krippendorff_alpha": krippendorff.alpha(
            [labels, predictions], level_of_measurement="nominal"
        ),
        "roc_auc": sk.roc_auc_score(one_hot, probabilities, average="macro"),
        "auc_pr": sk.average_precision_score(one_hot, probabilities, average="macro"),
    }
    assert values == pytest.approx(expected)


@pytest.mark.parametrize("ties", [False, True])
def test_resampled_values_equal_the_libraries_on_the_drawn_rows(ties):
    labels, probabilities = random_case(2, rows=90, ties=ties)
    drawn = np.random.default_rng(3).integers(0, 90, (6, 90))
    weights = np.stack([np.bincount(rows, minlength=90) for rows in drawn]).astype(float)
    resampled = resampled_classification_metrics(labels, probabilities, weights)
    for position, rows in enumerate(drawn):
        expected = classification_metrics(labels[rows], probabilities[rows])
        actual = {name: values[position] for name, values in resampled.items()}
        assert actual == pytest.approx(expected, abs=1e-12)


def test_a_class_without_true_rows_does_not_enter_the_averages():
    # classes 0 and 1 only, as in a data set of neutral and happy faces; class 2 predicted once
    labels = np.array([0, 0, 1, 1])
    probabilities = np.array([[0.8, 0.1, 0.1], [0.2, 0.1, 0.7], [0.1, 0.9, 0], [0.3, 0.6, 0.1]])
    values = classification_metrics(labels, probabilities)
    assert values["macro_f1"] == pytest.approx((2 / 3 + 1) / 2)
    assert values["roc_auc"] == pytest.approx((0.75 + 1.0) / 2)


def test_one_class_only_is_undefined_and_does_not_warn():
    labels, probabilities = np.zeros(5, int), np.eye(8)[np.zeros(5, int)]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        values = classification_metrics(labels, probabilities)
        resampled = resampled_classification_metrics(labels, probabilities, np.ones((2, 5)))
    assert values["accuracy"] == values["macro_f1"] == 1
    undefined = ("cohen_kappa", "krippendorff_alpha", "roc_auc", "auc_pr")
    assert all(np.isnan(values[name]) for name in undefined)
    assert all(np.isnan(resampled[name]).all() for name in undefined)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), rows=st.integers(2, 60), classes=st.integers(2, 8))
def test_bounds_permutation_and_perfection(seed, rows, classes):
    labels, probabilities = random_case(seed, rows, classes)
    values = classification_metrics(labels, probabilities)
    for name in ("accuracy", "macro_f1", "roc_auc", "auc_pr"):
        assert np.isnan(values[name]) or 0 <= values[name] <= 1
    for name in ("cohen_kappa", "krippendorff_alpha"):
        assert np.isnan(values[name]) or -1 <= values[name] <= 1
    order = np.random.default_rng(seed).permutation(rows)
    shuffled = classification_metrics(labels[order], probabilities[order])
    assert shuffled == pytest.approx(values, nan_ok=True)
    perfect = classification_metrics(labels, np.eye(classes)[labels])
    assert all(np.isnan(value) or value == pytest.approx(1) for value in perfect.values())
