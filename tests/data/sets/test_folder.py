"""Folders of images: labels.csv, sub-folders, hostile paths and text."""

import os

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from affectkit.data import (
    SkippedRows,
    load_splits,
    load_table,
    make_table,
    read_image,
    slice_columns,
)
from affectkit.data.sets.folder import load_folder


def folder(root, csv, *files):
    root.mkdir(exist_ok=True)
    for name in files:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"")
    if csv is not None:
        (root / "labels.csv").write_text(csv, encoding="utf-8")
    return root


def test_full_labels(tmp_path):
    root = folder(
        tmp_path / "set",
        "file,expression,valence,arousal,subject,split,face_x,face_y,face_width,face_height,"
        "lamp,age\n"
        "a.jpg,Happy,.5,-2,anna,Train,1,2,3,4,warm,20\n"
        "sub/b.jpg,6,,,,val,,,,,,31.5\n"
        "c.jpg,,-1,1,anna,holdout,,,,,cold,\n"
        "d.jpg,,-1,1,anna,test,,,,,cold,\n",
        "a.jpg", "sub/b.jpg", "c.jpg", "d.jpg",
    )  # fmt: skip
    skipped = SkippedRows()
    with pytest.warns(UserWarning, match="split 'holdout' is not one of"):
        table = load_table("folder", root, protocol="all", skipped=skipped)
    assert table["image_id"].tolist() == ["a.jpg", "sub/b.jpg", "d.jpg"]
    assert table["expression"].astype(object).fillna(-1).tolist() == [1, 6, -1]
    np.testing.assert_array_equal(table["valence"], [0.5, np.nan, -1])
    np.testing.assert_array_equal(table["arousal"], [np.nan, np.nan, 1])
    assert table["subject"].fillna("?").tolist() == ["anna", "?", "anna"]
    assert table["split"].tolist() == ["train", "validation", "test"]
    assert table["face_height"].notna().tolist() == [True, False, False]
    assert slice_columns(table) == ["lamp", "age"]
    assert table["lamp"].fillna("?").tolist() == ["warm", "?", "cold"]
    np.testing.assert_array_equal(table["age"], [20, 31.5, np.nan])
    assert [row.row for row in skipped] == ["4"]
    assert table.attrs == {"dataset": "folder", "protocol": "all"}


def test_words_for_an_unknown_number_leave_a_column_numbers(tmp_path):
    names = [f"{row}.jpg" for row in range(6)]
    values = ["24,NA,NA", "NA,a,1", " n/a ,b,?", "31,b,2", "?,unknown,x", "nan,b,3"]
    rows = "".join(f"{name},Happy,{value}\n" for name, value in zip(names, values, strict=True))
    root = folder(tmp_path / "set", "file,expression,age,country,mixed\n" + rows, *names)
    table = load_table("folder", root)
    np.testing.assert_array_equal(table["age"], [24, np.nan, np.nan, 31, np.nan, np.nan])
    assert table["country"].tolist() == ["NA", "a", "b", "b", "unknown", "b"]  # NA: Namibia
    assert table["mixed"].tolist() == ["NA", "1", "?", "2", "x", "3"]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("b.jpg,9", "expression '9' is not"),
        ("b.jpg,12", "expression '12' is not"),
        ("b.jpg,angru", "expression 'angru' is not"),
        ("b.jpg,", "neither an expression nor valence and arousal"),
        ("gone.jpg,1", "there is no image 'gone.jpg'"),
        ("sub,1", "there is no image 'sub'"),
        ("../out.jpg,1", "'../out.jpg' is not a path inside the root"),
        ("sub/../../out.jpg,1", "is not a path inside"),
        ("..\\out.jpg,1", "is not a path inside"),
        ("link.jpg,1", "'link.jpg' is behind a link out of the root"),
        ("linked/out.jpg,1", "'linked/out.jpg' is behind a link out"),
        ("a.jpg,2", "'a.jpg' is listed again (first: 2)"),
        ("b.jpg,1,extra", "expected 2 fields, got 3"),
    ],
)
def test_bad_rows_are_skipped(tmp_path, row, reason):
    root = folder(tmp_path / "set", f"file,expression\na.jpg,1\n{row}\nsub/c.jpg,2\n",
                  "a.jpg", "b.jpg", "sub/c.jpg")  # fmt: skip
    outside = folder(tmp_path / "outside", None, "out.jpg")
    (tmp_path / "out.jpg").write_bytes(b"")
    (root / "link.jpg").symlink_to(outside / "out.jpg")
    (root / "linked").symlink_to(outside)
    skipped = SkippedRows()
    table = load_folder(root, skipped)
    assert table["image_id"].tolist() == ["a.jpg", "sub/c.jpg"]
    (bad,) = skipped
    assert (bad.file, bad.row) == (str(root / "labels.csv"), "3")
    assert reason in bad.reason
    assert bad.remedy


