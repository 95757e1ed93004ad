"""Faces keep their number from frame to frame, and their answers are averaged over time."""

import numpy as np
import pytest

from affectkit.pipeline import Face, FaceTracker
from affectkit.pipeline.detect.face import intersection_over_union


def face(x, side=100.0):
    return Face((x, 0.0, side, side), 0.9, (0.0, 0.0, 0.0, 0.0))


def answer(happy, valence=0.0):
    return np.array([1 - happy, happy]), np.array([valence, 0.0])


def test_overlap_of_boxes():
    assert intersection_over_union((0, 0, 10, 10), (0, 0, 10, 10)) == 1
    assert intersection_over_union((0, 0, 10, 10), (5, 0, 10, 10)) == pytest.approx(1 / 3)
    assert intersection_over_union((0, 0, 10, 10), (10, 0, 10, 10)) == 0


def test_faces_keep_their_number_when_they_move_swap_and_return():
    tracker = FaceTracker(patience=2)
    assert tracker.update([face(0), face(300)], [answer(0), answer(0)])[0] == [0, 1]
    assert tracker.update([face(290), face(20)], [answer(0), answer(0)])[0] == [1, 0]
    assert tracker.update([face(30)], [answer(0)])[0] == [0]
    assert tracker.update([face(600), face(280)], [answer(0), answer(0)])[0] == [2, 1]  # it is back
    for _ in range(3):
        tracker.update([], [])
    assert tracker.update([face(280)], [answer(0)])[0] == [3]  # forgotten


def test_smoothing_is_an_exponential_average_of_each_face():
    tracker = FaceTracker(smoothing=0.75)
    tracker.update([face(0), face(300)], [answer(1.0, 0.8), answer(0.0)])
    _, ((probabilities, affect), (other, _)) = tracker.update(
        [face(0), face(300)], [answer(0.0, 0.0), answer(0.0)]
    )
    np.testing.assert_allclose(probabilities, [0.25, 0.75])
    np.testing.assert_allclose(affect, [0.6, 0])
    np.testing.assert_allclose(other, [1, 0])
    _, ((probabilities, _),) = tracker.update([face(0)], [answer(0.0)])
    np.testing.assert_allclose(probabilities[1], 0.75 * 0.75)


def test_without_smoothing_answers_stay_as_they_are():
    tracker = FaceTracker()
    tracker.update([face(0)], [answer(1.0)])
    _, ((probabilities, _),) = tracker.update([face(0)], [answer(0.25)])
    np.testing.assert_array_equal(probabilities, [0.75, 0.25])


def test_memory_is_bounded():
    tracker = FaceTracker(patience=3)
    for step in range(500):
        tracker.update([face(1000.0 * step)], [answer(0)])
    assert len(tracker._boxes) <= 5
    assert set(tracker._boxes) == set(tracker._answers) == set(tracker._missing)


@pytest.mark.parametrize("setting", [{"smoothing": 1.0}, {"smoothing": -0.1}, {"overlap": 0.0}])
def test_bad_settings_are_refused(setting):
    with pytest.raises(ValueError, match="expected a"):
        FaceTracker(**setting)
