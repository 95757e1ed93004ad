"""Data sets as people have them: layouts, names, links, numbers and boxes (cases 09 to 19)."""

import os
import shutil
import time
import unicodedata
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from typer.testing import CliRunner

from affectkit.cli import app
from affectkit.data import (
    BOX_COLUMNS,
    SkippedRows,
    load_splits,
    load_table,
    read_face,
    read_table_image,
    slice_columns,
)
from affectkit.labels import LABEL_ORDERS, expression_code
from affectkit.pipeline.detect.boxes import write_face_boxes
from affectkit.preprocess import Preprocessing


def pictures(root, *names, size=(40, 30)):
    """Write pictures that differ; gives the root."""
    for position, name in enumerate(names):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.full((size[1], size[0], 3), (position * 37) % 256, np.uint8)
        Image.fromarray(pixels).save(path, "PNG")
    return root


def tree(root, *folders, number=3):
    return pictures(root, *(f"{folder}/{i}.png" for folder in folders for i in range(number)))


def load(root, dataset="folder", **options):
    """Load every row; gives the table, what was left out, and the warnings."""
    skipped = SkippedRows()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        table = load_table(dataset, root, protocol="all", skipped=skipped, **options)
    return table, skipped, [str(one.message) for one in caught]


def expressions(table):
    return dict(zip(table["image_id"], table["expression"], strict=True))


def copied(shared, name, tmp_path):
    return Path(shutil.copytree(shared / "cases" / name, tmp_path / "case"))


def invoke(*arguments, code=0):
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output
    return " ".join(result.output.split())


# Layouts of folders.


def test_pictures_deeper_in_an_expressions_folder_are_read(tmp_path):
    tree(tmp_path, "happy/anna", "happy/ben", "sad/anna", "neutral", "fear/clip/take")
    table, skipped, _ = load(tmp_path)
    assert len(table) == 15
    assert not len(skipped)
    found = table.set_index("image_id")
    assert found.loc["happy/ben/1.png", "subject"] == "ben"
    assert found.loc["happy/ben/1.png", "expression"] == 1
    assert found.loc["neutral/0.png", ["subject"]].isna().all()
    assert found.loc["fear/clip/take/0.png", ["subject"]].isna().all()  # of two it is not known
    by_subject = table[table["subject"] == "anna"]
    assert by_subject["split"].nunique() == 1


@pytest.mark.needs_shared
def test_case_09(shared):
    table, skipped, _ = load(shared / "cases" / "09-tree-nested-folders" / "tree")
    assert table["expression"].value_counts().to_dict() == {1: 12, 0: 6, 2: 6}
    assert table["subject"].value_counts().to_dict() == {"subject1": 12, "subject2": 6}
    assert not len(skipped)


@pytest.mark.parametrize(
    ("names", "splits"),
    [
        (("train", "dev", "test"), ("train", "validation", "test")),
        (("Training_Set", "valid-set", "TESTING"), ("train", "validation", "test")),
        (("training", "PublicTest", "PrivateTest"), ("train", "validation", "test")),
        (("train", "dev", "eval"), ("train", "validation", "test")),
        (("train", "eval", "test"), ("train", "validation", "test")),
    ],
)
def test_split_folders_of_other_names(tmp_path, names, splits):
    tree(tmp_path / "outside", *(f"{name}/{one}" for name in names for one in ("happy", "sad")))
    tree(tmp_path / "inside", *(f"{one}/{name}" for name in names for one in ("happy", "sad")))
    for root in ("outside", "inside"):
        table, skipped, notes = load(tmp_path / root)
        assert table["split"].value_counts().to_dict() == dict.fromkeys(splits, 6)
        assert not len(skipped)
        assert any("'eval' is read as" in note for note in notes) == ("eval" in names)
    for name, split in zip(names, splits, strict=True):
        assert (table.loc[table["image_id"].str.contains(f"/{name}/"), "split"] == split).all()


