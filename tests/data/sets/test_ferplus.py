"""The three FER+ layouts, and the real data where it is at hand."""

import csv
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from affectkit.data import SkippedRows, load_splits, load_table, read_image
from affectkit.data.sets.ferplus import load_ferplus, majority_expression, vote_columns
from affectkit.labels import FERPLUS_VOTE_COLUMNS

HAPPY = [0, 10, 0, 0, 0, 0, 0, 0, 0, 0]
ANGER = [0, 0, 0, 0, 8, 2, 0, 0, 0, 0]
TIE = [5, 5, 0, 0, 0, 0, 0, 0, 0, 0]
NO_FACE = [0, 0, 0, 0, 0, 0, 0, 0, 0, 10]


def write_npz(path, rows, **changes):
    votes = np.array(rows, np.uint8)
    images = np.arange(len(votes), dtype=np.uint8)[:, None, None] * np.ones((1, 48, 48), np.uint8)
    members = {
        "images": images,
        "votes": votes,
        "names": np.array([f"{path.stem}{row}.png" for row in range(len(votes))]),
    }
    np.savez(path, **(members | changes))


def write_csv(path, rows):
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["Usage", "Image name", *FERPLUS_VOTE_COLUMNS])
        writer.writerows(rows)


@pytest.fixture
def npz_root(tmp_path):
    write_npz(tmp_path / "train.npz", [HAPPY] * 20 + [ANGER] * 20 + [TIE])
    write_npz(tmp_path / "valid.npz", [ANGER, HAPPY, NO_FACE])
    return tmp_path


def test_npz_rows_point_into_the_container(npz_root):
    table = load_table("ferplus", npz_root, "test")
    assert table["expression"].tolist() == [6, 1]
    assert table["image_id"].tolist() == ["valid0.png", "valid1.png"]
    assert table["row"].tolist() == [0, 1]
    assert (read_image(table["path"][1], int(table["row"][1])) == 1).all()
    assert table["agreement"].tolist() == [0.8, 1.0]
    assert table["derived_valence_arousal"].all()
    assert table.attrs == {"dataset": "ferplus", "protocol": "ferplus-majority"}


def test_without_private_test_a_tenth_of_train_validates(npz_root):
    splits = load_splits("ferplus", npz_root)
    assert {name: len(part) for name, part in splits.items()} == {
        "train": 36,
        "validation": 4,
        "test": 2,
    }
    assert splits["validation"]["expression"].value_counts().to_dict() == {1: 2, 6: 2}
    assert not set(splits["train"]["image_id"]) & set(splits["validation"]["image_id"])


def test_with_private_test_the_public_one_validates(npz_root):
    write_npz(npz_root / "test.npz", [HAPPY] * 3)
    splits = load_splits("ferplus", npz_root)
    assert {name: len(part) for name, part in splits.items()} == {
        "train": 40,
        "validation": 2,
        "test": 3,
    }


def test_a_folder_may_hold_test_npz_alone(tmp_path):
    write_npz(tmp_path / "test.npz", [HAPPY, ANGER, TIE])
    table = load_table("ferplus", tmp_path, "test")
    assert table["expression"].tolist() == [1, 6]
    with pytest.raises(ValueError, match="train"):
        load_splits("ferplus", tmp_path)


def test_all_rows_keep_ties_and_no_face(npz_root):
    table = load_table("ferplus", npz_root, protocol="all")
    assert Counter(table["expression"]) == {1: 21, 6: 21, 9: 1, 10: 1}


def test_bad_vote_rows_and_duplicates_are_skipped(tmp_path):
    names = np.array(["a", "b", "a"])
    write_npz(tmp_path / "train.npz", [HAPPY, [0] * 10, ANGER], names=names)
    skipped = SkippedRows()
    frame = load_ferplus(tmp_path, skipped)
    assert frame["image_id"].tolist() == ["a"]
    assert [row.row for row in skipped] == ["1", "2"]
    assert "listed again" in list(skipped)[1].reason


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"votes": np.zeros((2, 8), np.uint8)}, r"votes of shape \(N, 10\), got \(2, 8\)"),
        ({"names": np.array(["a"])}, "got 2, 2 and 1"),
        ({"votes": np.array([[{}] * 10] * 2, object)}, "not a FER. archive"),
    ],
)
def test_damaged_archives(tmp_path, changes, message):
    write_npz(tmp_path / "train.npz", [HAPPY, ANGER], **changes)
    with pytest.raises(ValueError, match=message):
        load_ferplus(tmp_path, SkippedRows())


