"""Face boxes of a table's images: only missing ones are filled in, problems are told."""

import numpy as np
import pytest
from PIL import Image

from affectkit.data import BOX_COLUMNS, load_table, make_table
from affectkit.faces import render_face
from affectkit.pipeline import Face, write_face_boxes
from affectkit.pipeline.detect.boxes import KEPT_LABELS, add_face_boxes

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


def scene(folder, name, number):
    """A drawn face on a grey picture that is much larger than it."""
    canvas = np.full((200, 300, 3), 90, np.uint8)
    canvas[60:156, 150:246] = render_face(number, 96)[0]
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(canvas).save(folder / name)


def test_boxes_of_a_tree_are_written_where_the_loader_reads_them(tmp_path):
    scene(tmp_path, "train/Happy/a.png", 3)
    scene(tmp_path, "test/Sad/b.png", 4)
    before = load_table("folder", tmp_path, "all").set_index("image_id")
    file, found, rows = write_face_boxes(tmp_path)
    assert (file, found, rows) == (tmp_path / "labels.csv", 2, 2)
    after = load_table("folder", tmp_path, "all").set_index("image_id")
    assert after["expression"].to_dict() == before["expression"].to_dict()
    assert after["split"].to_dict() == before["split"].to_dict()
    centre_x = after["face_x"] + after["face_width"] / 2
    centre_y = after["face_y"] + after["face_height"] / 2
    assert ((centre_x - 198).abs() < 24).all()
    assert ((centre_y - 108).abs() < 24).all()


def test_an_old_labels_csv_keeps_its_columns_rows_and_boxes(tmp_path):
    for number, name in enumerate(("a.png", "b.png", "c.png")):
        scene(tmp_path, name, number + 3)
    old = (
        "file,expression,lighting,face_x,face_y,face_width,face_height\n"
        "a.png,Happy,007,1,2,30,40\n"
        "./b.png,Sad,dim,,,,\n"
        "gone.png,Sad,dim,,,,\n"
        "c.png,no such,dim,,,,\n"
    )
    (tmp_path / "labels.csv").write_text(old)
    file, found, rows = write_face_boxes(tmp_path)
    assert (found, rows) == (2, 2)
    lines = file.read_text().splitlines()
    assert lines[1] == "a.png,Happy,007,1.0,2.0,30.0,40.0"
    assert lines[2].startswith("./b.png,Sad,dim,1")
    assert lines[3:] == ["gone.png,Sad,dim,,,,", "c.png,no such,dim,,,,"]
    assert (tmp_path / KEPT_LABELS).read_text() == old
    stamp = file.stat().st_mtime_ns
    assert write_face_boxes(tmp_path)[1:] == (2, 2)  # nothing to add, so nothing is written
    assert file.stat().st_mtime_ns == stamp


def test_the_kept_labels_are_never_overwritten(tmp_path):
    scene(tmp_path, "a.png", 3)
    (tmp_path / "labels.csv").write_text("file,expression\na.png,Happy\n")
    (tmp_path / KEPT_LABELS).write_text("precious")
    with pytest.raises(ValueError, match="move it away"):
        write_face_boxes(tmp_path)
    assert (tmp_path / "labels.csv").read_text() == "file,expression\na.png,Happy\n"
    assert (tmp_path / KEPT_LABELS).read_text() == "precious"


def test_a_run_that_was_killed_after_it_kept_the_labels_goes_on(tmp_path):
    scene(tmp_path, "a.png", 3)
    for name in ("labels.csv", KEPT_LABELS):
        (tmp_path / name).write_text("file,expression\na.png,Happy\n")
    assert write_face_boxes(tmp_path)[1:] == (1, 1)
    assert (tmp_path / "labels.csv").read_text().startswith("file,expression,face_x")
    assert (tmp_path / KEPT_LABELS).read_text() == "file,expression\na.png,Happy\n"