def test_split_names_in_a_column(tmp_path):
    pictures(tmp_path, "a.png", "b.png", "c.png", "d.png")
    rows = "a.png,sad,Training\nb.png,sad,dev\nc.png,sad,Eval\nd.png,sad,later\n"
    (tmp_path / "labels.csv").write_text("file,expression,split\n" + rows)
    table, skipped, notes = load(tmp_path)
    assert table["split"].tolist() == ["train", "validation", "test"]
    assert [row.row for row in skipped] == ["5"]
    assert any("'eval' is read as test" in note for note in notes)


@pytest.mark.needs_shared
def test_case_10(shared):
    table, skipped, notes = load(shared / "cases" / "10-tree-split-names" / "tree")
    assert table["split"].value_counts().to_dict() == {"train": 18, "validation": 18, "test": 18}
    assert not len(skipped)
    assert any("'eval' is read as test" in note for note in notes)


def test_what_is_not_read_is_counted_and_named(tmp_path):
    tree(tmp_path, "train/happy", "test/happy", "holdout/happy", "misc", "train/angru", "sad")
    tree(tmp_path, "train/happy/Sad", "__MACOSX/train/happy", ".cache/happy")
    pictures(tmp_path, "loose.png", "train/loose.png")
    (tmp_path / "train" / "happy" / "notes.txt").write_text("none")
    output = invoke("datasets", "folder", "--root", tmp_path, "--protocol", "all")
    line = output[output.index("Left out:") :]
    for count in (
        "3 in holdout/, which names neither an expression nor a split",
        "3 in misc/, which names neither",
        "3 in train/angru/, which names neither",
        "3 in sad/, in no split while others are",
        "3 in train/happy/Sad/, which names two expressions",
        "2 beside the folders that are named by expression",
        "1 .txt",
    ):
        assert count in line
    table, skipped, _ = load(tmp_path)
    assert len(table) == 6
    assert len(skipped) == 18
    assert str(tmp_path / "holdout" / "happy" / "0.png") in {row.file for row in skipped}
    assert all(row.remedy for row in skipped)


def test_pictures_with_other_suffixes_are_told_by_their_content(tmp_path):
    pictures(tmp_path / "happy", "a.png", "b.jfif", "c.JPE", "d", "e.heic")
    Image.new("P", (20, 20), 7).save(tmp_path / "happy" / "f.gif", "GIF")
    (tmp_path / "happy" / "g.psd").write_bytes(b"8BPS" + bytes(40))
    (tmp_path / "happy" / "h.mp4").write_bytes(b"\0\0\0\x18ftypisom" + bytes(40))
    table, skipped, _ = load(tmp_path)
    assert [Path(name).name for name in table["image_id"]] == [
        "a.png", "b.jfif", "c.JPE", "d", "e.heic", "f.gif",
    ]  # fmt: skip
    assert all(read_table_image(row).ndim == 3 for row in table.itertuples())
    assert {row.reason: row.remedy for row in skipped}.keys() == {".psd", ".mp4"}
    assert "1 .psd (convert it" in skipped.summary()


@pytest.mark.needs_shared
def test_case_17(shared):
    table, skipped, _ = load(shared / "cases" / "17-tree-other-suffixes" / "tree")
    assert len(table) + len(skipped) == 19
    names = {Path(name).name for name in table["image_id"]}
    assert {"b.gif", "d.jfif"} <= names
    for row in table.itertuples():
        assert read_table_image(row).shape[2] == 3


@pytest.mark.needs_shared
def test_case_16(shared, tmp_path):
    table, skipped, _ = load(shared / "cases" / "16-appledouble" / "tree")
    assert len(table) == 18
    assert not len(skipped)
    root = copied(shared, "16-appledouble", tmp_path) / "tree"
    rows = "".join(f"happy/{name},happy\n" for name in ("img0.jpg", "._img0.jpg"))
    (root / "labels.csv").write_text("file,expression\n" + rows)
    table, skipped, _ = load(root)
    assert len(table) == 1
    assert "companion file of macOS" in next(iter(skipped)).reason


