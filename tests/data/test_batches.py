"""Batches: order, shuffling, weights, streaming, and rows that can't be read."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from affectkit.data import SkippedRows, load_faces, make_batches, make_table
from affectkit.data.batches import CHUNK_ROWS
from affectkit.preprocess import Preprocessing

SIZE = Preprocessing(32)


@pytest.fixture
def table(tmp_path):
    """Ten files; the grey level of file i is 10 * i."""
    for index in range(10):
        level = np.full((40, 40, 3), 10 * index, np.uint8)
        Image.fromarray(level).save(tmp_path / f"{index}.png")
    columns = {
        "image_id": [f"{index}.png" for index in range(10)],
        "path": [str(tmp_path / f"{index}.png") for index in range(10)],
        "split": ["train"] * 10,
        "expression": [index % 8 for index in range(10)],
    }
    return make_table(columns, "levels", "folder")


def test_faces_keep_the_tables_order(table):
    faces, kept = load_faces(table, SIZE)
    assert faces.shape == (10, 32, 32, 3)
    np.testing.assert_array_equal(faces[:, 0, 0, 0], np.arange(10) * 10)
    pd.testing.assert_frame_equal(kept, table)
    assert kept.attrs == table.attrs


def test_many_rows_stay_paired_with_their_faces():
    """More rows than are read at a time: every face must belong to its row."""
    rows = 2 * CHUNK_ROWS + 7
    ids = [str(row) for row in range(rows)]
    table = make_table({"image_id": ids, "split": ["train"] * rows}, "memory")
    table["image"] = [np.full((8, 8), row % 251, np.uint8) for row in range(rows)]
    faces, kept = load_faces(table, SIZE)
    assert kept["image_id"].tolist() == ids
    np.testing.assert_array_equal(faces[:, 0, 0, 0], np.arange(rows) % 251)


def test_bad_rows_are_skipped_listed_and_warned_about(table, tmp_path):
    (tmp_path / "3.png").write_bytes(b"broken")
    (tmp_path / "5.png").unlink()
    table.loc[7, ["face_x", "face_y", "face_width", "face_height"]] = [500.0, 0.0, 10.0, 10.0]
    skipped = SkippedRows()
    with pytest.warns(UserWarning, match="skipped 3 of 10 rows"):
        faces, kept = load_faces(table, SIZE, skipped)
    assert kept["image_id"].tolist() == [f"{index}.png" for index in (0, 1, 2, 4, 6, 8, 9)]
    np.testing.assert_array_equal(faces[:, 0, 0, 0], [0, 10, 20, 40, 60, 80, 90])
    listed = skipped.to_frame()
    assert listed["row"].tolist() == ["3.png", "5.png", "7.png"]
    assert listed["reason"].str.contains("read as an image|not exist|outside the image").all()


def test_nothing_readable_is_an_error(table, tmp_path):
    for path in table["path"]:
        (tmp_path / path).unlink()
    with pytest.raises(ValueError, match="none of the 10 images"), pytest.warns(match="10 of 10"):
        load_faces(table, SIZE)


def test_batches_pair_faces_targets_and_weights(table):
    faces, kept = load_faces(table, SIZE)
    targets = np.arange(20, dtype=np.float32).reshape(10, 2)
    weights = np.arange(10, dtype=np.float32) / 10
    batches = list(
        make_batches(kept, faces, SIZE, targets, weights, batch_size=4, shuffle=True, seed=1)
    )
    assert [len(pixels) for pixels, _, _ in batches] == [4, 4, 2]
    order = np.concatenate([pixels.numpy()[:, 0, 0, 0] // 10 for pixels, _, _ in batches])
    assert sorted(order) == list(range(10))
    assert order.tolist() != list(range(10))
    np.testing.assert_array_equal(
        np.concatenate([t.numpy() for _, t, _ in batches]), targets[order]
    )
    np.testing.assert_allclose(np.concatenate([w.numpy() for _, _, w in batches]), weights[order])


def test_shuffling_is_seeded_and_new_each_epoch(table):
    faces, kept = load_faces(table, SIZE)

    def orders(seed):
        batches = make_batches(kept, faces, SIZE, batch_size=10, shuffle=True, seed=seed)
        return [next(iter(batches))[0].numpy()[:, 0, 0, 0].tolist() for _ in range(2)]

    first = orders(0)
    assert first == orders(0)
    assert first[0] != first[1]
    assert first != orders(1)


def test_over_the_memory_limit_faces_are_streamed_and_equal(table, tmp_path):
    (tmp_path / "3.png").write_bytes(b"broken")
    with pytest.warns(UserWarning, match="skipped 1 of 10"):
        nothing, kept = load_faces(table, SIZE, memory_limit=1000)
    assert nothing is None
    assert len(kept) == 9
    streamed = np.concatenate([batch[0] for batch in make_batches(kept, None, SIZE, batch_size=4)])
    faces, _ = load_faces(kept, SIZE)
    np.testing.assert_array_equal(streamed, faces)


def test_lengths_must_agree(table):
    faces, kept = load_faces(table, SIZE)
    with pytest.raises(ValueError, match="differ in length"):
        make_batches(kept, faces, SIZE, targets=np.zeros((9, 2), np.float32))
    with pytest.raises(ValueError, match="without targets"):
        make_batches(kept, faces, SIZE, sample_weights=np.ones(10, np.float32))
