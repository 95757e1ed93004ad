"""The head asset, the texture space and the colours of skin."""

from pathlib import Path

import numpy as np
import pytest

from affectkit.faces import assets
from affectkit.faces.colour import lab_to_linear, linear_to_srgb, skin_colour, srgb_to_linear
from affectkit.faces.geometry import identity_vertices, macro_weights
from affectkit.faces.lighting import ambient_light, key_direction, vertex_visibility
from affectkit.faces.texture_space import (
    HEIGHT,
    WIDTH,
    position_map,
    smooth_curve,
    texture_coordinates,
)

FOLDER = Path(assets.__file__).parent


def test_asset_is_small_and_carries_its_licence():
    assert (FOLDER / "head.npz").stat().st_size < 600_000
    assert "CC0 1.0 Universal" in (FOLDER / "LICENSE-CC0.txt").read_text()
    with np.load(FOLDER / "head.npz", allow_pickle=False) as archive:
        assert all(archive[name].dtype != object for name in archive.files)


def test_missing_asset_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr(assets, "__file__", str(tmp_path / "assets.py"))
    assets.load_head.cache_clear()
    with pytest.raises(FileNotFoundError, match="reinstall affectkit"):
        assets.load_head()
    assets.load_head.cache_clear()


def test_landmarks_are_mirror_images():
    points = assets.load_head().positions[assets.load_head().landmarks]
    for right, left in ((0, 16), (36, 45), (39, 42), (48, 54), (31, 35), (17, 26)):
        np.testing.assert_allclose(points[right] * (-1, 1, 1), points[left], atol=0.15)
    assert points[8, 1] < points[57, 1] < points[33, 1] < points[27, 1] < points[19, 1]


def test_macro_weights_sum_to_one_and_pick_their_target():
    weights = macro_weights(np.array([0, 1, 0]), 1.0, 0.0)
    names = assets.load_head().macro_names
    assert names[weights.argmax()] == "asian-female-young"
    assert macro_weights(np.array([0.2, 0.3, 0.5]), 0.3, 0.6).sum() == pytest.approx(1)


def test_identity_changes_the_head_but_not_its_place():
    head = assets.load_head()
    none = np.zeros(len(head.detail_names), np.float32)
    old, young = (
        identity_vertices(head, macro_weights(np.array([0, 0, 1]), 0.0, age), none)
        for age in (1.0, 0.0)
    )
    assert 0.1 < np.abs(old - young)[head.landmarks].max() < 4
    eyes = np.concatenate(head.eye_vertices)
    assert np.abs(old[eyes].mean(0) - young[eyes].mean(0)).max() < 0.1


def test_texture_coordinates_of_known_points():
    points = np.array([[0, 12.0, 14.0], [0, -14.0, 14.0], [10.0, -1.0, 4.0]])
    pixels = texture_coordinates(points)
    np.testing.assert_allclose(pixels[0], (WIDTH / 2 - 0.5, -0.5), atol=1e-3)
    np.testing.assert_allclose(pixels[1], (WIDTH / 2 - 0.5, HEIGHT - 0.5), atol=1e-3)
    expected = (0.84 * 90 / 95 + 1) / 2 * WIDTH - 0.5
    np.testing.assert_allclose(pixels[2], (expected, HEIGHT / 2 - 0.5), atol=1e-3)


def test_position_map_inverts_the_texture_coordinates():
    place = position_map()
    back = texture_coordinates(place[60:200:20, 120:260:20].reshape(-1, 3))
    rows, columns = np.mgrid[60:200:20, 120:260:20]
    wanted = np.stack([columns.ravel(), rows.ravel()], 1)
    assert np.abs(back - wanted).max() < 0.5


def test_smooth_curve_passes_through_its_points():
    points = np.array([[0.0, 0.0], [1.0, 2.0], [3.0, 1.0]])
    curve = smooth_curve(points, closed=False, steps=4)
    np.testing.assert_allclose(curve[[0, 4]], points[:2])


def test_srgb_round_trip_and_a_known_value():
    values = np.linspace(0, 1, 21)
    np.testing.assert_allclose(linear_to_srgb(srgb_to_linear(values)), values, atol=1e-5)
    assert srgb_to_linear(np.array(0.5)) == pytest.approx(0.21404, abs=1e-4)


def test_lab_of_white_and_mid_grey():
    np.testing.assert_allclose(lab_to_linear(100, 0, 0), (1, 1, 1), atol=5e-3)
    np.testing.assert_allclose(lab_to_linear(50, 0, 0), (0.184, 0.184, 0.184), atol=3e-3)


def test_skin_colour_has_the_wanted_ita():
    for ita in (-20.0, 20.0, 45.0):
        red, green, blue = skin_colour(ita, np.random.default_rng(0))
        matrix = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
        xyz = np.array(matrix) @ (red, green, blue) / (0.9505, 1.0, 1.089)
        _, y, z = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
        lightness, b = 116 * y - 16, 200 * (y - z)
        assert np.degrees(np.arctan((lightness - 50) / b)) == pytest.approx(ita, abs=1.5)
        assert red > green > blue


def test_ambient_cube_picks_the_side_that_a_normal_faces():
    cube = np.arange(18.0).reshape(6, 3)
    normals = np.array([[1.0, 0, 0], [0, -1.0, 0], [0, 0.6, 0.8]])
    expected = [cube[0], cube[3], 0.36 * cube[2] + 0.64 * cube[4]]
    np.testing.assert_allclose(ambient_light(normals, cube), expected)


def test_key_light_directions():
    np.testing.assert_allclose(key_direction(0, 0), (0, 0, 1), atol=1e-6)
    np.testing.assert_allclose(key_direction(90, 0), (1, 0, 0), atol=1e-6)
    np.testing.assert_allclose(key_direction(0, 90), (0, 1, 0), atol=1e-6)


def test_baked_shadow_lies_on_the_side_away_from_the_light():
    head = assets.load_head()
    visible = vertex_visibility(key_direction(80, 0))
    near, far = head.landmarks[13], head.landmarks[3]
    assert visible[near] > 0.7
    assert visible[far] < 0.3
    assert visible[head.landmarks[30]] > 0.5
