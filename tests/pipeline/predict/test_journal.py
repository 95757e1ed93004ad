"""The journal of predictions: goes on after every kind of end, loses and doubles nothing."""

import json
import os
import sqlite3
import struct
import tracemalloc

import pandas as pd
import pytest

from affectkit.pipeline.predict.journal import (
    Journal,
    OutputError,
    file_key,
    journal_path,
    recover_table,
)
from affectkit.pipeline.predict.rows import COLUMNS, face_rows

SETTINGS = {"model": "a", "stride": 1}


def add(journal, *names, frames=1):
    for name in names:
        for frame in range(frames):
            journal.write(face_rows(name, [], frame))
        journal.finish(name)


def read_names(path):
    if path.suffix == ".csv":
        return pd.read_csv(path)["file"].tolist()
    if path.suffix == ".parquet":
        return pd.read_parquet(path)["file"].tolist()
    return [json.loads(line)["file"] for line in path.read_text().splitlines()]


@pytest.fixture
def path(tmp_path):
    """An output with the rows of a.jpg and b.jpg."""
    path = tmp_path / "rows.csv"
    with Journal(path, SETTINGS) as journal:
        add(journal, "a.jpg", "b.jpg")
    return path


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_a_second_run_goes_on(tmp_path, suffix):
    path = tmp_path / f"new folder/rows{suffix}"
    with Journal(path, SETTINGS) as journal:
        add(journal, "a.jpg", "b.jpg")
    assert read_names(path) == ["a.jpg", "b.jpg"]
    with Journal(path, SETTINGS) as journal:
        assert journal.finished == {file_key("a.jpg"), file_key("b.jpg")}
        add(journal, "c.jpg")
    assert read_names(path) == ["a.jpg", "b.jpg", "c.jpg"]
    with Journal(path, SETTINGS, overwrite=True) as journal:
        assert journal.finished == set()
        add(journal, "d.jpg")
    assert read_names(path) == ["d.jpg"]
    journal.forget()
    assert list(path.parent.iterdir()) == [path]


def test_wherever_a_run_is_killed_files_are_whole_and_the_next_one_goes_on(tmp_path):
    path = tmp_path / "rows.csv"
    log = journal_path(path).with_name(journal_path(path).name + "-wal")
    with Journal(path, SETTINGS) as journal:
        add(journal, "a.mp4", frames=3)
        base = log.stat().st_size
        add(journal, "b.mp4", frames=3)
        journal.write(face_rows("c.mp4", [], 0))  # being worked on
        kept = {name: name.read_bytes() for name in (journal_path(path), log)}
    seen = set()
    for end in [*range(base, len(kept[log]), 997), len(kept[log])]:
        journal_path(path).write_bytes(kept[journal_path(path)])
        log.write_bytes(kept[log][:end])
        path.unlink(missing_ok=True)
        done = recover_table(path)
        assert read_names(path) == [*["a.mp4"] * 3, *["b.mp4"] * 3][: 3 * done]
        seen.add(done)
        with Journal(path, SETTINGS) as journal:
            todo = [name for name in ("b.mp4", "c.mp4") if file_key(name) not in journal.finished]
            add(journal, *todo, frames=3)
        assert read_names(path) == [*["a.mp4"] * 3, *["b.mp4"] * 3, *["c.mp4"] * 3]
    assert seen == {1, 2}


def test_a_file_that_can_t_be_done_is_dropped_and_an_interrupted_one_is_in_the_table_only(tmp_path):
    path = tmp_path / "rows.csv"
    with Journal(path, SETTINGS) as journal:
        add(journal, "a.jpg")
        journal.write(face_rows("bad.mp4", [], 0))
        journal.drop()
        add(journal, "b.jpg")
        journal.write(face_rows("long.mp4", [], 0))
    assert read_names(path) == ["a.jpg", "b.jpg", "long.mp4"]
    with Journal(path, SETTINGS) as journal:
        assert journal.finished == {file_key("a.jpg"), file_key("b.jpg")}
    assert read_names(path) == ["a.jpg", "b.jpg"]


