"""Files written in one step: what errors, kills and other processes leave."""

import os
import subprocess
import sys
import textwrap

import pytest

from affectkit.files import atomic_path, remove_partials, write_atomically
from affectkit.files.atomic import left_partials, replace_path, temporary_folder


def test_text_and_bytes_replace_what_was_there(tmp_path):
    path = tmp_path / "new folder/file.txt"
    assert write_atomically(path, "ü\n") == path
    assert path.read_bytes() == b"\xc3\xbc\n"
    write_atomically(path, b"\x00")
    assert path.read_bytes() == b"\x00"
    assert list(path.parent.iterdir()) == [path]


def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path):
    path = write_atomically(tmp_path / "file.txt", "old")

    def fail():
        with atomic_path(path) as partial:
            partial.write_text("half")
            raise ValueError("stop")

    with pytest.raises(ValueError, match="stop"):
        fail()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_never_replaces_a_full_one(tmp_path):
    for content in ("first", "second"):
        try:
            with atomic_path(tmp_path / "folder") as partial:
                partial.mkdir()
                (partial / "file").write_text(content)
        except OSError:
            assert content == "second"
    assert (tmp_path / "folder/file").read_text() == "first"
    assert len(list(tmp_path.iterdir())) == 1


def test_what_a_killed_process_left_is_found_and_removed_but_not_what_a_live_one_writes(tmp_path):
    script = """
        import os, signal, sys
        from affectkit.files.atomic import atomic_path
        with atomic_path(sys.argv[1]) as partial:
            partial.write_text("half")
            os.kill(os.getpid(), signal.SIGKILL)
    """
    for name in ("file.txt", "deep/image.webp"):
        command = [sys.executable, "-c", textwrap.dedent(script), str(tmp_path / name)]
        assert subprocess.run(command, check=False).returncode == -9
    (tmp_path / f".partial-{os.getpid()}-mine.txt").write_text("being written")
    (tmp_path / ".partial-notes").write_text("a user's")
    (left,) = left_partials(tmp_path)
    assert (left.name.partition("-")[2].partition("-")[2], left.read_text()) == ("file.txt", "half")
    assert left_partials(tmp_path, "other.txt") == []
    assert len(left_partials(tmp_path, deep=True)) == 2
    remove_partials(tmp_path, deep=True)
    names = sorted(path.name for path in tmp_path.rglob("*") if path.is_file())
    assert names == [f".partial-{os.getpid()}-mine.txt", ".partial-notes"]


@pytest.mark.parametrize("is_folder", [True, False])
def test_checked_results_take_the_place_of_older_ones(tmp_path, is_folder):
    for content in ("first", "second"):
        with temporary_folder(tmp_path) as folder:
            new = folder / "result"
            if is_folder:
                new.mkdir()
            (new / "file" if is_folder else new).write_text(content)
            replace_path(new, tmp_path / "result")
    result = tmp_path / "result"
    assert (result / "file" if is_folder else result).read_text() == "second"
    assert list(tmp_path.iterdir()) == [result]
