"""Accuracy: the tables of a card, and what each stage of a training left behind."""

import argparse
import json
import re
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest

from affectkit.evaluation.results import LEDGER
from affectkit.labels import EXPRESSIONS
from affectkit.models import build_classifier, save_model
from affectkit.preprocess import Preprocessing
from affectkit.training.recipes.stages import AGAIN, SETTLING

ROOT = Path(__file__).resolve().parents[2]
CARDS = {
    "ledger": ROOT / "affectkit/assets/checkpoints/affectkit-real.md",
    "copies": ROOT / "data_cards/ferplus.md",
}


@pytest.fixture(scope="module")
def script(scripts):
    return scripts("accuracy")


@pytest.mark.slow
def test_tables_tell_what_was_measured(script, tmp_path):
    source = {"dataset": "affectfaces", "limit": 80, "bootstrap": 20}
    name = "affectkit-synthetic"
    results = script.evaluate(name, {"AffectFaces": source}, tmp_path)
    assert len(results) == 3 * 3  # forms; expressions, the same mirrored, valence and arousal
    text = script.card_tables(results, name, tmp_path)
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


def test_smiles_begin_where_happys_logit_is_told_to(script, tmp_path):
    """Two faces, by hand: the smile of .2 against .7 wins once ln(.7 / .2) = 1.25 is added."""
    key = ("two faces", "some-network", "classification")
    folder = script.folder_of(tmp_path, key)
    folder.mkdir()
    names = [f"probability_{expression.lower()}" for expression in EXPRESSIONS]
    answers = pd.DataFrame(0.02, index=range(2), columns=names)
    answers["probability_neutral"], answers["probability_happy"] = (0.7, 0.85), (0.2, 0.04)
    answers.assign(expression=["Happy", "Neutral"]).to_csv(folder / "predictions.csv", index=False)
    table = script.thresholds_table({key: {}}, "some-network", tmp_path).splitlines()
    rows = {row.split(" | ")[0].strip("| "): row for row in table[2:]}
    assert rows["1"] == "| 1 | 0.500 | 0.000 |"
    assert rows["1.5"] == "| 1.5 | 1.000 | 1.000 |"
    assert list(rows) == ["0", "0.5", "1", "1.5", "2", "2.5"]


def test_the_threshold_for_a_smile_comes_from_the_raters_of_the_first_set(script):
    """By hand: half of the raters see a smile from .6 on, a tenth of them from .25 on.

    The fifth face is for neither, since most raters saw something else.
    """
    happy = [0.1, 0.25, 0.6, 0.9, 0.01]
    first = pd.DataFrame({"image_id": list("abcde"), "expression": "Neutral"})
    first["probability_happy"] = happy
    first["probability_neutral"] = 1 - first["probability_happy"]
    votes = pd.DataFrame({"image_id": list("edcba")})  # in another order
    votes["soft_happy"] = [0.3, 0.9, 0.4, 0.1, 0.0]
    votes["soft_neutral"] = [0.0, 0.1, 0.4, 0.9, 0.7]
    second = pd.DataFrame({"expression": ["Happy", "Happy", "Neutral", "Neutral"]})
    second["probability_happy"] = [0.3, 0.7, 0.2, 0.26]
    second["probability_neutral"] = 1 - second["probability_happy"]
    table = script.raters_table({"first": first, "second": second}, votes).splitlines()
    rows = {row.split(" | ")[0].strip("| "): row for row in table[2:]}
    assert rows["0.5"] == "| 0.5 | 0.41 | 1.000 | 0.750 | 1.000 | 0.500 |"  # ln(.6 / .4)
    assert rows["0.2"] == rows["0.5"].replace("0.5 |", "0.2 |", 1)
    assert rows["0.1"] == "| 0.1 | -1.10 | 1.000 | 0.750 | 0.500 | 1.000 |"  # ln(.25 / .75)


@pytest.mark.needs_shared
def test_portraits_without_ratings_get_a_copy_with_constant_ones(script, shared, tmp_path):
    copy = script.labelled_copy(shared / "data/london_faces", tmp_path)
    labels = pd.read_csv(copy / "labels.csv")
    assert len(labels) == 40
    assert (labels[["valence", "arousal"]] == 0).all(axis=None)
    assert all((copy / file).is_file() for file in labels["file"])


