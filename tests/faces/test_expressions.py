"""Action units, their effect on the head, and one-sided contempt."""

import numpy as np
import pytest

from affectkit.faces.assets import load_head
from affectkit.faces.expressions import (
    ACTION_UNITS,
    blend_action_units,
    morph_weights,
    sample_action_units,
)
from affectkit.faces.geometry import expressive_vertices, rotation, turn_eyes, vertex_normals
from affectkit.labels import EXPRESSIONS

MOUTH_CORNERS = (48, 54)  # subject's right, left
INNER_BROWS, OUTER_BROWS = (21, 22), (17, 26)


def landmarks_of(units):
    head = load_head()
    vertices = expressive_vertices(head, head.positions, morph_weights(units, head.unit_names))
    return vertices[head.landmarks] - head.positions[head.landmarks]


def test_smile_pulls_the_corners_up_and_out_and_leaves_the_brows():
    moved = landmarks_of({"AU12": (1.0, 1.0)})
    right, left = moved[list(MOUTH_CORNERS)]
    assert right[1] > 0.3
    assert left[1] > 0.3
    assert right[0] < -0.1
    assert left[0] > 0.1
    assert np.abs(moved[17:27]).max() < 0.1


def test_one_sided_smile_moves_only_that_corner():
    moved = landmarks_of({"AU12": (1.0, 0.0)})
    assert moved[54, 1] > 0.3
    assert abs(moved[48, 1]) < 0.1


@pytest.mark.parametrize(
    ("unit", "points", "sign"),
    [("AU1", INNER_BROWS, 1), ("AU2", OUTER_BROWS, 1), ("AU4", INNER_BROWS, -1),
     ("AU15", MOUTH_CORNERS, -1), ("AU26", (8, 57), -1), ("AU9", (31, 35), 1), ("AU16", (57,), -1),
     ("AU5", (37, 44), 1), ("AU45", (37, 44), -1)],
)  # fmt: skip
def test_action_unit_moves_its_landmarks_the_right_way(unit, points, sign):
    moved = landmarks_of({unit: (1.0, 1.0)})
    assert (sign * moved[list(points), 1] > 0.05).all(), moved[list(points), 1]


def test_blink_closes_the_eyes():
    head = load_head()
    weights = morph_weights({"AU45": (1.0, 1.0)}, head.unit_names)
    points = expressive_vertices(head, head.positions, weights)[head.landmarks]
    opened = head.positions[head.landmarks]
    for upper, lower in ((37, 41), (44, 46)):
        assert points[upper, 1] - points[lower, 1] < 0.4 * (opened[upper, 1] - opened[lower, 1])


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_every_expression_samples_known_units_in_range(expression):
    units = sample_action_units(expression, 1.2, np.random.default_rng(1))
    assert set(units) <= set(ACTION_UNITS)
    assert all(0 <= value <= 1.25 for sides in units.values() for value in sides)


def test_intensity_scales_the_prototype():
    weak, strong = (
        np.mean([
            np.mean(sample_action_units("Happy", intensity, np.random.default_rng(seed))["AU12"])
            for seed in range(50)
        ])
        for intensity in (0.4, 0.8)
    )  # fmt: skip
    assert strong == pytest.approx(2 * weak, rel=0.05)


def test_contempt_is_one_sided_and_mirrors_with_the_side():
    left = sample_action_units("Contempt", 1.0, np.random.default_rng(4), side="left")
    right = sample_action_units("Contempt", 1.0, np.random.default_rng(4), side="right")
    one_sided = [unit for unit in ("AU12", "AU14") if unit in left]
    assert one_sided
    for unit in one_sided:
        assert left[unit][0] > 3 * left[unit][1]
        assert right[unit][1] > 3 * right[unit][0]
        assert left[unit][0] == pytest.approx(right[unit][1], rel=0.35)


def test_contempt_geometry_is_mirrored():
    left = landmarks_of({"AU12": (0.7, 0.0), "AU14": (0.8, 0.0)})
    right = landmarks_of({"AU12": (0.0, 0.7), "AU14": (0.0, 0.8)})
    np.testing.assert_allclose(left[54] * (-1, 1, 1), right[48], atol=0.08)


def test_blend_is_the_weighted_mean():
    mixed = blend_action_units({"AU1": (1.0, 0.5)}, {"AU1": (0.0, 0.5), "AU4": (0.8, 0.4)}, 0.25)
    assert mixed == {"AU1": (0.75, 0.5), "AU4": (0.2, 0.1)}


def test_unknown_names_are_refused():
    with pytest.raises(ValueError, match="expected an expression of"):
        sample_action_units("Joy", 1.0, np.random.default_rng(0))
    with pytest.raises(ValueError, match="expected side"):
        sample_action_units("Happy", 1.0, np.random.default_rng(0), side="up")
    with pytest.raises(ValueError, match="expected an action unit"):
        morph_weights({"AU99": (1, 1)}, load_head().unit_names)


def test_rotation_signs():
    forward, up = np.array([0, 0, 1.0]), np.array([0, 1.0, 0])
    np.testing.assert_allclose(rotation(90, 0, 0) @ forward, (1, 0, 0), atol=1e-6)
    np.testing.assert_allclose(rotation(0, 90, 0) @ forward, (0, -1, 0), atol=1e-6)
    np.testing.assert_allclose(rotation(0, 0, 90) @ up, (-1, 0, 0), atol=1e-6)


def test_gaze_turns_the_eyes_and_nothing_else():
    head = load_head()
    turned = turn_eyes(head, head.positions, 20, 0)
    moved = np.flatnonzero(np.abs(turned - head.positions).max(1) > 1e-4)
    assert set(moved) <= set(np.concatenate(head.eye_vertices))
    eye = head.eye_vertices[0]
    front = eye[np.argmax(head.positions[eye, 2])]
    assert turned[front, 0] > head.positions[front, 0] + 0.2


def test_normals_of_a_square_point_out_of_it():
    square = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], float)
    normals = vertex_normals(square, np.array([[0, 1, 2, 3]]))
    np.testing.assert_allclose(normals, np.tile((0, 0, 1), (4, 1)), atol=1e-6)
