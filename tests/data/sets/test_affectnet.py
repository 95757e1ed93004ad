"""AffectNet's three layouts as tiny trees with hand-computed results."""

import json

import numpy as np
import pytest

from affectkit.data import SkippedRows, load_splits, load_table
from affectkit.data.sets.affectnet import load_affectnet
from affectkit.data.sets.affectnet_reduced import read_scalar

HEADER = (
    "subDirectory_filePath,face_x,face_y,face_width,face_height,facial_landmarks,"
    "expression,valence,arousal"
)


def touch(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"")


def line(name, expression=1, valence="0.5", arousal="-0.25", box=(10, 20, 30, 40)):
    x, y, width, height = box
    return f"{name},{x},{y},{width},{height},1.0;2.0;3.0,{expression},{valence},{arousal}"


def original(root, training=(), validation=(), images=()):
    touch(root / "Manually_Annotated_Images", *images)
    for name, rows in (("training", training), ("validation", validation)):
        (root / f"{name}.csv").write_text("\n".join([HEADER, *rows]) + "\n")
    return root


def npy(folder, number, expression, valence="0.5", arousal="0.25", images=True):
    annotations = folder / "annotations"
    annotations.mkdir(parents=True, exist_ok=True)
    for name, value in (("exp", expression), ("val", valence), ("aro", arousal)):
        np.save(annotations / f"{number}_{name}.npy", np.array(value))
    if images:
        touch(folder, f"images/{number}.jpg")


def annotation(folder, number, content, images=True):
    (folder / "annotations").mkdir(parents=True, exist_ok=True)
    text = content if isinstance(content, str) else json.dumps(content)
    (folder / "annotations" / f"{number}.json").write_text(text)
    if images:
        touch(folder, f"images/{number}.jpg")


def test_original_layout(tmp_path):
    images = ["1/a.jpg", "1/b.jpg", "2/c.png", "2/d.jpg"]
    root = original(
        tmp_path,
        [line("1/a.jpg", 3), line("1/b.jpg", 9, -2, -2), line("2/c.png", 8)],
        [line("2/d.jpg", 7, 1, -1)],
        images,
    )
    table = load_table("affectnet", root, protocol="all")
    assert table["image_id"].tolist() == images
    assert table["path"][0] == str(root / "Manually_Annotated_Images" / "1/a.jpg")
    assert table["expression"].tolist() == [3, 9, 8, 7]
    assert table["split"].tolist() == ["train", "train", "train", "test"]
    np.testing.assert_array_equal(table["valence"], [0.5, np.nan, 0.5, 1])
    np.testing.assert_array_equal(table["arousal"], [-0.25, np.nan, -0.25, -1])
    boxes = table[["face_x", "face_y", "face_width", "face_height"]]
    assert boxes.iloc[0].tolist() == [10, 20, 30, 40]
    assert not table["derived_valence_arousal"].any()


def test_original_archives_unpacked_as_they_come(tmp_path):
    touch(tmp_path / "Manually_Annotated/Manually_Annotated_Images", "1/a.jpg")
    lists = tmp_path / "Manually_Annotated_file_lists"
    lists.mkdir()
    (lists / "validation.csv").write_text(f"{HEADER}\n{line('1/a.jpg')}\n")
    assert len(load_affectnet(tmp_path, SkippedRows())) == 1


def test_expression_is_kept_where_only_valence_arousal_is_missing(tmp_path):
    root = original(tmp_path, [], [line("1/a.jpg", 2, -2, -2.0)], ["1/a.jpg"])
    with pytest.warns(UserWarning, match="4000 test rows, 1 were found"):
        table = load_table("affectnet", root)
    assert table["expression"].tolist() == [2]
    assert table[["valence", "arousal"]].isna().all(axis=None)


