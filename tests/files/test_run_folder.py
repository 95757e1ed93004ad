import re
from pathlib import Path

import pytest

from affectkit.files import RunFolder, new_run_path, open_run_folder, run_folder


def test_a_folder_is_the_same_from_any_working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = open_run_folder("runs/one")
    assert run == RunFolder(tmp_path / "runs" / "one")
    assert run.path.is_dir()
    assert list(run.path.iterdir()) == []
    assert [
        part.relative_to(run.path).as_posix() for part in (run.models, run.logs, run.metrics)
    ] == [
        "models",
        "logs",
        "metrics",
    ]
    assert sorted(part.name for part in run.path.iterdir()) == ["logs", "metrics", "models"]


@pytest.mark.parametrize("is_checkout", [True, False])
def test_without_a_name_it_lies_in_the_checkout_or_where_one_works(
    tmp_path, monkeypatch, is_checkout
):
    checkout, elsewhere = tmp_path / "checkout", tmp_path / "elsewhere"
    for folder in (checkout / "affectkit" / "files", elsewhere):
        folder.mkdir(parents=True)
    if is_checkout:
        (checkout / "pyproject.toml").write_text("")
    monkeypatch.setattr(run_folder, "__file__", str(checkout / "affectkit/files/run_folder.py"))
    monkeypatch.chdir(elsewhere)
    expected = checkout if is_checkout else elsewhere
    assert open_run_folder().path == expected / "runs" / "notebooks"


def test_a_new_run_is_named_by_its_time_and_not_made(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = new_run_path()
    assert path.parent == tmp_path / "runs"
    assert re.fullmatch(r"\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d", path.name)
    assert not path.exists()


def test_home_is_expanded(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert open_run_folder("~/runs").path == Path(tmp_path / "runs")
