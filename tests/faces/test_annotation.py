"""Annotators, valence and arousal against AffectNet's published numbers."""

import numpy as np
import pytest

from affectkit.faces.annotation import (
    annotator_matrix,
    clean_given_annotated,
    sample_valence_arousal,
)
from affectkit.labels import EXPRESSIONS, VALENCE_AROUSAL


def test_two_annotators_agree_as_often_as_affectnets():
    matrix = annotator_matrix()
    rng = np.random.default_rng(0)
    clean = rng.integers(0, 8, 40_000)
    first, second = (
        (matrix[clean].cumsum(1) < rng.uniform(size=(len(clean), 1))).sum(1) for _ in range(2)
    )
    assert (first == second).mean() == pytest.approx(0.607, abs=0.008)
    np.testing.assert_allclose(matrix.sum(1), 1)
    assert (matrix >= 0).all()


def test_confusions_have_the_published_shape():
    matrix = annotator_matrix()
    fear, disgust, contempt = (EXPRESSIONS.index(n) for n in ("Fear", "Disgust", "Contempt"))
    off = matrix * (1 - np.eye(8))
    assert EXPRESSIONS[off[fear].argmax()] == "Surprise"
    assert EXPRESSIONS[off[disgust].argmax()] == "Anger"
    assert EXPRESSIONS[off[contempt].argmax()] == "Neutral"
    assert matrix[1, 1] == matrix.diagonal().max()


def test_unreachable_agreement_is_refused():
    with pytest.raises(ValueError, match="expected an agreement"):
        annotator_matrix(0.1)


def test_posterior_inverts_the_annotator():
    annotated, posterior = clean_given_annotated(np.full(8, 1 / 8))
    np.testing.assert_allclose(annotated, annotator_matrix().mean(0))
    np.testing.assert_allclose(posterior.sum(1), 1)
    expected = annotator_matrix()[3, 4] / annotator_matrix()[:, 4].sum()
    assert posterior[4, 3] == pytest.approx(expected)


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_valence_and_arousal_have_affectnets_statistics(expression):
    rng = np.random.default_rng(7)
    intensities = 0.3 + 0.9 * rng.beta(2.4, 1.4, 3000)
    drawn = np.array([sample_valence_arousal(expression, i, rng) for i in intensities])
    target = VALENCE_AROUSAL[expression]
    np.testing.assert_allclose(drawn.mean(0), (target.valence, target.arousal), atol=0.02)
    np.testing.assert_allclose(drawn.std(0), (target.valence_std, target.arousal_std), atol=0.02)
    assert np.corrcoef(drawn.T)[0, 1] == pytest.approx(target.correlation, abs=0.12)
    assert np.abs(drawn).max() <= 1


def test_intensity_moves_valence_away_from_neutral():
    weak, strong = (
        np.mean(
            [sample_valence_arousal("Happy", i, np.random.default_rng(s)) for s in range(99)],
            axis=0,
        )
        for i in (0.4, 1.1)
    )
    assert strong[0] > weak[0] + 0.1
