"""Names from strangers: paths in label files, names of files, options; in cells and terminals."""

import csv
import io
import json
import os
import unicodedata
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image
from typer.testing import CliRunner
from typing_extensions import TypedDict

from affectkit.cli import app
from affectkit.cli.faces import parse_value, parse_variation, split_assignment
from affectkit.data import SkippedRows, load_table
from affectkit.data.image_files import list_files, relative_names, unsafe
from affectkit.files import read_json, readable_name, spreadsheet_name, terminal_text
from affectkit.files.json_forms import OPEN, Integer
from affectkit.pipeline.predict.inputs import find_inputs

quick = settings(derandomize=True, database=None, deadline=None, max_examples=300)

PARTS = st.sampled_from(
    ("..", ".", "", "~", "C:", "a.png", "sub", "link.png", "way", "out", "\\", "\u202e", "é", " ")
)
NAMES = st.lists(PARTS | st.text(max_size=8), max_size=6).flatmap(
    lambda parts: st.sampled_from(("/", "\\", "//")).map(lambda join: join.join(parts))
)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A folder with one picture, and links that lead out of it and back."""
    home = tmp_path_factory.mktemp("home")
    (home / "secret").mkdir()
    (home / "secret" / "a.png").write_bytes(b"secret")
    root = home / "root"
    (root / "sub").mkdir(parents=True)
    (root / "a.png").write_bytes(b"picture")
    (root / "sub" / "a.png").write_bytes(b"picture")
    (root / "link.png").symlink_to(home / "secret" / "a.png")
    (root / "out").symlink_to(home / "secret")
    (root / "up").symlink_to("..")
    (root / "way").symlink_to("sub")
    (root / "loop").symlink_to("loop")
    return root


@quick
@given(st.lists(NAMES, max_size=5))
@example(["../secret/a.png"])
@example(["out/a.png", "up/secret/a.png", "sub/../../secret/a.png"])
@example(["..\\secret\\a.png", "C:\\a.png", "\\\\server\\a.png", "a.png\0.jpg"])
@example(["x" * 300 + "/a.png", "loop/a.png", "way/a.png"])
def test_no_name_in_a_label_file_leaves_the_root(root, names):
    names = relative_names(pd.Series(names, dtype=object).astype("str"))
    bad = unsafe(names)
    folders = [name.rpartition("/")[0] for name in names]
    base = os.path.realpath(root) + os.sep
    for folder in [f for f in folders if "\0" not in f]:
        files = list_files(root, folder)
        for file in files:
            assert os.path.realpath(root / folder / file).startswith(base)
    for name, refused in zip(names, bad, strict=True):
        drive = name[1:2] == ":" and name[0].isascii() and name[0].isalpha()
        inside = not (name.startswith("/") or ".." in name.split("/") or drive)
        assert refused or inside


UNDECODABLE = os.fsdecode(b"\xff\xfe.png")
STRANGE = (
    *(
        UNDECODABLE,
        "=1+1.png",
        "+a.png",
        "@a.png",
        "-a.png",
        "\u202egnp.png",
        "a\nb.png",
        "\x1b[2J.png",
    ),
    *(
        " .png",
        "'.png",
        '".png',
        "ſ.png",
        "e\u0301.png",
        "é.png",
        "𝕏.png",
        "a,b.png",
        "[x].png",
        "#.png",
    ),
)


def write_pictures(folder, names=STRANGE):
    folder.mkdir(parents=True, exist_ok=True)
    stream = io.BytesIO()
    Image.fromarray(np.full((40, 40, 3), 90, np.uint8)).save(stream, "PNG")
    for name in names:
        (folder / name).write_bytes(stream.getvalue())


def test_folders_with_strange_names_are_loaded_but_for_those_that_are_no_text(tmp_path):
    for expression in ("Happy", "Sad", UNDECODABLE):
        write_pictures(tmp_path / "tree" / expression)
    skipped = SkippedRows()
    table = load_table("folder", tmp_path / "tree", skipped=skipped)
    assert len(table) == 2 * (len(STRANGE) - 1)
    assert len(skipped) == 3  # a folder, and a picture in each of the others
    assert set(skipped.counts()) == {"with a name that is not UTF-8"}
    skipped.to_csv(tmp_path / "skipped.csv")
    assert len(pd.read_csv(tmp_path / "skipped.csv")) == 3
    table.to_csv(tmp_path / "table.csv")


def test_annotations_with_strange_names(tmp_path):
    root = tmp_path / "train_set"
    write_pictures(root / "images")
    (root / "annotations").mkdir()
    for name in STRANGE:
        for ending, value in (("exp", "1"), ("val", "0.5"), ("aro", "0")):
            path = root / "annotations" / f"{Path(name).stem}_{ending}.npy"
            np.save(path, np.array(value), allow_pickle=False)
    skipped = SkippedRows()
    table = load_table("affectnet", tmp_path, skipped=skipped, protocol="all")
    assert len(table) == len(STRANGE) - 1
    assert skipped.counts() == {"with a name that is not UTF-8": 1}


def test_predictions_of_files_with_strange_names(tmp_path, monkeypatch):
    write_pictures(tmp_path / "in")
    monkeypatch.chdir(tmp_path / "in")
    (tmp_path / "in" / "bad\x1b[2J.png").write_bytes(b"no picture")
    found = find_inputs(["*.png"])
    assert len(found.files) == len(STRANGE) + 1
    assert not found.missing
    arguments = ["predict", "*.png", "--output", "../rows.csv", "--detector", "blazeface-near"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 1, result.output  # one is no picture
    assert "\x1b[2J" not in result.output
    content = (tmp_path / "rows.csv").read_bytes().decode("utf-8")
    rows = list(csv.DictReader(io.StringIO(content, newline="")))
    assert len(rows) == len(STRANGE)
    for row in rows:
        assert not row["file"].startswith(("=", "+", "-", "@", "\t", "\r"))
    # the names still lead to the pictures, but for the bytes that are no UTF-8
    there = {readable_name(path.name) for path in (tmp_path / "in").iterdir()}
    assert {row["file"].removeprefix("./") for row in rows} <= there


@quick
@given(st.text(max_size=20))
@example("=cmd|'/c calc'!A0.png")
@example("\t=1")
def test_cells_are_no_formulas_and_still_name_the_file(name):
    cell = spreadsheet_name(name)
    assert not cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n"))
    assert os.path.normpath(cell) == os.path.normpath(name)


@quick
@given(st.text(max_size=50))
@example("a\x1b]0;title\x07\u202egpj.exe\u2066\ud800")
def test_nothing_steers_the_terminal(text):
    shown = terminal_text(text)
    assert not {unicodedata.category(char) for char in shown if char not in "\n\t"} & {
        "Cc",
        "Cf",
        "Cs",
    }
    assert shown == text or len(shown) > len(text)
    shown.encode("utf-8")


@quick
@given(st.text(max_size=40) | st.from_regex(r"[a-z]+=[-0-9.einfa_:,]{0,30}", fullmatch=True))
@example("yaw=1:2:1e999")
@example("yaw=1:2:1000000000000")
@example("yaw=nan:inf:3")
@example("yaw=" + "9" * 5000 + ":1")
@example("yaw=-1e308:1e308")
def test_options_of_faces_are_values_or_value_errors(text):
    for parse in (parse_variation, split_assignment):
        try:
            name, value = parse(text)
        except ValueError:
            continue
        assert name
        assert len(value)
        if parse is parse_variation and ":" in text.partition("=")[2]:
            assert np.isfinite(value).all()
            assert len(value) <= 10_000
    parse_value(text)


@pytest.mark.parametrize(
    "arguments",
    [
        ["predict", "{}", "--output", "x.csv", "--smoothing", "nan"],
        ["predict", "{}", "--output", "x.csv", "--threads", "1000000000000"],
        ["predict", "{}", "--output", "x.csv", "--stride", "0"],
        ["predict", "{}", "--output", "x.csv", "--model", "\0"],
        ["predict", "{}", "--output", "x.csv", "--model", "../" * 2000 + "x.onnx"],
        ["predict", "{}", "--output", "x.csv", "--model", "x" * 5000 + ".json"],
        ["predict", "{}", "--output", "x.csv", "--detector", "x" * 5000],
        ["predict", "x" * 5000, "--output", "x.csv"],
        ["predict", "[" * 500, "--output", "x.csv"],
        ["predict", "{}", "--output", "x" * 5000 + ".csv"],
        ["evaluate", "\x1b[2J.keras", "--output", "out"],
        ["evaluate", "x" * 5000, "--output", "out"],
        ["datasets", "folder", "--root", "\0"],
        ["datasets", "folder", "--root", "x" * 5000],
        ["datasets", "\x1b[2J"],
        ["export", "x" * 5000, "--format", "onnx", "--output", "out"],
        ["faces", "render", "--output", "out", "--vary", "yaw=1:2:inf"],
        ["camera", "--source", "x" * 5000, "--headless"],
    ],
    ids=lambda arguments: " ".join(arguments)[:40].encode("unicode_escape").decode(),
)
def test_options_that_make_no_sense_end_in_one_message(tmp_path, monkeypatch, arguments):
    monkeypatch.chdir(tmp_path)
    write_pictures(tmp_path, ["a.png"])
    result = CliRunner().invoke(app, [one.replace("{}", "a.png") for one in arguments])
    assert result.exit_code == 2, result.output
    assert "Traceback" not in result.output
    assert "\x1b[2J" not in result.output
    assert isinstance(result.exception, (SystemExit, type(None)))
    assert len(result.output) < 40_000


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


class Form(TypedDict):
    __pydantic_config__ = OPEN
    a: Integer


@quick
@given(JSON)
def test_any_json_is_an_object_or_refused_with_its_name(tmp_path_factory, document):
    path = tmp_path_factory.getbasetemp() / "any.json"
    path.write_text(json.dumps(document))
    value = document.get("a") if isinstance(document, dict) else None
    fits = type(value) is int and abs(value) < 2**63
    if fits and "\\ud" not in path.read_text():
        # NaN is not equal to itself
        assert repr(read_json(path, "a test", "mend it", Form)) == repr(document)
    elif not fits:
        with pytest.raises(ValueError, match=r"any\.json is not a test.*mend it"):
            read_json(path, "a test", "mend it", Form)
