"""The one recipe from image and box to network input, against hand-computed crops."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from affectkit.data import load_faces, make_batches, make_table, read_face
from affectkit.preprocess import Preprocessing, crop_face, face_input, resize_face, scale_pixels

EXACT = Preprocessing(image_size=32, crop_margin=0.0)


def coordinates(height, width):
    """An image that holds its own coordinates: red = x, green = y."""
    y, x = np.mgrid[:height, :width]
    return np.stack([x, y, 0 * x], axis=2).astype(np.uint8)


def test_square_box_without_margin_is_cut_exactly():
    face = crop_face(coordinates(100, 200), (50, 20, 32, 32), EXACT)
    np.testing.assert_array_equal(face, coordinates(100, 200)[20:52, 50:82])


def test_margin_is_a_share_of_the_longer_side_on_each_side():
    # box 16 x 20: side 20 * (1 + 2 * .3) = 32, centre (68, 60): x 52..84, y 44..76
    preprocessing = Preprocessing(image_size=32, crop_margin=0.3)
    face = crop_face(coordinates(100, 200), (60, 50, 16, 20), preprocessing)
    np.testing.assert_array_equal(face, coordinates(100, 200)[44:76, 52:84])


def test_edge_pixels_are_repeated_outside_the_image():
    face = crop_face(coordinates(100, 200), (-10, 80, 32, 32), EXACT)
    np.testing.assert_array_equal(face[:, :10, 0], 0)
    np.testing.assert_array_equal(face[0, 10:, 0], np.arange(22))
    np.testing.assert_array_equal(face[20:, 0, 1], 99)
    np.testing.assert_array_equal(face[:20, 0, 1], np.arange(80, 100))


def test_no_box_takes_the_largest_centred_square():
    face = crop_face(coordinates(32, 64), None, EXACT)
    np.testing.assert_array_equal(face, coordinates(32, 64)[:, 16:48])


def test_shrinking_averages_areas_and_growing_interpolates():
    checks = np.indices((64, 64)).sum(axis=0) % 2 * 200
    small = resize_face(np.repeat(checks[..., None], 3, 2).astype(np.uint8), 32)
    np.testing.assert_array_equal(small, 100)
    step = np.zeros((2, 2, 3), np.uint8)
    step[:, 1] = 100
    assert set(np.unique(resize_face(step, 4))) == {0, 25, 75, 100}


@pytest.mark.parametrize("side", [33, 63, 65, 90, 127, 129, 300, 640])
def test_fine_patterns_become_grey_at_any_scale(side):
    """Skipping pixels would turn checks of one pixel into false stripes of up to 200."""
    checks = (np.indices((side, side)).sum(axis=0) % 2 * 200).astype(np.uint8)
    small = resize_face(checks, 32).astype(float)
    assert small.mean() == pytest.approx(100, abs=2)
    assert small.std() < 30 if side >= 63 else small.std() < 80  # nearly the same size: no mean


@pytest.mark.parametrize("side", [80, 150, 286, 500])
def test_a_smooth_face_shrinks_as_by_areas(side):
    """The quick way differs from plain area averaging by rounding alone where nothing is fine."""
    waves = np.sin(np.linspace(0, 6, side))
    face = (127 + 60 * waves[:, None] * waves).astype(np.uint8)
    exact = cv2.resize(face, (32, 32), interpolation=cv2.INTER_AREA).astype(int)
    assert np.abs(resize_face(face, 32) - exact).max() <= 2


@pytest.mark.parametrize(
    "box",
    [(0, 0, 0, 5), (300, 0, 10, 10), (0, -50, 10, 20), (0, 0, -1, 5), (0, 0, np.inf, 5),
     (0, 0, 5, np.inf), (-np.inf, 0, np.inf, 5), (np.nan, 0, 5, 5)],
)  # fmt: skip
def test_boxes_that_hold_nothing_are_refused(box):
    with pytest.raises(ValueError, match="empty or outside the image of 200 x 100 pixels"):
        crop_face(coordinates(100, 200), box, EXACT)


@settings(max_examples=200, deadline=None)
@given(
    x=st.floats(-300, 300),
    y=st.floats(-300, 300),
    width=st.floats(0.01, 1e6),
    height=st.floats(0.01, 1e6),
    margin=st.floats(0, 1),
)
def test_any_box_gives_a_face_or_our_error(x, y, width, height, margin):
    try:
        face = crop_face(
            coordinates(90, 120), (x, y, width, height), Preprocessing(48, crop_margin=margin)
        )
    except ValueError as error:
        assert "outside the image" in str(error)  # noqa: PT017
    else:
        assert face.shape == (48, 48, 3)
        assert face.dtype == np.uint8


def test_scaling_is_minus_one_to_one():
    np.testing.assert_allclose(scale_pixels(np.array([0.0, 127.5, 255.0])), [-1, 0, 1])
    levels = np.arange(256, dtype=np.uint8)
    written = scale_pixels(levels, out=np.empty(256, np.float32))
    np.testing.assert_array_equal(written, scale_pixels(levels.astype(np.float32)))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"image_size": 8}, "image_size of 32..1024"),
        ({"crop_margin": 3.0}, "crop_margin of 0..1"),
        ({"colour_order": "BGR"}, "colour order RGB"),
        ({"scaling": "x / 255"}, "scaling"),
    ],
)
def test_settings_that_do_not_exist(settings, message):
    with pytest.raises(ValueError, match=message):
        Preprocessing(**settings)


def test_grey_faces_are_the_luminance_of_the_coloured_ones():
    """ITU-R BT.601: 0.299 R + 0.587 G + 0.114 B, rounded once before and once after resizing."""
    image = np.random.default_rng(1).integers(0, 256, (90, 120, 3), dtype=np.uint8)
    for box in ((10, 5, 80, 80), (-10, 30, 40, 60)):
        coloured = crop_face(image, box, EXACT).astype(float)
        grey = crop_face(image, box, Preprocessing(32, grey=True))
        assert (grey == grey[..., :1]).all()
        np.testing.assert_allclose(grey[..., 0], coloured @ [0.299, 0.587, 0.114], atol=1.6)


def test_settings_survive_json():
    preprocessing = Preprocessing(72, 0.25)
    assert Preprocessing(**preprocessing.to_dict()) == preprocessing


def test_every_caller_feeds_the_same_pixels():
    """Training, evaluation (cached and streamed) and inference on a frame agree exactly."""
    image = np.random.default_rng(0).integers(0, 255, (120, 160, 3), dtype=np.uint8)
    box = (30.0, 20.0, 60.0, 70.0)
    table = make_table({"image_id": ["a"], "split": ["test"]}, "memory")
    table[["face_x", "face_y", "face_width", "face_height"]] = box
    table["image"] = [image]
    preprocessing = Preprocessing(48)
    frame = face_input(image, [box], preprocessing)
    row = read_face(next(table.itertuples(index=False)), preprocessing)
    faces, kept = load_faces(table, preprocessing)
    cached = next(iter(make_batches(kept, faces, preprocessing)))[0].numpy()
    streamed = next(iter(make_batches(kept, None, preprocessing)))[0].numpy()
    assert frame.shape == (1, 48, 48, 3)
    for pixels in (row[None], faces, cached, streamed):
        np.testing.assert_array_equal(scale_pixels(pixels.astype(np.float32)), frame)