@pytest.mark.parametrize(
    "box",
    [(0, 0, -1, 5), (0, 0, 5, 0), (-9, 0, 5, 5), (0, -5, 5, 5), ("a", 0, 5, 5), ("", 0, 5, 5),
     ("nan", 0, 5, 5), (0, 0, "inf", 5)],
    ids=repr,
)  # fmt: skip
def test_unusable_boxes_give_the_whole_image_and_a_count(tmp_path, box):
    rows = [line("1/a.jpg"), line("1/b.jpg", box=box)]
    root = original(tmp_path, rows, [], ["1/a.jpg", "1/b.jpg"])
    skipped = SkippedRows()
    with pytest.warns(UserWarning, match=r"training\.csv: 1 of 2 face boxes .*line 3: face_x"):
        table = load_affectnet(root, skipped)
    assert len(skipped) == 0
    assert table["face_width"].isna().tolist() == [False, True]
    assert table["face_x"].isna().tolist() == [False, True]


def test_a_box_that_sticks_out_is_kept(tmp_path):
    root = original(tmp_path, [line("1/a.jpg", box=(-3, -2, 10, 10))], [], ["1/a.jpg"])
    assert load_affectnet(root, SkippedRows())["face_x"].tolist() == [-3]


def test_no_box_at_all_is_no_warning(tmp_path, recwarn):
    root = original(tmp_path, [line("1/a.jpg", box=("", "", "", ""))], [], ["1/a.jpg"])
    assert load_affectnet(root, SkippedRows())["face_x"].isna().all()
    assert len(recwarn) == 0


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (line("1/b.jpg", 12), "expression '12' is not a known expression"),
        (line("1/b.jpg", "angru"), "expression 'angru' is not"),
        (line("1/b.jpg", ""), "expression '' is not"),
        (line("1/b.jpg", "1.5"), "expression '1.5' is not"),
        (line("1/b.jpg", valence="1.01"), r"valence 1.01 is outside [-1, 1]"),
        (line("1/b.jpg", arousal="-3"), "arousal -3 is outside"),
        (line("1/b.jpg", valence="high"), "valence 'high' is not a finite number"),
        (line("1/b.jpg", arousal="inf"), "arousal 'inf' is not a finite number"),
        (line("1/b.jpg", arousal="nan"), "arousal 'nan' is not a finite number"),
        (line("1/gone.jpg"), "there is no image '1/gone.jpg'"),
        (line("3/gone.jpg"), "there is no image '3/gone.jpg'"),
        (line("../b.jpg"), "'../b.jpg' is not a path inside"),
        (line("1/../../b.jpg"), "is not a path inside"),
        (line("/etc/b.jpg"), "'/etc/b.jpg' is not a path inside"),
        (line("C:\\b.jpg"), "is not a path inside"),
        (line(""), "'' is not a path inside"),
        (line("1/a.jpg"), "'1/a.jpg' is listed again (first: 2)"),
        (line("./1\\a.jpg"), "'1/a.jpg' is listed again"),
    ],
)
def test_bad_rows_are_skipped_with_line_and_reason(tmp_path, row, reason):
    root = original(tmp_path, [line("1/a.jpg"), row, line("1/c.jpg")], [],
                    ["1/a.jpg", "1/b.jpg", "1/c.jpg"])  # fmt: skip
    touch(tmp_path, "b.jpg")
    skipped = SkippedRows()
    table = load_affectnet(root, skipped)
    assert table["image_id"].tolist() == ["1/a.jpg", "1/c.jpg"]
    (bad,) = skipped
    assert bad.file == str(root / "training.csv")
    assert bad.row == "3"
    assert reason in bad.reason
    assert bad.remedy


def test_automatic_annotations_on_request(tmp_path):
    root = original(tmp_path, [line("1/a.jpg")], [line("1/b.jpg")], ["1/a.jpg", "1/b.jpg"])
    with pytest.raises(FileNotFoundError, match=r"automatically_annotated\.csv"):
        load_affectnet(root, SkippedRows(), automatic=True)
    (root / "automatically_annotated.csv").write_text(f"{HEADER}\n{line('9/x.jpg')}\n")
    touch(root / "Automatically_Annotated_Images", "9/x.jpg")
    assert len(load_affectnet(root, SkippedRows())) == 2
    table = load_affectnet(root, SkippedRows(), automatic=True)
    assert table["annotation"].tolist() == ["manual", "manual", "automatic"]
    assert table["split"].tolist() == ["train", "test", "train"]


