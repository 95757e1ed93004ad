"""The script that measures what each stage of a training left behind."""

import importlib.util
import re
from pathlib import Path

import keras
import pytest

from affectkit.models import build_classifier, save_model
from affectkit.preprocess import Preprocessing
from affectkit.training.recipes.stages import AGAIN, SETTLING

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "compare_stages.py"


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("compare_stages", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Two runs: the second has the first one's network and a stage of its own."""
    folder = tmp_path_factory.mktemp("runs")
    keras.utils.set_random_seed(0)
    models = [build_classifier(32, 0.35, 0.0) for _ in range(2)]
    places = (("one", "classifier_32", 0), ("two", "classifier_32", 0), ("two", "classifier", 1))
    for run, name, number in places:
        facts = {"profile": (AGAIN, SETTLING)[number].to_dict(), "faint_smiles": 7 * number}
        path = folder / run / "models" / f"{name}.keras"
        path.parent.mkdir(parents=True, exist_ok=True)
        save_model(models[number], path, Preprocessing(32, grey=True), facts, 0.5)
    return [folder / "one", folder / "two"]


def test_a_network_of_two_runs_is_measured_once(script, runs):
    found = script.find_networks(runs)
    assert [(path.parents[1].name, path.stem) for path in found] == [
        ("one", "classifier_32"),
        ("two", "classifier"),
    ]


@pytest.mark.slow
@pytest.mark.needs_shared
def test_the_table_tells_stage_and_accuracies(script, runs, shared, tmp_path):
    path = runs[1] / "models" / "classifier.keras"
    row = script.measure(path, shared / "data" / "ferplus", shared / "data" / "london_faces")
    assert (row["FER+ faces"], row["London faces"]) == (3199, 40)
    # half of London's faces are neutral, half smile
    assert row["London accuracy"] == pytest.approx(
        (row["London Neutral"] + row["London Happy"]) / 2
    )
    text = script.write_table([row], tmp_path).read_text("utf-8")
    assert "on 3,199 PublicTest faces" in text
    assert "a face is 2.5 points" in text
    (line,) = re.findall(r"^\| two/classifier .*$", text, flags=re.MULTILINE)
    cells = line.strip("| ").split(" | ")
    assert cells[:6] == ["two/classifier", "checkpoint-settling", "3", "0.0", "strong", "7"]
    assert float(cells[6]) == pytest.approx(row["FER+ accuracy"], abs=5e-4)
