"""Probabilities are checked, rounded ones are repaired, and Contempt is dropped on demand."""

import numpy as np
import pytest

from affectkit.evaluation import protocol_probabilities


def test_rounded_rows_are_made_to_sum_to_one():
    eight_bit = np.full((2, 8), 0.121)
    assert protocol_probabilities(eight_bit, "").sum(axis=1) == pytest.approx(1, abs=1e-15)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ([2.0, -1, 0, 0, 0, 0, 0, 0], "row 1.*softmax"),
        ([0.5, 0, 0, 0, 0, 0, 0, 0], "sum to 1"),
        ([np.nan, 1, 0, 0, 0, 0, 0, 0], "row 1"),
    ],
)
def test_what_is_no_distribution_is_refused(row, message):
    with pytest.raises(ValueError, match=message):
        protocol_probabilities([np.full(8, 0.125), row], "")


@pytest.mark.parametrize("values", [np.ones(8) / 8, np.ones((3, 7)) / 7])
def test_another_shape_is_refused(values):
    with pytest.raises(ValueError, match=r"shape \(n, 8\), got"):
        protocol_probabilities(values, "")


def test_seven_classes_drop_contempt_and_renormalise():
    row = [0.1, 0.2, 0.1, 0, 0.05, 0.05, 0, 0.5]
    seven = protocol_probabilities([row, np.eye(8)[7]], "affectnet-3500-7class")
    assert seven[0] == pytest.approx([0.2, 0.4, 0.2, 0, 0.1, 0.1, 0])
    assert seven[1] == pytest.approx(np.full(7, 1 / 7))


def test_other_protocols_keep_eight():
    assert protocol_probabilities([np.full(8, 0.125)], "affectnet-4000").shape == (1, 8)
