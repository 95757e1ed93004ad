"""FER+ votes to labels, against hand-computed rows and a plain transcription of the rule."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from affectkit.data.sets.ferplus_votes import majority_expression, vote_columns

# neutral, happiness, surprise, sadness, anger, disgust, fear, contempt, unknown, NF
CASES = [
    ([10, 0, 0, 0, 0, 0, 0, 0, 0, 0], 0),
    ([0, 8, 2, 0, 0, 0, 0, 0, 0, 0], 1),
    ([0, 0, 9, 0, 0, 0, 1, 0, 0, 0], 3),
    ([1, 0, 0, 6, 3, 0, 0, 0, 0, 0], 2),
    ([0, 0, 0, 2, 7, 1, 0, 0, 0, 0], 6),
    ([0, 0, 0, 0, 0, 10, 0, 0, 0, 0], 5),
    ([0, 0, 0, 0, 0, 0, 10, 0, 0, 0], 4),
    ([2, 0, 0, 0, 0, 0, 0, 8, 0, 0], 7),
    ([5, 5, 0, 0, 0, 0, 0, 0, 0, 0], 9),  # a tie has no majority
    ([4, 0, 0, 3, 3, 0, 0, 0, 0, 0], 9),  # most votes, but not more than half
    ([4, 1, 1, 2, 1, 1, 0, 0, 0, 0], 0),  # single votes do not count: 4 of 6
    ([1, 1, 1, 1, 1, 1, 1, 1, 1, 1], 9),  # nothing is left
    ([2, 0, 0, 0, 0, 0, 0, 0, 8, 0], 9),  # the majority is "unknown"
    ([0, 0, 0, 0, 0, 0, 0, 0, 1, 9], 10),  # the majority is "not a face"
]


@pytest.mark.parametrize(("votes", "expected"), CASES)
def test_majority_of_hand_made_rows(votes, expected):
    assert majority_expression(np.array([votes])).tolist() == [expected]


def test_soft_label_agreement_and_derived_valence_arousal():
    columns = vote_columns(np.array([[6, 2, 0, 0, 0, 0, 0, 0, 1, 1]], np.uint8))
    assert columns["soft_neutral"][0] == 0.75
    assert columns["soft_happy"][0] == 0.25
    assert columns["soft_anger"][0] == 0
    assert columns["agreement"][0] == 0.6
    # Neutral -.025 / -.019 and Happy .672 / .081, weights 3/4 and 1/4
    assert columns["valence"][0] == pytest.approx(0.14925)
    assert columns["arousal"][0] == pytest.approx(0.006)
    assert columns["derived_valence_arousal"].all()


def test_no_vote_for_an_expression_leaves_valence_arousal_open():
    columns = vote_columns(np.array([[0, 0, 0, 0, 0, 0, 0, 0, 4, 6]]))
    assert np.isnan([columns["valence"], columns["arousal"], columns["soft_sad"]]).all()


vote_rows = st.lists(
    st.lists(st.integers(0, 10), min_size=10, max_size=10).filter(any), min_size=1, max_size=20
)


@given(vote_rows)
@settings(deadline=None)
def test_majority_agrees_with_a_plain_count(rows):
    order = [0, 1, 3, 2, 6, 5, 4, 7, 9, 10]
    expected = []
    for row in rows:
        counted = [count if count > 1 else 0 for count in row]
        winners = [i for i in range(10) if 2 * counted[i] > sum(counted)]
        expected.append(order[winners[0]] if winners else 9)
    assert majority_expression(np.array(rows)).tolist() == expected


@given(vote_rows)
@settings(deadline=None)
def test_derived_columns_stay_in_range(rows):
    columns = vote_columns(np.array(rows))
    soft = np.stack([values for name, values in columns.items() if name.startswith("soft_")])
    known = ~np.isnan(soft[0])
    np.testing.assert_allclose(soft.sum(axis=0)[known], 1)
    for name in ("valence", "arousal"):
        assert (np.abs(columns[name][known]) < 1).all()
        assert (np.isnan(columns[name]) == ~known).all()
    assert ((columns["agreement"] > 0) & (columns["agreement"] <= 1)).all()
