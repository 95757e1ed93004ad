"""Kill -9 at 20 random moments: what goes on afterwards ends as if nothing had happened."""

import importlib.util
import os
import random
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "kill_runs.py"
SEED = 20261125
pytestmark = pytest.mark.timeout(3600)  # with room for a busy machine


def load_script():
    spec = importlib.util.spec_from_file_location("kill_runs", SCRIPT)
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


kill_runs = load_script()


@pytest.fixture(scope="module")
def scenarios(tmp_path_factory):
    return kill_runs.prepare(tmp_path_factory.mktemp("killed"))


@pytest.mark.slow
@pytest.mark.parametrize("title", kill_runs.SHARES)
def test_a_killed_run_ends_as_an_unkilled_one(scenarios, title, tmp_path):
    scenario = scenarios[title]
    scenario.kill_often(kill_runs.SHARES[title], tmp_path / "runs", random.Random(f"{SEED}{title}"))
    assert scenario.expected
    assert scenario.wrong == []


@pytest.mark.slow
def test_twenty_of_twenty_kills_are_resumed(scenarios, capsys):
    if any(not scenario.finished for scenario in scenarios.values()):
        stop = pytest.fail if os.environ.get("CI", "").lower() == "true" else pytest.skip
        stop("counts the kills of the tests before it, and they did not all run")
    told = kill_runs.summary(scenarios)
    with capsys.disabled():
        print(f"\n{told}")
    assert told == "20 of 20 kills resumed, 0 files lost or doubled, 0 different"
