"""Long columns in little memory: the same values as without, and a bound on what a row takes."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from affectkit.data import SOFT_LABEL_COLUMNS, make_table
from affectkit.data.table import (
    BLOCK_ROWS,
    TextColumn,
    divide_rows,
    join_chunks,
    keep_rows,
    look_up,
    map_text,
    may_repeat,
    row_blocks,
)

TEXTS = st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=5), max_size=12)


@settings(max_examples=50, deadline=None)
@given(st.lists(TEXTS, max_size=4))
def test_a_column_grown_by_blocks_holds_every_text(blocks):
    whole, missing = TextColumn(), TextColumn()
    for block in blocks:
        whole.extend(block)
        missing.extend(block)
    expected = [text for block in blocks for text in block]
    column = whole.finish()
    assert column.dtype == "str"
    assert column.tolist() == expected
    known = missing.finish(empty_is_missing=True)
    assert known.isna().tolist() == [text == "" for text in expected]
    assert known.fillna("").tolist() == expected


@settings(max_examples=50, deadline=None)
@given(TEXTS)
def test_text_is_mapped_and_looked_up(texts):
    text = pd.Series(texts, range(5, 5 + len(texts)), dtype="str")
    doubled = map_text(text, lambda block: [2 * one for one in block])
    assert doubled.tolist() == [2 * one for one in texts]
    assert doubled.index.equals(text.index)
    assert map_text(text, list) is text
    known = {one: number for number, one in enumerate(sorted(set(texts)))}
    assert look_up(text, known, "Int64").tolist() == [known[one] for one in texts]


def test_what_is_not_known_is_missing():
    found = look_up(pd.Series(["a", "b", "a"], [3, 1, 2]), {"a": 7}, "Int64")
    assert found.isna().tolist() == [False, True, False]
    assert found.index.tolist() == [3, 1, 2]
    assert found.dropna().tolist() == [7, 7]


@pytest.mark.parametrize("rows", [0, 1, 4, 5, 8])
def test_blocks_cover_all_rows_once(rows):
    covered = [number for block in row_blocks(rows, 4) for number in range(rows)[block]]
    assert covered == list(range(rows))


def test_repeated_rows_are_seen_across_blocks():
    rows = BLOCK_ROWS + 10
    names = pd.Series([str(number) for number in range(rows)])
    assert not may_repeat(names)
    names.iloc[-1] = "3"
    assert may_repeat(names)
    pairs = pd.DataFrame({"split": ["a"] * (rows - 1) + ["b"], "name": names})
    assert not may_repeat(pairs)
    pairs.loc[rows - 1, "split"] = "a"
    assert may_repeat(pairs)


def test_the_schema_is_checked_across_blocks(monkeypatch):
    monkeypatch.setattr("affectkit.data.table._VALIDATED_ROWS", 2)
    columns = {"image_id": list("abcda"), "split": ["train"] * 5, "valence": [0.0, 0, 0, 0, 1]}
    with pytest.raises(ValueError, match="breaks its schema"):
        make_table(columns, "folder")
    columns |= {"image_id": list("abcde"), "valence": [0.0, 0, 0, 0, 7]}
    with pytest.raises(ValueError, match=r"valence +in_range\(-1, 1\) +7.0 +4\n"):
        make_table(columns, "folder")


def memory_of(column):
    return column.to_numpy().__array_interface__["data"][0]


def test_absent_columns_share_an_array_until_they_are_changed():
    table = make_table({"image_id": list("abcd"), "split": ["train"] * 3 + ["test"]}, "folder")
    soft = list(SOFT_LABEL_COLUMNS)
    train, test = divide_rows(table, [table["split"] == name for name in ("train", "test")])
    for part in (table, train, test, keep_rows(table, [True] * 4)):
        if pd.__version__ >= "3":  # where writing copies
            assert len({memory_of(part[name]) for name in soft}) == 1
        assert part.attrs == table.attrs
    train.loc[1, "soft_happy"] = 0.5
    train["soft_sad"] = 0.25
    assert train["soft_happy"].tolist() == pytest.approx([np.nan, 0.5, np.nan], nan_ok=True)
    others = [name for name in soft if name not in ("soft_happy", "soft_sad")]
    assert train[others].isna().all(axis=None)
    assert table[soft].isna().all(axis=None)


def test_rows_are_taken_out_of_a_table_column_by_column():
    table = make_table(
        {"image_id": list("abcd"), "split": ["train"] * 4, "valence": [0, 0.5, np.nan, 1]}, "folder"
    )
    keep = np.array([False, True, True, False])
    expected = table[keep].reset_index(drop=True)
    pd.testing.assert_frame_equal(keep_rows(table, keep), expected)
    whole = table.copy()
    pd.testing.assert_frame_equal(keep_rows(table, keep, release=True), expected)
    assert not len(table.columns)
    pd.testing.assert_frame_equal(keep_rows(whole, np.ones(4, bool)), whole)


def test_pieces_of_text_are_joined():
    parts = [pd.Series(["a", None], dtype="str"), pd.Series(["c"], dtype="str")]
    text = pd.concat(parts, ignore_index=True)
    pd.testing.assert_series_equal(join_chunks(text), text)
    numbers = pd.Series([1.5])
    assert join_chunks(numbers) is numbers


MEASURE = """
import sys
from pathlib import Path
from affectkit.data.datasets import load_splits, load_table