def test_truncated_archive_and_missing_member(tmp_path):
    (tmp_path / "train.npz").write_bytes(b"PK\3\4 not really")
    with pytest.raises(ValueError, match=r"train\.npz is not a FER"):
        load_ferplus(tmp_path, SkippedRows())
    np.savez(tmp_path / "train.npz", images=np.zeros((1, 48, 48), np.uint8))
    with pytest.raises(ValueError, match="names.npy, votes.npy are missing"):
        load_ferplus(tmp_path, SkippedRows())


def test_microsoft_folders(tmp_path):
    for folder in ("FER2013Train", "FER2013Valid", "FER2013Test"):
        (tmp_path / "data" / folder).mkdir(parents=True)
    rows = [
        ["Training", "fer0.png", *HAPPY],
        ["Training", "fer1.png", *ANGER],  # its image is missing
        ["Training", "", *NO_FACE],  # Microsoft writes no image for these
        ["PublicTest", "fer3.png", *ANGER],
        ["PrivateTest", "fer4.png", *HAPPY],
        ["Privat", "fer5.png", *HAPPY],
    ]
    write_csv(tmp_path / "fer2013new.csv", rows)
    for name in ("FER2013Train/fer0.png", "FER2013Valid/fer3.png", "FER2013Test/fer4.png"):
        Image.new("L", (48, 48), 7).save(tmp_path / "data" / name)
    skipped = SkippedRows()
    with pytest.warns(UserWarning, match="skipped 2 of"):
        table = load_table("ferplus", tmp_path, skipped=skipped)
    assert table["split"].tolist() == ["train", "validation", "test"]
    assert table["image_id"].tolist()[0] == "FER2013Train/fer0.png"
    assert (read_image(table["path"][2]) == 7).all()
    assert {row.row: row.reason[:22] for row in skipped} == {
        "3": "there is no image 'FER",
        "7": "Usage 'Privat' is not ",
    }


def test_fer2013_csv_joined_by_row(tmp_path):
    usages = ["Training", "Training", "PublicTest", "PrivateTest"]
    votes = [HAPPY, NO_FACE, ANGER, HAPPY]
    names = ["fer0.png", "", "fer2.png", "fer3.png"]
    rows = [[u, n, *v] for u, n, v in zip(usages, names, votes, strict=True)]
    write_csv(tmp_path / "fer2013new.csv", rows)
    lines = ["emotion,pixels,Usage"]
    lines += [f"3,{' '.join([str(i)] * 2304)},{usage}" for i, usage in enumerate(usages)]
    (tmp_path / "fer2013.csv").write_text("\n".join(lines))
    table = load_table("ferplus", tmp_path)
    assert table["row"].tolist() == [0, 2, 3]
    assert table["split"].tolist() == ["train", "validation", "test"]
    assert (read_image(table["path"][1], 2) == 2).all()

    (tmp_path / "fer2013.csv").write_text("\n".join(lines[:-1]))
    with pytest.raises(ValueError, match=r"has 3 rows, fer2013new\.csv 4"):
        load_table("ferplus", tmp_path)


def test_labels_without_images_and_a_strange_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"expected train\.npz.*found nothing"):
        load_ferplus(tmp_path, SkippedRows())
    write_csv(tmp_path / "fer2013new.csv", [["Training", "a.png", *HAPPY]])
    with pytest.raises(FileNotFoundError, match="images come with FER2013"):
        load_ferplus(tmp_path, SkippedRows())


@pytest.mark.needs_shared
def test_real_counts_by_an_independent_count(shared):
    root = shared / "data" / "ferplus"
    everything = load_table("ferplus", root, protocol="all")
    assert (everything["split"] != "test").sum() == 28_558
    assert (everything["split"] == "test").sum() == 3_579
    counted = load_table("ferplus", root)
    for split, file in (("train", "train"), ("test", "valid")):
        plain = Counter()
        with np.load(root / f"{file}.npz", allow_pickle=False) as archive:
            for row in archive["votes"].tolist():
                kept = [count for count in row if count > 1]
                names = [
                    name
                    for name, count in zip(FERPLUS_VOTE_COLUMNS[:8], row, strict=False)
                    if count > 1 and 2 * count > sum(kept)
                ]
                plain.update(names)
        in_split = counted["split"].isin([split, "validation"] if split == "train" else [split])
        order = ("neutral", "happiness", "sadness", "surprise", "fear", "disgust", "anger")
        expected = {code: plain[name] for code, name in enumerate((*order, "contempt"))}
        assert counted[in_split]["expression"].value_counts().to_dict() == expected
    assert (counted["split"] == "test").sum() == 3_199