def test_macos_companions_in_affectnet(tmp_path):
    annotated(tmp_path / "val_set", 4)
    for file in list(tmp_path.rglob("*.*")):
        file.with_name(f"._{file.name}").write_bytes(b"\0\5\x16\7")
    table, skipped, _ = load(tmp_path, "affectnet")
    assert len(table) == 4
    assert not len(skipped)


def test_an_upper_case_labels_csv_is_read(tmp_path):
    pictures(tmp_path, "happy/a.png", "b.png")
    (tmp_path / "Labels.CSV").write_text("file,expression\nb.png,sad\n")
    assert expressions(load(tmp_path)[0]) == {"b.png": 2}


# What numbers mean.


@pytest.mark.parametrize(
    ("order", "number", "code"),
    [
        ("affectnet", 4, 4),
        ("rafdb", 4, 1),
        ("rafdb", 7, 0),
        ("ferplus", 2, 3),
        ("ckplus", 5, 1),
        ("fer2013", 6, 0),
    ],
)
def test_orders_of_labels(order, number, code):
    assert LABEL_ORDERS[order][number] == code
    assert expression_code(f" {number}.0", order) == code
    assert expression_code("Happiness", order) == 1
    with pytest.raises(ValueError, match="expected an expression"):
        expression_code("9", order)
    with pytest.raises(ValueError, match="expected a label order of affectnet, rafdb"):
        expression_code("1", "raf")


def numbered(root, numbers, where):
    if where == "folders":
        return tree(root, *(f"train/{number}" for number in numbers), "test/happy")
    pictures(root, *(f"{number}.png" for number in numbers))
    rows = "".join(f"{number}.png, {number}\n" for number in numbers)
    (root / "labels.csv").write_text("file,expression\n" + rows)
    return root


@pytest.mark.parametrize("where", ["folders", "labels"])
@pytest.mark.parametrize("numbers", [range(1, 8), range(1, 9), (4, 5, 7)])
def test_numbers_that_can_not_be_affectnets_are_refused(tmp_path, where, numbers):
    root = numbered(tmp_path, numbers, where)
    with pytest.raises(ValueError, match="can't be AffectNet's codes.*no 0.*--labels rafdb"):
        load(root)
    table, _, notes = load(root, labels="rafdb")
    codes = expressions(table)
    for number in set(numbers) - {8}:
        name = f"train/{number}/0.png" if where == "folders" else f"{number}.png"
        assert codes[name] == LABEL_ORDERS["rafdb"][number]
    assert not [note for note in notes if "codes" in note]
    table, _, _ = load(root, labels="affectnet")
    assert expressions(table)["train/7/0.png" if where == "folders" else "7.png"] == 7


@pytest.mark.parametrize("where", ["folders", "labels"])
def test_other_numbers_are_read_with_a_word_or_by_their_order(tmp_path, where):
    root = numbered(tmp_path / "seven", range(7), where)
    _, _, notes = load(root)
    assert any("0, 1, 2, 3, 4, 5, 6 are read as AffectNet's" in note for note in notes)
    assert not [note for note in load(root, labels="affectnet")[2] if "are read as" in note]
    codes = expressions(load(root, labels="fer2013")[0])
    assert codes["train/0/0.png" if where == "folders" else "0.png"] == 6  # angry
    with pytest.raises(ValueError, match="count from 0, those of --labels rafdb do not"):
        load(root, labels="rafdb")
    _, _, notes = load(numbered(tmp_path / "all", range(8), where))
    assert not [note for note in notes if "are read as" in note]


def test_numbers_deeper_than_an_expression_are_subjects(tmp_path):
    tree(tmp_path, "happy/1", "happy/7", "sad/7")
    table, _, notes = load(tmp_path)
    assert table["subject"].value_counts().to_dict() == {"7": 6, "1": 3}
    assert not [note for note in notes if "codes" in note]


