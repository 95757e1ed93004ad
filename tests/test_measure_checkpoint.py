"""The script that writes the tables of a checkpoint's card."""

import importlib.util
import re
from pathlib import Path

import pandas as pd
import pytest

from affectkit.labels import EXPRESSIONS

SCRIPT = Path(__file__).resolve().parent.parent / "benchmarks" / "measure_checkpoint.py"


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("measure_checkpoint", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
def test_tables_tell_what_was_measured(script, tmp_path):
    source = {"dataset": "affectfaces", "limit": 80, "bootstrap": 20}
    name = "affectkit-synthetic"
    results = script.evaluate(name, {"AffectFaces": source}, tmp_path)
    assert len(results) == 3 * 3  # forms; expressions, the same mirrored, valence and arousal
    text = script.report(results, name, tmp_path)
    for form in (name, f"{name}-float16", f"{name}-int8"):
        key = ("AffectFaces", form, "classification")
        (told,) = re.findall(rf"^\| {form} \| [\d.]+ \| ([\d.]+) \(", text, flags=re.MULTILINE)
        answers = pd.read_csv(script.folder_of(tmp_path, key) / "predictions.csv")
        assert len(answers) == 80
        accuracy = (answers["expression"] == answers["predicted"]).mean()
        assert float(told) == pytest.approx(accuracy, abs=5e-4)
    recalls = dict(re.findall(r"^\| (\w+) \| \d+ \| [\d.]+ \| ([\d.]+) \|", text, re.MULTILINE))
    assert set(recalls) == set(EXPRESSIONS)
    key = ("AffectFaces", name, "classification")
    happy = pd.read_csv(script.folder_of(tmp_path, key) / "predictions.csv")
    happy = happy[happy["expression"] == "Happy"]
    assert float(recalls["Happy"]) == pytest.approx(
        (happy["predicted"] == "Happy").mean(), abs=5e-4
    )
    assert "| against true values |" in text


@pytest.mark.needs_shared
def test_portraits_without_ratings_get_a_copy_with_constant_ones(script, shared, tmp_path):
    copy = script.labelled_copy(shared / "data/london_faces", tmp_path)
    labels = pd.read_csv(copy / "labels.csv")
    assert len(labels) == 40
    assert (labels[["valence", "arousal"]] == 0).all(axis=None)
    assert all((copy / file).is_file() for file in labels["file"])