def test_the_table_is_written_from_the_journal_alone(path):
    content = path.read_bytes()
    path.unlink()
    assert recover_table(path) == 2
    assert path.read_bytes() == content
    journal_path(path).unlink()
    with pytest.raises(ValueError, match=r"there is no .*rows\.csv\.progress\.sqlite"):
        recover_table(path)
    assert path.read_bytes() == content


def test_other_settings_are_refused_and_told_with_the_command_that_writes_the_rows(path):
    content = path.read_bytes()
    message = r"begun with other settings \(stride 1\): use the same.*`affectkit predict --output"
    with pytest.raises(ValueError, match=message):
        Journal(path, SETTINGS | {"stride": 2})
    assert path.read_bytes() == content


def test_an_output_without_a_journal_is_not_touched(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("my,own\n1,2\n")
    for empty in (False, True):
        if empty:
            journal_path(path).touch()
        with pytest.raises(ValueError, match=r"rows\.csv exists, and can't be gone on with"):
            Journal(path, SETTINGS)
    assert path.read_text() == "my,own\n1,2\n"
    with Journal(path, SETTINGS, overwrite=True) as journal:
        add(journal, "a.jpg")
    assert read_names(path) == ["a.jpg"]


def test_the_progress_file_of_an_older_affectkit_is_told_apart(tmp_path):
    path, former = tmp_path / "rows.csv", tmp_path / "rows.csv.progress"
    former.write_text('{"settings": {"model": "a"}}\n{"file": "/a.jpg", "end": 300}\n')
    path.write_text("file,frame\na.jpg,\n")
    before = path.read_bytes(), former.read_bytes()
    message = r"begun by an older affectkit.*rows\.csv\.progress.*another name, or --overwrite"
    with pytest.raises(ValueError, match=message):
        Journal(path, SETTINGS)
    assert (path.read_bytes(), former.read_bytes()) == before
    with Journal(path, SETTINGS, overwrite=True):
        pass
    assert not former.exists()
    former.write_text("my own notes")  # of no importance
    with Journal(path, SETTINGS) as journal:
        add(journal, "a.jpg")
    assert former.read_text() == "my own notes"


def change(*statements):
    """Give what changes a journal with SQL."""

    def spoil(path):
        connection = sqlite3.connect(path)
        for statement in statements:
            connection.execute(statement)
        connection.commit()
        connection.close()

    return spoil


def rewrite(content):
    """Give what changes the bytes of a journal."""
    return lambda path: path.write_bytes(content(path.read_bytes()))


SPOILT = {
    "text": rewrite(lambda _: b"my own list\n" * 9),
    "zeros": rewrite(lambda content: bytes(len(content))),
    "cut off": rewrite(lambda content: content[:5000]),
    "a page lost": rewrite(lambda content: content[:8192] + bytes(4096) + content[12288:]),
    "another program's": change("PRAGMA application_id=7"),
    "a later one": change("PRAGMA user_version=2"),
    "another table": change("DROP TABLE rows", "CREATE TABLE rows (file, frame)"),
    "a view": change("ALTER TABLE rows RENAME TO r", "CREATE VIEW rows AS SELECT * FROM r"),
    "a trigger": change(
        "CREATE TRIGGER t AFTER INSERT ON files BEGIN DELETE FROM rows; END",
    ),
    "text for a number": change("UPDATE rows SET valence = 'high'"),
    "a fraction for a number": change("UPDATE rows SET frame = 0.5"),
    "no name": change("UPDATE rows SET file = NULL"),
    "no settings": change("DELETE FROM settings"),
    "two settings": change("INSERT INTO settings SELECT * FROM settings"),
    "settings that are no object": change("UPDATE settings SET json = '3'"),
    "settings that are no JSON": change("UPDATE settings SET json = '" + "[" * 9000 + "'"),
}


@pytest.mark.parametrize("spoil", SPOILT.values(), ids=SPOILT)
def test_a_foreign_or_damaged_journal_is_refused_and_costs_no_row(path, spoil):
    spoil(journal_path(path))
    before = path.read_bytes(), journal_path(path).read_bytes()
    message = r"rows\.csv can't be gone on with: .*rows\.csv\.progress\.sqlite .*--overwrite both"
    for settings in (SETTINGS, None):
        with pytest.raises(ValueError, match=message):
            Journal(path, settings)
    assert (path.read_bytes(), journal_path(path).read_bytes()) == before
    with Journal(path, SETTINGS, overwrite=True) as journal:
        add(journal, "a.jpg")
    assert read_names(path) == ["a.jpg"]
    assert len(list(path.parent.iterdir())) == 2


def test_a_rollback_journal_can_t_have_another_file_removed(path, tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("precious")
    name = os.fsencode(victim)
    # SQLite's file format, 3.1: the magic number ends a journal that names a super-journal
    magic = bytes.fromhex("d9d505f920a163d7")
    header = magic + struct.pack(">5I", 0, 0, 35, 4096, 512)
    end = name + struct.pack(">2I", len(name), sum(struct.unpack(f"{len(name)}b", name))) + magic
    rollback = journal_path(path).with_name(journal_path(path).name + "-journal")
    rollback.write_bytes(header.ljust(512, b"\0") + struct.pack(">I", 35) + end)
    with pytest.raises(ValueError, match=r"-journal is not from affectkit"):
        Journal(path, SETTINGS)
    assert victim.read_text() == "precious"


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_a_pipe_or_folder_is_no_journal(tmp_path, make):
    make(journal_path(tmp_path / "rows.csv"))
    with pytest.raises(ValueError, match="is a folder, pipe or device"):
        Journal(tmp_path / "rows.csv", SETTINGS)


def test_two_processes_do_not_write_the_same_output(path):
    with Journal(path, SETTINGS) as journal:
        for options in ({"settings": SETTINGS}, {"settings": SETTINGS, "overwrite": True}, {}):
            with pytest.raises(ValueError, match="another process is writing"):
                Journal(path, **options)
        add(journal, "c.jpg")
    assert read_names(path) == ["a.jpg", "b.jpg", "c.jpg"]


def test_a_place_that_cant_be_written_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="can't be written .*: free some space or choose"):
        Journal(tmp_path / "file/rows.csv", SETTINGS)
    (tmp_path / "rows.csv").mkdir()
    with pytest.raises(OutputError, match=r"rows\.csv can't be written"):
        Journal(tmp_path / "rows.csv", SETTINGS, overwrite=True)


@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_values_come_back_as_they_were(tmp_path, suffix):
    path = tmp_path / f"rows{suffix}"
    name = os.fsdecode(b"\xff =\n\xe2\x82\xac.jpg")
    (row,) = face_rows(name, [], 2**40, 1 / 3)
    row |= {"x": -0.0, "y": 30.0, "score": 5e-324, "valence": -1e-06}
    with Journal(path, SETTINGS) as journal:
        journal.write([row])
        journal.finish(name)
    with Journal(path, SETTINGS) as journal:
        assert journal.finished == {file_key(name)}
    text = path.read_text(encoding="utf-8")  # a name that is not is spelt
    spelt = "\\xff =\n\u20ac.jpg"
    if suffix == ".jsonl":
        assert str(json.loads(text)) == str(row | {"file": spelt})  # "-0.0" is not "0.0"
    else:
        assert text.startswith(",".join(COLUMNS) + f'\n"{spelt}",{2**40},0.333333,,,-0.0,30.0,')


def test_a_large_table_is_written_in_flat_memory(tmp_path):
    path = tmp_path / "rows.csv"
    rows = [row for frame in range(1000) for row in face_rows("a.mp4", [], frame)]
    journal = Journal(path, SETTINGS)
    for _ in range(100):
        journal.write(rows)
    journal.finish("a.mp4")
    tracemalloc.start()
    journal.close()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert path.stat().st_size > 2_000_000
    assert peak < 1_000_000