@pytest.mark.needs_shared
def test_case_11(shared, tmp_path):
    root = shared / "cases" / "11-tree-rafdb-numbers" / "tree"
    output = invoke("datasets", "folder", "--root", root, code=2)
    assert "can't be AffectNet's" in output
    assert "--labels rafdb" in output
    invoke("datasets", "folder", "--root", root, "--labels", "rafdb")
    codes = expressions(load(root, labels="rafdb")[0])
    assert codes["train/4/train_00400_aligned.jpg"] == 1
    assert codes["test/1/test_00100_aligned.jpg"] == 3
    assert codes["test/7/test_00700_aligned.jpg"] == 0
    copy = copied(shared, "11-tree-rafdb-numbers", tmp_path) / "tree"
    write_face_boxes(copy, lambda _: [], labels="rafdb")
    assert expressions(load(copy)[0]) == codes  # names, not numbers, were written


def test_options_that_a_data_set_does_not_take(tmp_path):
    with pytest.raises(ValueError, match="'ferplus' takes no labels"):
        load_table("ferplus", tmp_path, labels="rafdb")
    with pytest.raises(ValueError, match="expected a label order of"):
        load_table("folder", tmp_path, labels="kdef")


# Columns.


@pytest.mark.needs_shared
def test_case_12(shared):
    table, _, _ = load(shared / "cases" / "12-labels-capital-columns" / "root")
    assert table["split"].value_counts().to_dict() == {"train": 4, "validation": 4, "test": 4}
    assert table["subject"].nunique() == 6
    np.testing.assert_allclose(table["valence"][:3], [0, 0.1, 0.2])
    np.testing.assert_allclose(table["arousal"][:3], [0, -0.05, -0.1])
    assert slice_columns(table) == []


def test_documented_columns_in_any_case(tmp_path):
    pictures(tmp_path, "a.png")
    header = " FILE ,Expression, Face_X,FACE_Y,face_WIDTH , Face_Height,Hat"
    (tmp_path / "labels.csv").write_text(f"{header}\na.png,sad,2,3,20,10,no\n")
    table, _, notes = load(tmp_path)
    assert table[list(BOX_COLUMNS)].to_numpy().tolist() == [[2, 3, 20, 10]]
    assert slice_columns(table) == ["Hat"]
    assert not notes


@pytest.mark.parametrize(
    ("column", "documented"),
    [
        ("valance", "valence"),
        ("Arousel", "arousal"),
        ("subject_id", "subject"),
        ("subjects", "subject"),
        ("Face X", "face_x"),
        ("splits", "split"),
    ],
)
def test_a_column_that_is_spelled_otherwise_is_warned_about(tmp_path, column, documented):
    pictures(tmp_path, "a.png")
    (tmp_path / "labels.csv").write_text(f"file,expression,{column},age\na.png,sad,1,9\n")
    _, _, notes = load(tmp_path)
    assert any(f"{column!r} is not read as {documented!r}" in note for note in notes)
    assert not any("'age'" in note for note in notes)


def test_some_columns_of_a_box_are_warned_about(tmp_path):
    pictures(tmp_path, "a.png")
    (tmp_path / "labels.csv").write_text("file,expression,face_x,face_y\na.png,sad,1,9\n")
    assert any("without all four" in note for note in load(tmp_path)[2])


@pytest.mark.needs_shared
def test_case_18(shared):
    root = shared / "cases" / "18-ferplus-header-blanks" / "root"
    table, _, _ = load(root, "ferplus")
    rows = pd.read_csv(root / "fer2013.csv", skipinitialspace=True)
    for row in table.itertuples():
        expected = np.array(rows["pixels"][row.row].split(), np.uint8).reshape(48, 48)
        np.testing.assert_array_equal(read_table_image(row)[..., 0], expected)


