"""Rendering: determinism, ground truth, and parameters that change one thing only."""

import resource

import numpy as np
import pytest

from affectkit.faces import draw_face, render_face, render_sweep
from affectkit.faces.camera import face_box, project
from affectkit.faces.parameters import CHOICES, LIMITS
from affectkit.faces.sampling import skin_tone_category

SIZE = 64
PLAIN = {"blur": 0.0, "occluder": "none", "glasses": "none", "grey": False, "light_strength": 0.3}


def test_same_seed_same_image_and_other_seed_another():
    first, truth = render_face(3, SIZE)
    second, again = render_face(3, SIZE)
    other, _ = render_face(4, SIZE)
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(truth["landmarks"], again["landmarks"])
    assert np.abs(first.astype(int) - other).mean() > 5


def test_image_and_truth_have_the_promised_form():
    image, truth = render_face(5)
    assert image.shape == (112, 112, 3)
    assert image.dtype == np.uint8
    assert 20 < image.mean() < 235
    assert truth["landmarks"].shape == (68, 2)
    assert -1 <= truth["valence"] <= 1
    assert truth["gender"] in ("female", "male")
    x, y, width, height = truth["face_box"]
    assert x >= 0
    assert y >= 0
    assert x + width <= 112
    assert y + height <= 112
    assert 0.5 < width / 112 < 0.95


def test_only_the_light_turns():
    images, truths = render_sweep(11, "light_azimuth", [-60.0, 60.0], SIZE, **PLAIN)
    np.testing.assert_array_equal(truths[0]["landmarks"], truths[1]["landmarks"])
    changed = {
        name for name in truths[0] if not np.array_equal(truths[0][name], truths[1][name])
    }  # fmt: skip
    assert changed == {"light_azimuth"}
    assert np.abs(images[0].astype(int) - images[1]).mean() > 1


def test_light_from_image_right_brightens_the_right_half_of_the_face():
    fixed = PLAIN | {"yaw": 0.0, "pitch": 0.0, "roll": 0.0, "light_elevation": 10.0,
                     "light_strength": 1.0, "hair": "bald", "beard": 0.0}  # fmt: skip
    images, truths = render_sweep(12, "light_azimuth", [-70.0, 70.0], SIZE, **fixed)
    x, y, width, height = (int(value) for value in truths[0]["face_box"])
    middle = int(truths[0]["landmarks"][27, 0])
    face = images[:, y : y + height].astype(float).mean(-1)
    left, right = face[:, :, x + 6 : middle].mean((1, 2)), face[:, :, middle : x + width - 6]
    difference = right.mean((1, 2)) - left
    assert difference[1] - difference[0] > 20


def test_darker_skin_gives_a_darker_face():
    fixed = PLAIN | {"yaw": 0.0, "pitch": 0.0, "beard": 0.0, "hair": "bald", "makeup": 0.0}
    images, truths = render_sweep(13, "skin_tone_ita", [-40.0, 55.0], SIZE, **fixed)
    x, y = truths[0]["landmarks"][30].astype(int)
    patches = images[:, y - 3 : y + 3, x - 8 : x + 8].mean((1, 2, 3))
    assert patches[1] > patches[0] + 25
    assert [truth["skin_tone"] for truth in truths] == ["dark", "light"]


def test_yaw_moves_the_nose_in_the_image_as_documented():
    _, truths = render_sweep(14, "yaw", [-30.0, 30.0], SIZE, roll=0.0)
    offsets = [t["landmarks"][30, 0] - t["landmarks"][[36, 45], 0].mean() for t in truths]
    assert offsets[0] < -2
    assert offsets[1] > 2


@pytest.mark.parametrize("seed", range(8))
def test_no_seed_crashes_at_extreme_parameters(seed):
    rng = np.random.default_rng(seed)
    fixed = {name: limits[rng.integers(2)] for name, limits in LIMITS.items() if name != "distance"}
    fixed |= {name: choices[rng.integers(len(choices))] for name, choices in CHOICES.items()}
    image, truth = render_face(seed, 48, **fixed)
    assert image.std() > 0
    assert np.isfinite(truth["landmarks"]).all()


def test_memory_stays_flat():
    for seed in range(6):
        render_face(seed, 48)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for seed in range(6, 30):
        render_face(seed, 48)
    growth = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    assert growth < 25, f"peak memory grew by {growth:.0f} MB over 24 subjects"


def test_projection_of_known_points():
    points = np.array([[0, 0, -10.0], [1, 2, -10.0]])
    np.testing.assert_allclose(project(points, (100.0, 50.0, 40.0)), [[50, 40], [60, 20]])


def test_face_box_is_square_and_holds_the_landmarks():
    points = render_face(15, SIZE)[1]["landmarks"]
    x, y, width, height = face_box(points)
    assert width == pytest.approx(height)
    assert (points[:, 0] >= x).all()
    assert (points[:, 1] <= y + height).all()


def test_parameters_are_independent_streams():
    plain, fixed = draw_face(21), draw_face(21, yaw=33.0, hair="bald")
    changed = {name for name in plain if not np.array_equal(plain[name], fixed[name])}
    assert changed == {"yaw", "hair"}


def test_skin_tone_categories():
    assert [skin_tone_category(ita) for ita in (-30, 9.9, 10, 40.9, 41, 60)] == [
        "dark", "dark", "medium", "medium", "light", "light"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("fixed", "message"),
    [({"yaw": 200.0}, "expected yaw between"), ({"nose": 1}, "expected a face parameter"),
     ({"hair": "green"}, "expected hair from"), ({"ethnicity": (1, 1, 1)}, "expected ethnicity"),
     ({"action_units": {"AU99": (1, 1)}}, "expected action_units")],
)  # fmt: skip
def test_impossible_parameters_are_refused(fixed, message):
    with pytest.raises(ValueError, match=message):
        render_face(0, SIZE, **fixed)


def test_impossible_sizes_and_seeds_are_refused():
    with pytest.raises(ValueError, match="expected a size"):
        render_face(0, 8)
    with pytest.raises(ValueError, match="expected a seed"):
        render_face(-1, SIZE)