def test_validation_is_held_out_of_training_and_stratified(tmp_path):
    names = [f"1/{number}.jpg" for number in range(40)]
    rows = [line(name, 1 if number < 30 else 5) for number, name in enumerate(names)]
    root = original(tmp_path, rows, [line("1/t.jpg")], [*names, "1/t.jpg"])
    with pytest.warns(UserWarning, match="4000 test rows"):
        splits = load_splits("affectnet", root)
    assert {name: len(part) for name, part in splits.items()} == {
        "train": 36, "validation": 4, "test": 1,
    }  # fmt: skip
    assert splits["validation"]["expression"].value_counts().to_dict() == {1: 3, 5: 1}


def test_reduced_layout_with_gaps_strings_and_partners_missing(tmp_path):
    npy(tmp_path / "train_set", 3, "4", "-0.5", "0.75")
    npy(tmp_path / "train_set", 10, np.int64(0), np.float64(-2), np.float32(-2))
    npy(tmp_path / "train_set", 11, "7", images=False)
    touch(tmp_path, "train_set/images/12.jpg")
    npy(tmp_path / "val_set", 0, "1")
    np.save(tmp_path / "val_set/annotations/0_lnd.npy", np.zeros(136))
    skipped = SkippedRows()
    with pytest.warns(UserWarning, match="skipped 2 of 5 rows"):
        table = load_table("affectnet", tmp_path, protocol="all", skipped=skipped)
    assert table["image_id"].tolist() == [
        "train_set/images/3.jpg",
        "train_set/images/10.jpg",
        "val_set/images/0.jpg",
    ]
    assert table["expression"].tolist() == [4, 0, 1]
    np.testing.assert_array_equal(table["valence"], [-0.5, np.nan, 0.5])
    np.testing.assert_array_equal(table["arousal"], [0.75, np.nan, 0.25])
    assert table["split"].tolist() == ["train", "train", "test"]
    assert {row.row: row.reason for row in skipped} == {
        "11": "has an annotation but no image",
        "12": "has an image but no annotation",
    }
    with (
        pytest.warns(UserWarning, match="3999 test rows, 1 were found"),
        pytest.warns(UserWarning, match="skipped 2 of 5 rows"),
    ):
        assert load_table("affectnet", tmp_path).attrs["protocol"] == "affectnet-3999"


def test_reduced_layout_skips_damaged_annotations(tmp_path):
    folder = tmp_path / "val_set"
    for number in range(6):
        npy(folder, number, "1")
    annotations = folder / "annotations"
    (annotations / "0_val.npy").unlink()
    (annotations / "1_exp.npy").write_bytes(b"\x93NUMPY\x01\x00v\x00trunc")
    np.save(annotations / "2_exp.npy", np.array([{"a": 1}], object), allow_pickle=True)
    np.save(annotations / "3_aro.npy", np.array([0.1, 0.2]))
    np.save(annotations / "4_exp.npy", np.array("11"))
    skipped = SkippedRows()
    table = load_affectnet(tmp_path, skipped)
    assert table["image_id"].tolist() == ["val_set/images/5.jpg"]
    reasons = {row.row: row.reason for row in skipped}
    assert reasons["0"].startswith("0_val.npy can't be read")
    assert reasons["1"] == "1_exp.npy is not a .npy file"
    assert reasons["2"].startswith("2_exp.npy: the header is damaged or of another kind")
    assert reasons["3"] == "3_aro.npy does not hold one number or one string"
    assert reasons["4"] == "expression '11' is not a known expression"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (np.array("3"), "3"),
        (np.array(["0.25"]), "0.25"),
        (np.array(b"7"), "7"),
        (np.array(5, ">i8"), "5"),
        (np.array(-0.125, np.float32), "-0.125"),
        (np.array("  -2 ", "U20"), "  -2 "),
    ],
)
@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)], ids=str)
def test_scalars_are_read_as_numpy_would(tmp_path, value, text, version):
    path = tmp_path / "a.npy"
    with path.open("wb") as file:
        np.lib.format.write_array(file, value, version)
    assert read_scalar(path) == text
    assert read_scalar(path) in str(np.load(path))


