"""The output of predictions: goes on after every kind of end, loses nothing and doubles nothing."""

import errno
import json
import os

import pandas as pd
import pytest

from affectkit.pipeline.predict.rows import encode_rows, face_rows
from affectkit.pipeline.predict.sink import OutputError, PredictionOutput, file_key

SETTINGS = {"model": "a", "stride": 1}


def add(output, *names):
    for name in names:
        with output.file(name) as write:
            write(face_rows(name, []))


def read_names(path):
    if path.suffix == ".csv":
        return pd.read_csv(path)["file"].tolist()
    if path.suffix == ".parquet":
        return pd.read_parquet(path)["file"].tolist()
    return [json.loads(line)["file"] for line in path.read_text().splitlines()]


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_a_second_run_goes_on(tmp_path, suffix):
    if suffix == ".parquet":
        pytest.importorskip("pyarrow")
    path = tmp_path / f"new folder/rows{suffix}"
    with PredictionOutput(path, SETTINGS) as output:
        add(output, "a.jpg", "b.jpg")
    assert read_names(path) == ["a.jpg", "b.jpg"]
    with PredictionOutput(path, SETTINGS) as output:
        assert output.finished == {file_key("a.jpg"), file_key("b.jpg")}
        add(output, "c.jpg")
    assert read_names(path) == ["a.jpg", "b.jpg", "c.jpg"]
    with PredictionOutput(path, SETTINGS, overwrite=True) as output:
        assert output.finished == set()
        add(output, "d.jpg")
    assert read_names(path) == ["d.jpg"]
    output.forget_progress()
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_wherever_a_run_is_killed_the_next_one_repairs_it(tmp_path, suffix):
    path = tmp_path / f"rows{suffix}"
    progress = path.with_name(path.name + ".progress")
    with PredictionOutput(path, SETTINGS) as output:
        add(output, "a.jpg")
        before = path.read_bytes(), progress.read_bytes()
        add(output, "b.jpg")
        after = path.read_bytes(), progress.read_bytes()
    steps = [(after[0][:end], before[1]) for end in range(len(before[0]), len(after[0]) + 1)]
    steps += [(after[0], after[1][:end]) for end in range(len(before[1]), len(after[1]) + 1)]
    steps += [(after[0][:end], after[1]) for end in range(len(before[0]), len(after[0]))]
    # the last ones are losses of power: the rows were not yet on disk
    for rows, known in [*steps[::5], steps[-1]]:
        path.write_bytes(rows)
        progress.write_bytes(known)
        with PredictionOutput(path, SETTINGS) as output:
            assert file_key("a.jpg") in output.finished
            add(
                output,
                *(name for name in ("b.jpg", "c.jpg") if file_key(name) not in output.finished),
            )
        assert read_names(path) == ["a.jpg", "b.jpg", "c.jpg"]


def test_an_error_drops_the_rows_of_its_file_and_an_interruption_keeps_them(tmp_path):
    path = tmp_path / "rows.csv"

    def fail(output, error):
        with output.file("bad.mp4") as write:
            write(face_rows("bad.mp4", [], 0, 0.0))
            raise error

    with PredictionOutput(path, SETTINGS) as output:
        add(output, "a.jpg")
        with pytest.raises(ValueError, match="damaged"):
            fail(output, ValueError("damaged"))
        add(output, "b.jpg")
        with pytest.raises(KeyboardInterrupt):
            fail(output, KeyboardInterrupt())
    assert read_names(path) == ["a.jpg", "b.jpg", "bad.mp4"]
    with PredictionOutput(path, SETTINGS) as output:
        assert file_key("bad.mp4") not in output.finished
        assert read_names(path) == ["a.jpg", "b.jpg"]