def peak():
    (line,) = [x for x in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in x]
    return int(line.split()[1]) * 1024

dataset, root, small = sys.argv[1:]
load_table("folder", small)  # so that every library is loaded
before = peak()
rows = sum(len(part) for part in load_splits(dataset, root, "all").values())
print(rows, peak() - before)
"""

FEW, MANY = 20_000, 60_000
MOST_BYTES = 1000
"""A row. Its name has 60 characters and its path about 110, as AffectNet's; a table of Python's
strings and copies took over 1,500."""


@pytest.fixture(scope="module")
def names(tmp_path_factory):
    """Empty files of AffectNet's layout, and a small folder."""
    root = tmp_path_factory.mktemp("many")
    small = root / "small" / "happy"
    small.mkdir(parents=True)
    for number in range(9):
        (small / f"{number}.png").touch()
    images = root / "Manually_Annotated_Images"
    names = [f"{number // 1000}/{number:056x}.jpg" for number in range(MANY)]
    for number, name in enumerate(names):
        if number % 1000 == 0:
            (images / name).parent.mkdir(parents=True)
        (images / name).touch()
    return root, names


def write_labels(root, dataset, names):
    values = [f"{number % 8},{number % 199 / 100 - 1:.6f},0.5" for number in range(len(names))]
    splits = ["test" if number % 10 == 0 else "train" for number in range(len(names))]
    if dataset == "folder":
        lines = ["file,expression,valence,arousal,subject,split"]
        rows = zip(names, values, splits, strict=True)
        lines += [f"{name},{value},{len(name)},{split}" for name, value, split in rows]
        file = root / "Manually_Annotated_Images" / "labels.csv"
        file.write_text("\n".join(lines) + "\n")
        return file.parent
    header = "subDirectory_filePath,face_x,face_y,face_width,face_height,facial_landmarks,"
    lines = [header + "expression,valence,arousal"]
    lines += [
        f"{name},10,12,220,221,{'1.5;2.5;' * 9},{value}"
        for name, value in zip(names, values, strict=True)
    ]
    (root / "training.csv").write_text("\n".join(lines[:-9]) + "\n")
    (root / "validation.csv").write_text("\n".join([lines[0], *lines[-9:]]) + "\n")
    return root


@pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="peak memory is read in /proc")
@pytest.mark.parametrize("dataset", ["folder", "affectnet"])
def test_a_row_more_takes_few_bytes(names, dataset):
    root, files = names
    found = []
    for rows in (FEW, MANY):
        place = write_labels(root, dataset, files[:rows])
        command = [sys.executable, "-W", "ignore", "-c", MEASURE, dataset, place, root / "small"]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        read, grown = map(int, done.stdout.split())
        assert read == rows
        found.append(grown)
    assert (found[1] - found[0]) / (MANY - FEW) < MOST_BYTES