def test_exports_are_compared_with_keras(script):
    """Two faces, by hand: the second one's expression changes."""
    expected = {"expression": np.full((2, 8), 0.1), "valence_arousal": np.zeros((2, 2))}
    expected["expression"][:, 0] = 0.3
    found = {name: answers.copy() for name, answers in expected.items()}
    found["expression"][1, 1] = 0.34  # 0.24 more
    found["valence_arousal"][0] = 0.02, -0.06
    row = script.parity_row("faces", expected, found)
    told = ["faces", 2, "0.5000", "2.4e-01", "1.5e-02", "6.0e-02", "2.0e-02"]
    assert list(row.values()) == told


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
    data = shared / "data"
    arguments = argparse.Namespace(
        ferplus=data / "ferplus", london=data / "london_faces", limit=None
    )
    row = script.measure_stage(path, arguments)
    assert (row["FER+ faces"], row["London faces"]) == (3199, 40)
    # half of London's faces are neutral, half smile
    assert row["London accuracy"] == pytest.approx(
        (row["London Neutral"] + row["London Happy"]) / 2
    )
    text = script.write_stages([row], tmp_path).read_text("utf-8")
    assert "on 3,199 PublicTest faces" in text
    assert "a face is 2.5 points" in text
    (line,) = re.findall(r"^\| two/classifier .*$", text, flags=re.MULTILINE)
    cells = line.strip("| ").split(" | ")
    assert cells[:6] == ["two/classifier", "checkpoint-settling", "3", "0.0", "strong", "7"]
    assert float(cells[6]) == pytest.approx(row["FER+ accuracy"], abs=5e-4)


def card_rows(mark):
    """The cells of the lines of a table that the ledger writes into a card."""
    text = CARDS[mark].read_text("utf-8").partition(f"<!-- {mark} -->")[2]
    lines = text.partition(f"<!-- /{mark} -->")[0].strip().splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_copies_are_found_by_their_pixels(script):
    faces = np.arange(3 * 4, dtype=np.uint8).reshape(3, 2, 2)
    others = np.stack([faces[2], faces[0] + 1])
    assert script.are_copies(faces, others).tolist() == [False, False, True]


def test_what_raters_reach_by_hand(script):
    """Nine faces on which all agree; one of which half of the raters say its label."""
    shares = np.zeros((10, 8))
    shares[:, 1] = 1
    shares[9, :2] = 0.5
    reach = script.raters_reach(shares, np.full(10, 1))
    assert reach["one rater"].mean() == pytest.approx(0.95)
    favourite, majority = (reach[f"a new panel of ten, its {name}"] for name in
                           ("favourite", "majority"))  # fmt: skip
    assert favourite[:9].tolist() == majority[:9].tolist() == [1] * 9
    many = script.raters_reach(np.repeat(shares[9:], 20_000, axis=0), np.full(20_000, 1))
    # of ten throws of a coin more than five: (1024 - 252) / 2 of 1024
    assert many["a new panel of ten, its majority"].mean() == pytest.approx(386 / 1024, abs=0.01)


def test_the_card_tells_every_claim_with_what_others_found():
    told = [row[:4] for row in card_rows("ledger")]
    for _, data, system, claimed, found in LEDGER:
        assert [data, system, f"{claimed:g}", found] in told


@pytest.mark.slow
@pytest.mark.needs_shared
def test_the_cards_tell_what_the_ledger_measures(script, shared, tmp_path):
    """A limit above all rows: everything is counted, and no card is written."""
    command = ["--ferplus", str(shared / "data" / "ferplus"), "--output", str(tmp_path)]
    script.ledger([*command, "--limit", "1000000"])
    found = json.loads((tmp_path / "ledger.json").read_text("utf-8"))
    told = {row[1]: row[4:] for row in card_rows("ledger") if row[4]}
    for name, values in found["measured"].items():
        assert [float(cell) for cell in told[name]] == pytest.approx(values, abs=0.002), name
    counted = {split: cells for split, *cells in card_rows("copies")}
    for row in found["copies"]:
        split, *numbers = row.values()
        assert [int(cell.replace(",", "")) for cell in counted[split]] == numbers
        assert split != "PublicTest" or numbers[:2] == [3579, 279]