def test_an_absolute_path_inside_the_root_is_inside(tmp_path):
    root = folder(tmp_path / "set", None, "sub/a.jpg", "b.jpg", "c.jpg")
    (tmp_path / "alias").symlink_to("set")
    names = [root / "sub" / "a.jpg", tmp_path / "alias" / "b.jpg", f"{root}//sub/../c.jpg",
             tmp_path / "out.jpg", f"{root}/../out.jpg", "b.jpg"]  # fmt: skip
    (tmp_path / "out.jpg").write_bytes(b"")
    rows = "".join(f"{name},Happy\n" for name in names)
    (root / "labels.csv").write_text(f"file,expression\n{rows}")
    skipped = SkippedRows()
    assert load_folder(root, skipped)["image_id"].tolist() == ["sub/a.jpg", "b.jpg", "c.jpg"]
    assert [row.row for row in skipped] == ["5", "6", "7"]
    outside, climbs, again = (row.reason for row in skipped)
    assert "is not a path inside" in outside
    assert "is not a path inside" in climbs
    assert "is listed again (first: 3)" in again


def test_links_inside_the_root_are_followed(tmp_path):
    root = folder(tmp_path / "set", "file,expression\nlink.jpg,1\n", "a.jpg")
    (root / "link.jpg").symlink_to("a.jpg")
    assert len(load_folder(root, SkippedRows())) == 1


def test_a_root_that_is_a_link_works(tmp_path):
    folder(tmp_path / "set", "file,expression\na.jpg,1\n", "a.jpg")
    (tmp_path / "alias").symlink_to("set")
    assert load_folder(tmp_path / "alias", SkippedRows())["path"].tolist() == [
        str(tmp_path / "alias" / "a.jpg")
    ]


def test_reserved_column_names_do_not_leak_into_the_table(tmp_path):
    root = folder(tmp_path / "set", "file,expression,path,row,image,soft_happy,line\n"
                  "a.jpg,1,/etc/passwd,7,x,9,2\n", "a.jpg")  # fmt: skip
    table = load_table("folder", root)
    assert table["path"][0] == str(root / "a.jpg")
    assert table["row"].isna().all()
    assert slice_columns(table) == ["line"]
    assert table["line"].tolist() == [2]


def test_sub_folders_by_expression(tmp_path):
    root = folder(tmp_path / "set", None, "happy/a.jpg", "happy/b.PNG", "happy/notes.txt",
                  "6/c.webp", "misc/d.jpg", ".git/x.jpg")  # fmt: skip
    skipped = SkippedRows()
    table = load_folder(root, skipped)
    assert dict(zip(table["image_id"], table["expression"], strict=True)) == {
        "happy/a.jpg": 1,
        "happy/b.PNG": 1,
        "6/c.webp": 6,
    }
    assert {row.file: row.reason for row in skipped} == {
        str(root / "happy" / "notes.txt"): ".txt",
        str(root / "misc" / "d.jpg"): "in misc/, which names neither an expression nor a split",
    }


def test_split_folders_with_sub_folders(tmp_path):
    root = folder(tmp_path / "set", None, "train/sad/a.jpg", "val/sad/b.jpg", "test/fear/c.jpg")
    table = load_folder(root, SkippedRows())
    assert dict(zip(table["image_id"], table["split"], strict=True)) == {
        "train/sad/a.jpg": "train",
        "val/sad/b.jpg": "validation",
        "test/fear/c.jpg": "test",
    }


