"""Face boxes of a table's images: only missing ones are filled in, problems are told."""

import numpy as np
import pytest
from PIL import Image

from affectkit.data.datasets import load_table
from affectkit.data.table import BOX_COLUMNS, make_table
from affectkit.face_boxes import add_face_boxes
from affectkit.face_frame import Face
from affectkit.faces.render import render_face

BOXES = list(BOX_COLUMNS)


def table_of(images, **columns):
    names = [f"{number}" for number in range(len(images))]
    return make_table({"image_id": names, "split": "test", "image": images, **columns}, "test")


def detect_by_brightness(image):
    """A stand-in for the network: a bright image has one face, a small one, at its corner."""
    return [Face((1, 2, 3, 3), 0.9, (1, 2, 3, 2))] if image.mean() > 100 else []


def test_only_missing_boxes_are_filled_in():
    images = [np.full((8, 8, 3), value, np.uint8) for value in (200, 200, 0)]
    table = table_of(
        images,
        face_x=[4, np.nan, np.nan],
        face_y=[4, np.nan, np.nan],
        face_width=[2, np.nan, np.nan],
        face_height=[2, np.nan, np.nan],
    )
    with pytest.warns(UserWarning, match="no face was found in 1 of 2 images"):
        found = add_face_boxes(table, detect_by_brightness)
    np.testing.assert_array_equal(found[BOXES], [[4, 4, 2, 2], [1, 2, 3, 3], [np.nan] * 4])
    assert found.attrs == table.attrs
    assert table.loc[1, BOXES].isna().all()  # the table itself is unchanged


def test_a_table_with_boxes_needs_no_detector():
    table = table_of([np.zeros((8, 8, 3), np.uint8)], face_x=0, face_y=0, face_width=8,
                     face_height=8)  # fmt: skip

    def refuse(image):
        raise AssertionError("was called")

    assert add_face_boxes(table, refuse)[BOXES].equals(table[BOXES])


def test_faces_of_a_folder_are_found_and_damaged_files_left(tmp_path):
    picture, _ = render_face(3, 96)
    canvas = np.full((200, 300, 3), 90, np.uint8)
    canvas[60:156, 150:246] = picture
    (tmp_path / "Happy").mkdir()
    Image.fromarray(canvas).save(tmp_path / "Happy/a.png")
    (tmp_path / "Happy/b.png").write_bytes(b"no image")
    table = load_table("folder", tmp_path, "all")
    with pytest.warns(UserWarning, match="1 of 2 images"):
        found = add_face_boxes(table)
    x, y, width, height = found.loc[0, BOXES]
    # the drawn head fills most of its picture of 96 pixels
    assert 150 < x + width / 2 < 246
    assert 60 < y + height / 2 < 156
    assert 40 < width == height < 130
    assert found.loc[1, BOXES].isna().all()