@pytest.mark.parametrize(
    "header", ["pixels,USAGE", "emotion, Pixels ,usage", "\ufeffusage,PIXELS", '"Usage","pixels"']
)
def test_fer2013_is_read_as_it_is_counted(tmp_path, header):
    columns = [name.strip(' "\ufeff').lower() for name in header.split(",")]
    votes = "Usage,Image name,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt," \
        "unknown,NF\n"  # fmt: skip
    lines, new = [header], [votes.strip()]
    for level in range(4):
        values = {"emotion": "3", "usage": "Training", "pixels": " ".join([str(level)] * 2304)}
        lines += [",".join(values[name] for name in columns), ""]  # blank lines are no rows
        new.append(f"Training,fer{level}.png,0,9,1,0,0,0,0,0,0,0")
    (tmp_path / "fer2013.csv").write_text("\n".join(lines), encoding="utf-8")
    (tmp_path / "fer2013new.csv").write_text("\n".join(new))
    table, _, _ = load(tmp_path, "ferplus")
    table = table.sort_values("row")
    assert [int(read_table_image(row)[0, 0, 0]) for row in table.itertuples()] == [0, 1, 2, 3]


# Names and links.


@pytest.mark.parametrize(("listed", "stored"), [("NFC", "NFD"), ("NFD", "NFC")])
def test_forms_of_unicode_match(tmp_path, listed, stored):
    names = ["é.png", "Zoë/å é.png", "plain/ñ.png", "한.png"]
    pictures(tmp_path, *(unicodedata.normalize(stored, name) for name in names))
    given = [unicodedata.normalize(listed, name) for name in names]
    again = [unicodedata.normalize(stored, names[0])]
    rows = "".join(f"{name},happy\n" for name in [*given, *again, "ö.png"])
    (tmp_path / "labels.csv").write_text("file,expression\n" + rows, encoding="utf-8")
    table, skipped, _ = load(tmp_path)
    assert table["image_id"].tolist() == given
    assert all(Path(path).is_file() for path in table["path"])
    reasons = [row.reason for row in skipped]
    assert len(reasons) == 2
    assert any("is listed again" in reason for reason in reasons)
    assert any("there is no image 'ö.png'" in reason for reason in reasons)


@pytest.mark.needs_shared
def test_case_13(shared):
    table, skipped, _ = load(shared / "cases" / "13-labels-nfc-nfd" / "root")
    assert len(table) == 12
    assert not len(skipped)
    assert all(Path(path).is_file() for path in table["path"])


def test_names_that_are_no_utf8_are_counted_and_named(tmp_path):
    pictures(tmp_path, "happy/a.png", os.fsdecode(b"happy/latin\xe9.png"))
    table, skipped, _ = load(tmp_path)
    assert len(table) == 1
    assert skipped.counts() == {"with a name that is not UTF-8": 1}
    assert "1 with a name that is not UTF-8 (rename it)" in skipped.summary()


def linked_set(tmp_path, link):
    """A labels.csv whose pictures are in a folder or files that are links."""
    pictures(tmp_path / "store", *(f"{i}.png" for i in range(4)))
    root = tmp_path / "root"
    root.mkdir()
    if link == "folder":
        (root / "images").symlink_to("../store")
    else:
        (root / "images").mkdir()
        for i in range(4):
            (root / "images" / f"{i}.png").symlink_to(tmp_path / "store" / f"{i}.png")
    rows = "".join(f"images/{i}.png,happy\n" for i in range(4))
    (root / "labels.csv").write_text("file,expression\n" + rows)
    return root


@pytest.mark.parametrize("link", ["folder", "files"])
def test_links_out_of_the_root_are_followed_or_said_not_to_be(tmp_path, link):  # case 14
    root = linked_set(tmp_path, link)
    output = invoke("datasets", "folder", "--root", root, code=2)
    assert "link out of the root folder, which is not followed" in output
    assert "--follow-links" in output
    assert "there is no image" not in output
    assert len(load(root, follow_links=True)[0]) == 4
    invoke("datasets", "folder", "--root", root, "--follow-links")


@pytest.mark.parametrize("link", ["happy", "happy/anna", "happy/a.png"])
def test_links_in_a_tree(tmp_path, link):
    store = tree(tmp_path / "store", ".", number=2)
    root = tree(tmp_path / "root", "sad", number=2)
    (root / link).parent.mkdir(exist_ok=True)
    (root / link).symlink_to(store / "0.png" if link.endswith("png") else store)
    table, skipped, _ = load(root)
    assert len(table) == 2
    assert [row.file for row in skipped] == [str(root / link)]
    assert "1 behind a link out of the root" in skipped.summary()
    assert len(load(root, follow_links=True)[0]) == (3 if link.endswith("png") else 4)


