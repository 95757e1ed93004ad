"""The rasteriser against coverage and weights computed by hand."""

import numpy as np
import pytest

from affectkit.faces.rasterize import barycentric, rasterize

# A right triangle with corners on pixel centres: rows 1..4, columns 1..4, hypotenuse included.
CORNERS = np.array([[1.0, 1.0], [4.0, 1.0], [1.0, 4.0]])
TRIANGLE = np.array([[0, 1, 2]])


def test_coverage_of_a_right_triangle_is_what_hand_counting_gives():
    index, near = rasterize(CORNERS, np.full(3, 0.5), TRIANGLE, 6, 6)
    expected = np.full((6, 6), -1)
    for row, length in ((1, 4), (2, 3), (3, 2), (4, 1)):
        expected[row, 1 : 1 + length] = 0
    np.testing.assert_array_equal(index, expected)
    np.testing.assert_allclose(near[index == 0], 0.5, atol=1e-6)
    assert (near[index < 0] == 0).all()


def test_both_windings_cover_the_same_pixels():
    one, _ = rasterize(CORNERS, np.full(3, 0.5), TRIANGLE, 6, 6)
    other, _ = rasterize(CORNERS, np.full(3, 0.5), TRIANGLE[:, ::-1], 6, 6)
    np.testing.assert_array_equal(one, other)


def test_barycentric_weights_of_single_pixels():
    index, _ = rasterize(CORNERS, np.full(3, 0.5), TRIANGLE, 6, 6)
    rows, columns, weights = barycentric(index, CORNERS, np.full(3, 0.5), TRIANGLE)
    at = {(row, column): weight for row, column, weight in zip(rows, columns, weights, strict=True)}
    np.testing.assert_allclose(at[1, 1], (1, 0, 0), atol=1e-6)
    np.testing.assert_allclose(at[2, 2], (1 / 3, 1 / 3, 1 / 3), atol=1e-6)
    np.testing.assert_allclose(at[1, 3], (1 / 3, 2 / 3, 0), atol=1e-6)


def test_barycentric_weights_are_perspective_correct():
    # Halfway on screen between depth 1 (nearness 1) and depth 4 (nearness 1/4):
    # the point is at 0.5 * 1 : 0.5 * 0.25 = 0.8 : 0.2 of the edge in space.
    corners = np.array([[0.0, 0.0], [2.0, 0.0], [0.0, 2.0]])
    nearness = np.array([1.0, 0.25, 1.0])
    index, _ = rasterize(corners, nearness, TRIANGLE, 3, 3)
    rows, columns, weights = barycentric(index, corners, nearness, TRIANGLE)
    middle = weights[(rows == 0) & (columns == 1)][0]
    np.testing.assert_allclose(middle, (0.8, 0.2, 0), atol=1e-6)


def test_the_nearer_of_two_triangles_wins_whatever_their_order():
    corners = np.concatenate([CORNERS, CORNERS])
    triangles = np.array([[0, 1, 2], [3, 4, 5]])
    for near, winner in (((0.2, 0.7), 1), ((0.7, 0.2), 0)):
        index, _ = rasterize(corners, np.repeat(near, 3), triangles, 6, 6)
        assert set(index[index >= 0]) == {winner}


def test_small_and_large_triangles_agree_with_a_brute_force_renderer():
    rng = np.random.default_rng(0)
    centres = rng.uniform(-5, 45, (60, 1, 2))
    sizes = rng.choice([0.6, 2.0, 8.0, 60.0], (60, 1, 1))
    corners = (centres + rng.normal(size=(60, 3, 2)) * sizes).reshape(-1, 2).astype(np.float32)
    triangles = np.arange(180).reshape(60, 3)
    nearness = rng.uniform(0.1, 0.9, 180).astype(np.float32)
    index, _ = rasterize(corners, nearness, triangles, 40, 40)
    best = np.zeros((40, 40))
    expected = np.full((40, 40), -1)
    rows, columns = np.mgrid[0:40, 0:40]
    for number, (a, b, c) in enumerate(corners.reshape(60, 3, 2).astype(float)):
        area = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
        second = ((columns - a[0]) * (c[1] - a[1]) - (rows - a[1]) * (c[0] - a[0])) / area
        third = ((b[0] - a[0]) * (rows - a[1]) - (b[1] - a[1]) * (columns - a[0])) / area
        first = 1 - second - third
        corner = nearness[triangles[number]]
        depth = first * corner[0] + second * corner[1] + third * corner[2]
        wins = (first >= 0) & (second >= 0) & (third >= 0) & (depth > best)
        best[wins], expected[wins] = depth[wins], number
    assert (index == expected).mean() > 0.995
    assert len(np.unique(expected)) > 15


def test_too_many_triangles_are_refused():
    with pytest.raises(ValueError, match="expected fewer than 1048576 triangles"):
        rasterize(CORNERS, np.ones(3), np.zeros((1 << 20, 3), int), 4, 4)
