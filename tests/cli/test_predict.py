"""`affectkit predict` in a terminal: what it prints without --output, and its older options."""

import json
import sys

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from affectkit.cli import app
from affectkit.faces import render_face
from affectkit.pipeline import VideoWriter

MODEL = ("--model", "affectkit-synthetic-int8")


def predict(*arguments, exit_code=0, width=100):
    words = ["predict", *map(str, arguments), *MODEL]
    result = CliRunner().invoke(app, words, env={"COLUMNS": str(width)})
    assert result.exit_code == exit_code, result.output
    return result


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """A folder with a face, a picture without one, and a text."""
    folder = tmp_path_factory.mktemp("pictures")
    canvas = np.full((150, 200, 3), 90, np.uint8)
    canvas[30:126, 60:156] = render_face(3, 96)[0]
    Image.fromarray(canvas).save(folder / "face.png")
    Image.fromarray(np.full((60, 60, 3), 200, np.uint8)).save(folder / "[red]empty.png")
    (folder / "notes.txt").write_text("none")
    return folder


@pytest.fixture(scope="module")
def video(pictures, tmp_path_factory):
    """Five quarters of a hundred frames of the face."""
    path = tmp_path_factory.mktemp("video") / "face.mp4"
    face = np.asarray(Image.open(pictures / "face.png"))
    with VideoWriter(path, 25) as writer:
        for _ in range(125):
            writer.write(face)
    return path


def test_rows_are_printed_as_a_table(pictures):
    result = predict(pictures)
    empty, face = sorted(result.stdout.splitlines()[1:])
    assert empty.split() == ["[red]empty.png", "no", "face"]
    name, *numbers, expression = face.split()
    assert (name, len(numbers)) == ("face.png", 6)
    assert all(0 < float(number) < 200 for number in numbers[:3])
    assert expression in result.stdout
    assert "3 files found = 2 predicted + 1 left out + 0 failed" in result.stderr
    assert "listed in" not in result.stderr


def test_lines_of_json_are_those_of_a_file(pictures, tmp_path):
    printed = predict(pictures, "--json").stdout
    written = tmp_path / "rows.jsonl"
    assert predict(pictures, "-o", written, "-q").stdout == ""
    assert printed == written.read_text(encoding="utf-8")
    assert [json.loads(line)["face"] for line in printed.splitlines()] == [None, 0]
    both = predict(pictures, "-o", written, "--json", exit_code=2)
    assert "expected --output or --json" in both.stderr


def test_a_table_is_for_a_few_files_and_rows(pictures, video, tmp_path):
    for number in range(21):
        (tmp_path / f"{number}.png").write_bytes((pictures / "face.png").read_bytes())
    refused = predict(tmp_path, exit_code=2)
    assert "expected at most 20 files to print a table of, got 21" in refused.stderr
    assert predict(tmp_path, "--json").stdout.count("\n") == 21
    result = predict(video)
    assert result.stdout.count("face.mp4") == 100
    assert "25 more rows; --output FILE.csv keeps all" in result.stdout
    assert "seconds" in result.stdout


def test_files_of_the_same_name_are_told_apart(pictures, tmp_path):
    again = tmp_path / "face.png"
    again.write_bytes((pictures / "face.png").read_bytes())
    shown = predict(pictures / "face.png", again, width=300).stdout
    files = {line.split()[0] for line in shown.splitlines()}
    assert files == {"file", str(again), str(pictures / "face.png")}


def test_what_fails_is_told_and_the_others_are_printed(pictures, tmp_path):
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    result = predict(pictures / "face.png", broken, exit_code=1)
    assert "face.png" in result.stdout
    assert "broken.png" in result.stderr
    assert "1 predicted + 0 left out + 1 failed" in result.stderr
    assert predict(broken, exit_code=2).stdout == ""


def test_the_older_options_for_a_path_go_on_working(pictures, monkeypatch):
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "3")
    face = pictures / "face.png"
    new = predict(face, "-v")
    assert "Note: " not in new.stderr
    for option, note in (("-v", "-v is for verbose"), ("--video", "--video is an older name")):
        old = predict(option, face)
        assert old.stdout == new.stdout
        assert f"Note: {note}" in old.stderr


def test_dask_is_asked_for_before_a_model_is_loaded(pictures, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", None)
    result = predict(pictures, "--workers", 2, exit_code=2)
    assert 'with --workers above 1, needs Dask: pip install "affectkit[cluster]"' in result.stderr