def test_links_inside_the_root_are_followed_once(tmp_path):
    root = tree(tmp_path, "store", "sad", number=2)
    (root / "happy").symlink_to("store")
    (root / "sad" / "loop").symlink_to("..")
    (root / "sad" / "self").symlink_to("self")
    (root / "sad" / "gone").symlink_to("nowhere")
    for follow_links in (False, True):
        table, skipped, _ = load(root, follow_links=follow_links)
        assert table["image_id"].tolist() == [
            "happy/0.png",
            "happy/1.png",
            "sad/0.png",
            "sad/1.png",
        ]
        reasons = {Path(row.file).name: row.reason for row in skipped}
        assert reasons == {
            "loop": "read already under another name",
            "self": "link that leads nowhere",
            "gone": "link that leads nowhere",
            "store": "read already under another name",
        }


def annotated(folder, number):
    """AffectNet's reduced layout: one split."""
    pictures(folder / "images", *(f"{i}.png" for i in range(number)))
    (folder / "annotations").mkdir()
    for i in range(number):
        for name, value in (("exp", str(i % 8)), ("val", "0.5"), ("aro", "0.1")):
            np.save(folder / "annotations" / f"{i}_{name}.npy", value)


def test_a_split_of_affectnet_behind_links(tmp_path):  # case 15
    annotated(tmp_path / "root" / "val_set", 4)
    annotated(tmp_path / "disk", 6)
    split = tmp_path / "root" / "train_set"
    split.mkdir()
    for name in ("images", "annotations"):
        (split / name).symlink_to(tmp_path / "disk" / name)
    with pytest.raises(ValueError, match=r"train_set/\w+ is behind a link .*--follow-links"):
        load(tmp_path / "root", "affectnet")
    table, skipped, _ = load(tmp_path / "root", "affectnet", follow_links=True)
    assert len(table) == 10
    assert not len(skipped)
    shutil.rmtree(tmp_path / "disk")
    with pytest.raises(ValueError, match="found a file or a link that leads nowhere"):
        load(tmp_path / "root", "affectnet", follow_links=True)


def test_the_original_layouts_images_may_be_a_link(tmp_path):
    pictures(tmp_path / "disk", "1/a.png", size=(90, 90))
    root = tmp_path / "root"
    root.mkdir()
    (root / "Manually_Annotated_Images").symlink_to(tmp_path / "disk")
    header = "subDirectory_filePath,face_x,face_y,face_width,face_height,expression,valence,arousal"
    (root / "training.csv").write_text(f"{header}\n1/a.png,0,0,80,80,1,.5,.1\n")
    table, skipped, _ = load(root, "affectnet")
    assert len(table) == 1
    assert not len(skipped)
    assert read_table_image(next(table.itertuples())).shape == (90, 90, 3)


def test_linked_files_of_affectnet(tmp_path):
    annotated(tmp_path / "root" / "val_set", 4)
    image = tmp_path / "root" / "val_set" / "images" / "2.png"
    image.rename(tmp_path / "2.png")
    image.symlink_to(tmp_path / "2.png")
    table, skipped, _ = load(tmp_path / "root", "affectnet")
    assert len(table) == 3
    assert [(row.row, row.remedy[:20]) for row in skipped] == [("2", "give --follow-links ")]
    assert len(load(tmp_path / "root", "affectnet", follow_links=True)[0]) == 4


@pytest.mark.needs_shared
@pytest.mark.parametrize("case", ["14-symlinked-images", "15-affectnet-symlinked-split"])
def test_links_that_a_copy_made_texts_of(shared, case):
    """The shared folder's own links are files with the target in them."""
    root = shared / "cases" / case / "root"
    dataset = "affectnet" if "affectnet" in case else "folder"
    with pytest.raises(ValueError, match="file, where a folder is expected|a folder at .*found a"):
        load(root, dataset)