def test_other_settings_and_foreign_files_are_refused(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("my,own\n1,2\n")
    with pytest.raises(ValueError, match=r"rows\.csv exists, and can't be gone on with"):
        PredictionOutput(path, SETTINGS)
    assert path.read_text() == "my,own\n1,2\n"
    with PredictionOutput(path, SETTINGS, overwrite=True) as output:
        add(output, "a.jpg")
    content = path.read_bytes()
    with pytest.raises(ValueError, match="begun with other settings .stride 1.: use the same"):
        PredictionOutput(path, SETTINGS | {"stride": 2})
    assert path.read_bytes() == content


@pytest.mark.parametrize(
    "content", [b"my own list\n", b"\0" * 300, b"[1]\n", b'{"file": "/a.jpg", "end": 3}\n', b""]
)
def test_a_foreign_or_damaged_progress_file_costs_no_row(tmp_path, content):
    path = tmp_path / "rows.csv"
    with PredictionOutput(path, SETTINGS) as output:
        add(output, "a.jpg")
    rows, progress = path.read_bytes(), path.with_name("rows.csv.progress")
    progress.write_bytes(content)
    with pytest.raises(ValueError, match=r"rows\.csv can't be gone on with.*--overwrite both"):
        PredictionOutput(path, SETTINGS)
    assert (path.read_bytes(), progress.read_bytes()) == (rows, content)
    path.unlink()
    if content:
        with pytest.raises(ValueError, match="can't be gone on with"):
            PredictionOutput(path, SETTINGS)
        assert progress.read_bytes() == content
    with PredictionOutput(path, SETTINGS, overwrite=True) as output:
        add(output, "a.jpg")
    assert path.read_bytes() == rows


def test_ends_that_go_back_or_beyond_the_rows_are_not_believed(tmp_path):
    path = tmp_path / "rows.csv"
    with PredictionOutput(path, SETTINGS) as output:
        add(output, "a.jpg", "b.jpg")
    progress = path.with_name("rows.csv.progress")
    lines = progress.read_bytes().splitlines(keepends=True)
    for end in (b"1", b"-5", b"999999", b"1.5", b"true", b'"1"'):
        bad = lines[2].rpartition(b": ")[0] + b": " + end + b"}\n"
        progress.write_bytes(b"".join([*lines[:2], bad]))
        with PredictionOutput(path, SETTINGS) as output:
            assert output.finished == {file_key("a.jpg")}
            add(output, "b.jpg")
        assert read_names(path) == ["a.jpg", "b.jpg"]


def test_a_first_line_that_was_cut_off_is_written_anew(tmp_path):
    path = tmp_path / "rows.csv"
    path.with_name("rows.csv.progress").write_bytes(b'{"settings": {"mod')
    with PredictionOutput(path, SETTINGS) as output:
        add(output, "a.jpg")
    assert read_names(path) == ["a.jpg"]


def test_two_processes_do_not_write_the_same_output(tmp_path):
    path = tmp_path / "rows.csv"
    with PredictionOutput(path, SETTINGS) as output:
        add(output, "a.jpg")
        with pytest.raises(ValueError, match="another process is writing"):
            PredictionOutput(path, SETTINGS, overwrite=True)
        add(output, "b.jpg")
    assert read_names(path) == ["a.jpg", "b.jpg"]


def test_a_place_that_cant_be_written_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="can't be written .*: free some space or choose"):
        PredictionOutput(tmp_path / "file/rows.csv", SETTINGS)
    (tmp_path / "rows.csv").symlink_to("/dev/full")
    with pytest.raises(OutputError, match=os.strerror(errno.ENOSPC)):
        PredictionOutput(tmp_path / "rows.csv", SETTINGS, overwrite=True)


def test_rows_of_a_video_are_written_as_they_come(tmp_path):
    path = tmp_path / "rows.jsonl"
    with PredictionOutput(path, SETTINGS) as output, output.file("a.mp4") as write:
        for frame in range(3):
            rows = face_rows("a.mp4", [], frame, frame / 25)
            write(rows)
            assert path.read_bytes().endswith(encode_rows(rows, ".jsonl"))