def test_neither_labels_nor_expression_folders(tmp_path):
    root = folder(tmp_path / "set", None, "a.jpg", "misc/b.jpg")
    with pytest.raises(FileNotFoundError, match=r"expected labels\.csv.*found a\.jpg, misc"):
        load_folder(root, SkippedRows())


@pytest.mark.filterwarnings("ignore:folder has no valence")
def test_subjects_stay_in_one_split(tmp_path):
    names = [f"{person}_{shot}.jpg" for person in range(20) for shot in range(3)]
    rows = "".join(f"{name},{i % 8},s{name.split('_')[0]}\n" for i, name in enumerate(names))
    root = folder(tmp_path / "set", "file,expression,subject\n" + rows, *names)
    splits = load_splits("folder", root)
    assert {name: part["subject"].nunique() for name, part in splits.items()} == {
        "train": 14, "validation": 3, "test": 3,
    }  # fmt: skip
    assert sum(len(part) for part in splits.values()) == 60
    again = load_splits("folder", root)
    assert all(again[name].equals(part) for name, part in splits.items())


hostile = st.text(
    st.one_of(
        st.sampled_from(list("\"',\n\r\t;=/\\.~:\u2028\ufeff\u202e -+0123456789")),
        st.characters(exclude_categories=("Cs",)),
    ),
    max_size=15,
)


@pytest.mark.skipif(os.name == "nt", reason="needs a POSIX file system")
@given(rows=st.lists(st.lists(hostile, max_size=6), max_size=5))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None,
          max_examples=40)  # fmt: skip
def test_hostile_labels_never_break_the_table(tmp_path, rows):
    root = folder(tmp_path / "set", None, "good.jpg")
    lines = ["file,expression,valence,arousal,note", "good.jpg,1,,,"]
    text = "\n".join([*lines, *(",".join(row) for row in rows)])
    (root / "labels.csv").write_bytes(text.encode())
    try:
        table = load_folder(root, SkippedRows())
    except ValueError as error:  # a zero byte, an open quote
        assert "labels.csv line" in str(error)  # noqa: PT017
        return
    table["split"] = "test"
    made = make_table(table, "folder")
    assert made["image_id"].tolist() == ["good.jpg"]


numbers = st.one_of(
    st.floats().map(str), st.integers().map(str), st.sampled_from(["", "-2", "1", "-1", "1e400"])
)


@given(rows=st.lists(st.tuples(st.integers(-3, 12), numbers, numbers), min_size=1, max_size=8))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None,
          max_examples=40)  # fmt: skip
def test_every_row_is_either_valid_or_skipped(tmp_path, rows):
    names = [f"{position}.jpg" for position in range(len(rows))]
    lines = [f"{name},{e},{v},{a}" for name, (e, v, a) in zip(names, rows, strict=True)]
    root = folder(tmp_path / "set", "\n".join(["file,expression,valence,arousal", *lines]), *names)
    skipped = SkippedRows()
    table = load_folder(root, skipped, "affectnet")
    table["split"] = "test"
    assert len(make_table(table, "folder")) + len(skipped) == len(rows)
    assert table["expression"].isin(range(8)).all()
    assert table[["valence", "arousal"]].abs().max().fillna(0).le(1).all()


@pytest.mark.needs_shared
def test_london_faces(shared):
    table = load_table("folder", shared / "data" / "london_faces")
    assert table["expression"].value_counts().to_dict() == {0: 20, 1: 20}
    assert slice_columns(table) == ["age", "gender", "ethnicity"]
    assert table["gender"].isin(["female", "male"]).all()
    assert table["age"].isna().sum() == 2  # of one person the age is NA
    assert table["age"].between(20, 42).sum() == 38
    assert read_image(table["path"][0]).shape[2] == 3
    names = table["image_id"].str.split("_").str[1].str.removesuffix(".jpg")
    assert (names.map({"neutral": 0, "smiling": 1}) == table["expression"]).all()