# Boxes.


def test_boxes_in_fractions_are_of_the_picture_as_it_is_seen(tmp_path):
    pictures(tmp_path, "wide.png", size=(200, 100))
    turned = Image.new("RGB", (200, 100))
    exif = Image.Exif()
    exif[0x0112] = 6
    turned.save(tmp_path / "turned.jpg", exif=exif)
    pictures(tmp_path, "bare.png")
    header = "file,expression,face_x,face_y,face_width,face_height\n"
    rows = "wide.png,sad,0.1,0.2,0.5,0.6\nturned.jpg,sad,.1,.2,.5,.6\nbare.png,sad,,,,\n"
    (tmp_path / "labels.csv").write_text(header + rows)
    table, _, notes = load(tmp_path)
    assert any("fractions of the pictures" in note for note in notes)
    boxes = table[list(BOX_COLUMNS)].to_numpy()
    np.testing.assert_allclose(boxes[0], [20, 20, 100, 60])
    np.testing.assert_allclose(boxes[1], [10, 40, 50, 120])
    assert np.isnan(boxes[2]).all()


@pytest.mark.parametrize("box", ["-0.02,0.1,0.5,0.5", "0.4,0.1,0.7,1.01", "9,9,1,1", "9,9,0.5,20"])
def test_a_box_is_never_a_crop_of_one_pixel(tmp_path, box):
    pictures(tmp_path, "a.png", "b.png")
    header = "file,expression,face_x,face_y,face_width,face_height\n"
    (tmp_path / "labels.csv").write_text(f"{header}a.png,sad,1,1,9,9\nb.png,sad,{box}\n")
    table, _, notes = load(tmp_path)
    assert any("1 of 2 face boxes can't be used" in note for note in notes)
    assert table["face_width"].notna().tolist() == [True, False]


@pytest.mark.needs_shared
def test_case_19(shared):
    table, _, _ = load(shared / "cases" / "19-boxes-in-fractions" / "root")
    np.testing.assert_allclose(table[list(BOX_COLUMNS)], [[6.4, 6.4, 32, 32]] * 12)
    whole = table.drop(columns=list(BOX_COLUMNS)).assign(**dict.fromkeys(BOX_COLUMNS, np.nan))
    crop, picture = (read_face(next(one.itertuples()), Preprocessing(48)) for one in (table, whole))
    assert crop.std() > 1
    assert np.abs(crop.astype(float) - picture).mean() > 1


# Commands.


def test_a_course_without_a_root_fails_at_once(tmp_path):
    start = time.monotonic()
    output = invoke("course", "--dataset", "ferplus", "--output", tmp_path / "run", code=2)
    assert "'ferplus' needs a root folder" in output
    assert time.monotonic() - start < 10
    assert not (tmp_path / "run").exists()


def test_an_unknown_order_of_labels_stops_a_course(tmp_path):
    tree(tmp_path / "set", "happy", "sad")
    arguments = ["--root", tmp_path / "set", "--labels", "kdef", "--output", tmp_path / "run"]
    output = invoke("course", "--dataset", "folder", *arguments, code=2)
    assert "expected a label order of affectnet, rafdb" in output


def test_shards_of_numbered_folders(tmp_path):
    root = tree(tmp_path / "set", *(f"{split}/{n}" for split in ("train", "test")
                                    for n in range(1, 8)))  # fmt: skip
    (root / "train" / "1" / "notes.txt").write_text("none")
    arguments = ["--dataset", "folder", "--root", root, "--workers", 1]
    output = invoke("shard", *arguments, "--output", tmp_path / "shards", code=2)
    assert "--labels rafdb" in output
    output = invoke("shard", *arguments, "--labels", "rafdb", "--output", tmp_path / "shards")
    assert "Left out: 1 .txt" in output
    splits = load_splits("shards", tmp_path / "shards")
    assert splits["test"]["expression"].value_counts().to_dict() == dict.fromkeys(range(7), 3)
