"""How killed runs are compared and counted; tests/crash kills some."""

import random

import pytest


@pytest.fixture(scope="module")
def kill_runs(scripts):
    return scripts("kill_runs")


def test_what_a_killed_run_lost_doubled_or_changed_is_told(kill_runs, tmp_path):
    for name in ("same", "changed", "more"):
        (tmp_path / name).write_text("new")
    expected = kill_runs.files_of(tmp_path) | {"lost": "digest", "changed": "other"}
    del expected["more"]
    scenario = kill_runs.Scenario("", kill_runs.files_of, expected, kills=3)
    scenario.check(tmp_path)
    told = [text.removeprefix(f"{tmp_path.name}: ") for text in scenario.wrong]
    assert told == ["other changed", "lost lost", "more more"]
    fine = kill_runs.Scenario("", kill_runs.files_of, kills=4)
    assert kill_runs.summary({"a": scenario, "b": fine}) == (
        "4 of 7 kills resumed, 2 files lost or doubled, 1 different"
    )


def test_a_command_that_goes_on_is_killed_and_ends_as_unkilled(kill_runs, tmp_path):
    code = """
from pathlib import Path
for number in range(3):
    path = Path(folder) / f"{number}.txt"
    if not path.is_file() or not path.read_text():
        path.write_text(str(number))
"""
    scenario = kill_runs.Scenario(code, kill_runs.files_of)
    scenario.kill_often(3, tmp_path / "runs", random.Random(1))
    assert scenario.events >= 3
    assert scenario.kills == 3
    assert scenario.wrong == []
    wrong = kill_runs.Scenario(code.replace("str(number)", "str(folder)"), kill_runs.files_of)
    wrong.kill_often(1, tmp_path / "wrong", random.Random(1))
    assert wrong.wrong


def test_a_command_that_fails_is_no_killed_one(kill_runs, tmp_path):
    scenario = kill_runs.Scenario("raise ValueError('mine')", kill_runs.files_of)
    with pytest.raises(RuntimeError, match="mine"):
        scenario.run(tmp_path / "run")