def test_affectnet_plus_keys_in_any_case(tmp_path):
    folder = tmp_path / "human_annotated"
    soft = [0, 0.5, 0, 0.25, 0, 0.25, 0, 0]
    annotation(folder / "train_set", 1, {
        "Human-Label": 1, "Soft-Label": soft, "Subset": 2, "Valence": 0.5, "Arousal": -0.5,
        "Age": 31, "Gender": "Female", "Race": "Asian", "Pose": {"yaw": 1.5, "pitch": -2},
        "Landmarks": [1, 2],
    })  # fmt: skip
    annotation(folder / "validation_set", 7, {
        "human_label": "6", "soft_label": None, "subset": 0, "valence": -2, "arousal": -2,
        "age": 9, "gender": "male", "race": None,
    })  # fmt: skip
    table = load_table("affectnet", tmp_path, protocol="all")
    assert table["expression"].tolist() == [1, 6]
    assert table["split"].tolist() == ["train", "test"]
    assert table.loc[0, ["soft_happy", "soft_surprise", "soft_disgust"]].tolist() == [
        0.5,
        0.25,
        0.25,
    ]
    assert table.loc[1, ["soft_happy", "valence", "arousal"]].isna().all()
    assert table["age"].tolist() == [31, 9]
    assert table["gender"].tolist() == ["Female", "male"]
    assert table["subset"].tolist() == ["difficult", "easy"]
    assert table["race"].isna().tolist() == [False, True]
    np.testing.assert_array_equal(table["pose_yaw"], [1.5, np.nan])
    assert table["image_id"][1] == "human_annotated/validation_set/images/7.jpg"


def test_affectnet_plus_skips_damaged_annotations(tmp_path):
    folder = tmp_path / "human_annotated" / "validation_set"
    good = {"human-label": 1, "valence": 0.1, "arousal": 0.2}
    annotation(folder, 0, good)
    annotation(folder, 1, '{"human-label": 1')
    annotation(folder, 2, [1, 2])
    annotation(folder, 3, {"label": 1})
    annotation(folder, 4, good | {"soft-label": [0.5, 0.5]})
    annotation(folder, 5, good | {"human-label": [1, 2]})
    annotation(folder, 6, good | {"valence": 7})
    annotation(folder, 7, good, images=False)
    skipped = SkippedRows()
    table = load_affectnet(tmp_path, skipped)
    assert len(table) == 1
    reasons = {row.row: row.reason for row in skipped}
    assert sorted(reasons) == list("1234567")
    assert reasons["1"].startswith("1.json is not readable JSON")
    assert reasons["2"].startswith("2.json is not readable JSON: it is ")
    assert reasons["3"] == "3.json has no human-label, only label"
    assert reasons["4"].startswith("soft label [0.5, 0.5] is not 8 shares")
    assert reasons["6"].startswith("valence 7 is outside")


def test_a_folder_without_a_layout_says_what_was_found(tmp_path):
    touch(tmp_path, "pictures/a.jpg")
    with pytest.raises(FileNotFoundError, match=r"expected one of AffectNet's.*found pictures"):
        load_affectnet(tmp_path, SkippedRows())


def test_label_files_without_images_or_columns(tmp_path):
    (tmp_path / "training.csv").write_text(HEADER + "\n")
    with pytest.raises(FileNotFoundError, match="Manually_Annotated_Images"):
        load_affectnet(tmp_path, SkippedRows())
    (tmp_path / "Manually_Annotated_Images").mkdir()
    with pytest.raises(ValueError, match=r"no usable row of 'affectnet'"):
        load_table("affectnet", tmp_path)
    (tmp_path / "training.csv").write_text("subDirectory_filePath,expression\n")
    with pytest.raises(ValueError, match=r"training\.csv line 1.*missing face_x.*arousal"):
        load_affectnet(tmp_path, SkippedRows())


def test_automatic_needs_the_original_layout(tmp_path):
    npy(tmp_path / "val_set", 0, "1")
    with pytest.raises(ValueError, match="needs AffectNet's original layout"):
        load_affectnet(tmp_path, SkippedRows(), automatic=True)