@pytest.mark.needs_shared
def test_derived_valence_arousal_of_real_rows_is_plausible(shared):
    table = load_table("ferplus", shared / "data" / "ferplus", "test")
    means = table.groupby("expression")[["valence", "arousal"]].mean()
    assert means["valence"].idxmax() == 1  # happy
    assert means["arousal"].idxmin() == 2  # sad
    assert (means.loc[[2, 4, 5, 6, 7], "valence"] < 0).all()


# neutral, happiness, surprise, sadness, anger, disgust, fear, contempt, unknown, NF
CASES = [
    ([10, 0, 0, 0, 0, 0, 0, 0, 0, 0], 0),
    ([0, 8, 2, 0, 0, 0, 0, 0, 0, 0], 1),
    ([0, 0, 9, 0, 0, 0, 1, 0, 0, 0], 3),
    ([1, 0, 0, 6, 3, 0, 0, 0, 0, 0], 2),
    ([0, 0, 0, 2, 7, 1, 0, 0, 0, 0], 6),
    ([0, 0, 0, 0, 0, 10, 0, 0, 0, 0], 5),
    ([0, 0, 0, 0, 0, 0, 10, 0, 0, 0], 4),
    ([2, 0, 0, 0, 0, 0, 0, 8, 0, 0], 7),
    ([5, 5, 0, 0, 0, 0, 0, 0, 0, 0], 9),  # a tie has no majority
    ([4, 0, 0, 3, 3, 0, 0, 0, 0, 0], 9),  # most votes, but not more than half
    ([4, 1, 1, 2, 1, 1, 0, 0, 0, 0], 0),  # single votes do not count: 4 of 6
    ([1, 1, 1, 1, 1, 1, 1, 1, 1, 1], 9),  # nothing is left
    ([2, 0, 0, 0, 0, 0, 0, 0, 8, 0], 9),  # the majority is "unknown"
    ([0, 0, 0, 0, 0, 0, 0, 0, 1, 9], 10),  # the majority is "not a face"
]


@pytest.mark.parametrize(("votes", "expected"), CASES)
def test_majority_of_hand_made_rows(votes, expected):
    assert majority_expression(np.array([votes])).tolist() == [expected]


def test_soft_label_agreement_and_derived_valence_arousal():
    columns = vote_columns(np.array([[6, 2, 0, 0, 0, 0, 0, 0, 1, 1]], np.uint8))
    assert columns["soft_neutral"][0] == 0.75
    assert columns["soft_happy"][0] == 0.25
    assert columns["soft_anger"][0] == 0
    assert columns["agreement"][0] == 0.6
    # Neutral -.025 / -.019 and Happy .672 / .081, weights 3/4 and 1/4
    assert columns["valence"][0] == pytest.approx(0.14925)
    assert columns["arousal"][0] == pytest.approx(0.006)
    assert columns["derived_valence_arousal"].all()


def test_no_vote_for_an_expression_leaves_valence_arousal_open():
    columns = vote_columns(np.array([[0, 0, 0, 0, 0, 0, 0, 0, 4, 6]]))
    assert np.isnan([columns["valence"], columns["arousal"], columns["soft_sad"]]).all()


vote_rows = st.lists(
    st.lists(st.integers(0, 10), min_size=10, max_size=10).filter(any), min_size=1, max_size=20
)


@given(vote_rows)
@settings(deadline=None)
def test_majority_agrees_with_a_plain_count(rows):
    order = [0, 1, 3, 2, 6, 5, 4, 7, 9, 10]
    expected = []
    for row in rows:
        counted = [count if count > 1 else 0 for count in row]
        winners = [i for i in range(10) if 2 * counted[i] > sum(counted)]
        expected.append(order[winners[0]] if winners else 9)
    assert majority_expression(np.array(rows)).tolist() == expected


@given(vote_rows)
@settings(deadline=None)
def test_derived_columns_stay_in_range(rows):
    columns = vote_columns(np.array(rows))
    soft = np.stack([values for name, values in columns.items() if name.startswith("soft_")])
    known = ~np.isnan(soft[0])
    np.testing.assert_allclose(soft.sum(axis=0)[known], 1)
    for name in ("valence", "arousal"):
        assert (np.abs(columns[name][known]) < 1).all()
        assert (np.isnan(columns[name]) == ~known).all()
    assert ((columns["agreement"] > 0) & (columns["agreement"] <= 1)).all()
