"""Loading by name: what is asked of the user, and what comes back."""

import subprocess
import sys

import pytest

from affectkit.data import (
    DATASETS,
    SkippedRows,
    dataset_overview,
    load_splits,
    load_table,
    make_table,
)


@pytest.fixture
def root(tmp_path):
    lines = ["file,expression,valence,arousal,subject,split"]
    for number in range(12):
        name = f"{number}.jpg"
        (tmp_path / name).write_bytes(b"")
        split = "test" if number >= 10 else "train"
        lines.append(f"{name},{number % 2},{number / 20},-0.5,s{number // 2},{split}")
    (tmp_path / "labels.csv").write_text("\n".join(lines))
    return tmp_path


def test_splits_are_the_parts_of_the_table(root):
    table, splits = load_table("folder", root), load_splits("folder", root)
    for name, part in splits.items():
        assert part.equals(load_table("folder", root, name))
        assert part["image_id"].tolist() == table.loc[table["split"] == name, "image_id"].tolist()
        assert part.attrs == {"dataset": "folder", "protocol": "folder"}
    assert {name: part["subject"].nunique() for name, part in splits.items()} == {
        "train": 4, "validation": 1, "test": 1,
    }  # fmt: skip


def test_limit_and_seed(root):
    limited = load_table("folder", root, "train", limit=3, seed=1)
    assert len(limited) == 3
    assert limited.attrs["protocol"] == "folder (subset of 3)"
    assert limited.equals(load_table("folder", root, "train", limit=3, seed=1))


def test_skipped_rows_are_handed_back_and_warned_about(root):
    with (root / "labels.csv").open("a") as file:
        file.write("\nnone.jpg,angru,,,s1,train\n")
    skipped = SkippedRows()
    with pytest.warns(UserWarning, match=r"skipped 1 of 13 rows .*labels\.csv row 14: expression"):
        table = load_table("folder", root, skipped=skipped)
    assert len(table) == 12
    assert skipped.to_frame()["row"].tolist() == ["14"]


@pytest.mark.parametrize("name", ["fer2013", "", "AffectNet"])
def test_unknown_data_set(name):
    with pytest.raises(ValueError, match="expected a data set of affectfaces, affectnet, ferplus"):
        load_table(name, ".")


def test_unknown_split_and_protocol(root):
    with pytest.raises(ValueError, match="expected a split of train, validation, test or all"):
        load_table("folder", root, "dev")
    with pytest.raises(ValueError, match=r"belongs to data set 'affectnet'.* of folder, all"):
        load_table("folder", root, protocol="affectnet-4000")


@pytest.mark.parametrize("name", ["affectnet", "ferplus", "folder"])
def test_a_missing_root_says_what_is_needed_and_where_to_get_it(tmp_path, name):
    for root, found in ((None, "got none"), (tmp_path / "gone", "found nothing")):
        with pytest.raises(FileNotFoundError, match=found) as caught:
            load_table(name, root)
        assert DATASETS[name].layout in str(caught.value)
        assert DATASETS[name].obtain in str(caught.value)


def test_affectnet_must_be_asked_for_at_its_authors():
    assert "Ask its authors" in DATASETS["affectnet"].obtain


def test_a_root_that_is_a_file(tmp_path):
    (tmp_path / "a.csv").write_text("x")
    with pytest.raises(FileNotFoundError, match="found a file"):
        load_table("folder", tmp_path / "a.csv")


@pytest.mark.filterwarnings("ignore:folder has no valence")
def test_empty_splits_say_which_rows_there_are(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"")
    (tmp_path / "labels.csv").write_text("file,expression,split\na.jpg,1,test\n")
    with pytest.raises(ValueError, match=r"train split of 'folder' has no row .*\(rows: test 1\)"):
        load_table("folder", tmp_path, "train")
    with pytest.raises(ValueError, match="train split"):
        load_splits("folder", tmp_path)
    (tmp_path / "labels.csv").write_text("file,expression\nb.jpg,1\n")
    with (
        pytest.warns(UserWarning, match="skipped 1 of 1"),
        pytest.raises(ValueError, match=r"no usable row .*there is no image 'b\.jpg'"),
    ):
        load_table("folder", tmp_path)
    (tmp_path / "labels.csv").write_text("file,expression\n")
    with pytest.raises(ValueError, match="no usable row"):
        load_table("folder", tmp_path)


def test_overview_by_hand():
    table = make_table(
        {
            "image_id": list("abcd"),
            "split": ["train", "train", "train", "test"],
            "expression": [1, 1, 0, 9],
            "valence": [0.5, 0.25, -0.125, None],
            "arousal": [0, 0.5, 0.25, None],
            "subject": ["x", "x", "y", None],
        },
        "folder",
    )
    overview = dataset_overview(table)
    assert overview["split"].tolist() == ["train"] * 3 + ["test"] * 2
    assert overview["expression"].tolist() == ["Neutral", "Happy", "all", "Uncertain", "all"]
    assert overview["rows"].tolist() == [1, 2, 3, 1, 1]
    assert overview["share"].round(4).tolist() == [0.3333, 0.6667, 1, 1, 1]
    assert overview["valence"].tolist()[:2] == [-0.125, 0.375]
    assert overview["arousal"].tolist()[:3] == [0.25, 0.25, 0.25]
    assert overview["subjects"].tolist() == [1, 1, 2, 0, 0]
    assert overview["valence"].isna().tolist()[3:] == [True, True]


def test_importing_the_loaders_needs_no_heavy_package():
    code = (
        "import sys, affectkit.data.datasets; "
        "heavy = {'tensorflow', 'keras', 'pandera', 'pooch', 'sklearn', 'matplotlib', 'cv2'}; "
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
