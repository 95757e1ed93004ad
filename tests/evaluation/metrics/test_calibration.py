"""Calibration against a hand-made example, scikit-learn and known temperatures."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import softmax
from sklearn.metrics import log_loss

from affectkit.evaluation import (
    expected_calibration_error,
    fit_plausible_share,
    fit_temperature,
    reliability_table,
)
from affectkit.evaluation.metrics.calibration import (
    brier_scores,
    fit_corrected_temperature,
    negative_log_likelihoods,
)
from affectkit.models import apply_temperature, plausible_expressions


def synthetic(rows, scale, seed=0):
    """Labels drawn from softmax(logits); the model claims softmax(scale * logits)."""
    generator = np.random.default_rng(seed)
    logits = generator.normal(0, 1.5, (rows, 8))
    cumulative = softmax(logits, axis=1).cumsum(axis=1)
    labels = (generator.random((rows, 1)) > cumulative).sum(axis=1).clip(max=7)
    return labels, softmax(scale * logits, axis=1)


def test_hand_made_ece():
    # bin (9/15, 10/15]: confidence .65, 1 of 2 right; bin (13/15, 14/15]: .9, 3 of 4 right
    probabilities = np.array([[0.65, 0.35]] * 2 + [[0.9, 0.1]] * 4)
    labels = np.array([0, 1, 0, 0, 0, 1])
    ece = expected_calibration_error(labels, probabilities)
    assert ece == pytest.approx(2 / 6 * 0.15 + 4 / 6 * 0.15)
    table = reliability_table(labels, probabilities)
    assert len(table) == 15
    assert list(table["rows"].to_numpy().nonzero()[0]) == [9, 13]
    assert table.loc[13, ["confidence", "accuracy"]].tolist() == pytest.approx([0.9, 0.75])


def test_bins_are_closed_above():
    # 3/15 lies in the third bin, 1 in the last
    probabilities = np.array([[0.2] * 5, [1.0, 0, 0, 0, 0]])
    assert list(reliability_table([0, 0], probabilities)["rows"].to_numpy().nonzero()[0]) == [2, 14]


def test_perfectly_sure_and_right_is_calibrated():
    assert expected_calibration_error([1, 2], np.eye(8)[[1, 2]]) == 0


def test_nll_and_brier():
    labels, probabilities = synthetic(400, 1)
    expected = log_loss(labels, probabilities, labels=range(8))
    assert negative_log_likelihoods(labels, probabilities).mean() == pytest.approx(expected)
    assert brier_scores([0], [[0.7, 0.2, 0.1]])[0] == pytest.approx(0.09 + 0.04 + 0.01)
    assert brier_scores([0], [[0, 1, 0]])[0] == 2


def test_a_probability_of_zero_stays_finite():
    sure_and_wrong = np.eye(8)[[3]]
    assert negative_log_likelihoods([0], sure_and_wrong)[0] == pytest.approx(-np.log(1e-7))
    softened = apply_temperature(sure_and_wrong, 4)
    assert np.isfinite(softened).all()
    assert softened.sum() == pytest.approx(1)
    assert softened[0, 0] > 1e-3
    assert np.isfinite(fit_temperature([0, 3], np.eye(8)[[3, 3]]))


@pytest.mark.parametrize("scale", [0.5, 1.0, 2.5])
def test_temperature_is_recovered(scale):
    labels, probabilities = synthetic(6000, scale)
    temperature = fit_temperature(labels, probabilities)
    assert temperature == pytest.approx(scale, rel=0.06)
    after = apply_temperature(probabilities, temperature)
    assert expected_calibration_error(labels, after) < 0.03
    nll = [negative_log_likelihoods(labels, p).mean() for p in (probabilities, after)]
    assert nll[1] <= nll[0] + 1e-9


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 1000), st.floats(0.1, 10))
def test_temperature_keeps_order_and_sum(seed, temperature):
    probabilities = np.random.default_rng(seed).dirichlet(np.ones(8), 5)
    scaled = apply_temperature(probabilities, temperature)
    assert scaled.sum(axis=1) == pytest.approx(1)
    assert (scaled.argmax(axis=1) == probabilities.argmax(axis=1)).all()
    assert apply_temperature(probabilities, 1) == pytest.approx(probabilities, abs=1e-6)


def test_biases_of_other_class_shares_are_recovered():
    """Answers that were learned from other shares, and are too sharp by two."""
    labels, calibrated = synthetic(20_000, 1.0)
    biases = np.linspace(-1, 1, 8)
    learned = np.exp(2 * (np.log(calibrated) - biases))
    learned /= learned.sum(axis=1, keepdims=True)
    temperature, found = fit_corrected_temperature(labels, learned)
    assert temperature == pytest.approx(2, rel=0.05)
    assert found == pytest.approx(biases, abs=0.06)
    assert found.mean() == pytest.approx(0, abs=1e-12)
    corrected = np.exp(np.log(learned) / temperature + found)
    corrected /= corrected.sum(axis=1, keepdims=True)
    alone = apply_temperature(learned, fit_temperature(labels, learned))
    assert expected_calibration_error(labels, corrected) < 0.02
    losses = [negative_log_likelihoods(labels, p).mean() for p in (corrected, alone)]
    assert losses[0] < losses[1] - 0.05


def test_biases_need_rows_of_every_class():
    with pytest.raises(ValueError, match=r"got none of \[2\]"):
        fit_corrected_temperature([0, 1, 1], np.full((3, 3), 1 / 3))


@pytest.mark.parametrize("temperature", [0, -1, np.nan, np.inf])
def test_bad_temperatures_are_refused(temperature):
    with pytest.raises(ValueError, match="temperature above 0"):
        apply_temperature([[0.5, 0.5]], temperature)


def test_no_validation_rows_are_refused():
    with pytest.raises(ValueError, match="at least one validation row"):
        fit_temperature([], np.empty((0, 8)))


def test_the_plausible_share_by_hand():
    """Of nine labels, one has .1 of .8, the next .3 of .6: nine of ten need the lowest of them."""
    probabilities = np.array([[0.8, 0.1, 0.1]] * 8 + [[0.6, 0.3, 0.1]])
    labels = [1] + [0] * 7 + [1]
    assert fit_plausible_share(labels, probabilities) == pytest.approx(1 / 8)
    assert fit_plausible_share(labels, probabilities, level=0.8) == pytest.approx(1 / 2)
    assert plausible_expressions(probabilities, 0.5)[[0, 8]].tolist() == [
        [True, False, False],
        [True, True, False],
    ]
    with pytest.raises(ValueError, match=r"at least 9 rows for a level of 0\.9, got 8"):
        fit_plausible_share(labels[1:], probabilities[1:])


@pytest.mark.parametrize("level", [0.8, 0.9, 0.95])
def test_plausible_expressions_hold_new_labels_as_often_as_promised(level):
    labels, probabilities = synthetic(40_000, 2.0)
    share = fit_plausible_share(labels[:10_000], probabilities[:10_000], level)
    sets = plausible_expressions(probabilities[10_000:], share)
    held = sets[np.arange(30_000), labels[10_000:]]
    assert held.mean() == pytest.approx(level, abs=0.01)
    first = probabilities[10_000:].argmax(axis=1)
    assert sets[np.arange(30_000), first].all()


@settings(deadline=None)
@given(st.integers(0, 1000), st.floats(0.2, 5), st.floats(0.01, 1))
def test_plausible_expressions_do_not_hang_on_the_temperature(seed, temperature, share):
    probabilities = np.random.default_rng(seed).dirichlet(np.ones(8), 5).clip(1e-3)
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    scaled = apply_temperature(probabilities, temperature)
    np.testing.assert_array_equal(
        plausible_expressions(scaled, share ** (1 / temperature)),
        plausible_expressions(probabilities, share),
    )
