"""One door to a model: whatever predict takes, evaluate takes; cards of before are made anew."""

import json
import subprocess
import sys

import keras
import numpy as np
import pytest
from typer.testing import CliRunner

from affectkit.cli import app
from affectkit.evaluation import read_metrics
from affectkit.models import (
    Model,
    build_classifier,
    build_regressor,
    checkpoint_names,
    find_model,
    open_model,
    predict_faces,
    save_model,
)
from affectkit.models.renew import renew_card
from affectkit.preprocess import Preprocessing

FACES = np.random.default_rng(0).uniform(-1, 1, (3, 32, 32, 3)).astype(np.float32)


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    keras.utils.set_random_seed(0)
    classifier = build_classifier(32, 0.35)
    networks = {"classifier": classifier, "regressor": build_regressor(classifier)}
    for name, network in networks.items():
        path = folder / "models" / f"{name}.keras"
        save_model(network, path, Preprocessing(32), {"seed": name}, 1.5)
    return folder


def test_a_run_folder_is_one_model(run_folder):
    model = open_model(run_folder)
    assert model.name == run_folder.name
    assert model.tasks == ("classification", "regression")
    parts = [open_model(run_folder / "models" / f"{name}.keras") for name in
             ("classifier", "regressor")]  # fmt: skip
    answers = model(FACES)
    for part in parts:
        (output,) = part.outputs
        np.testing.assert_array_equal(answers[output], part(FACES)[output])
        again = model.for_task(part.task)
        assert (again.card, again.temperature) == (part.card, part.temperature)
    assert [file["sha256"] for file in model.files] == [part.sha256 for part in parts]
    with pytest.raises(ValueError, match="classification and regression; choose with"):
        _ = model.task
    with pytest.raises(ValueError, match="not for gaze"):
        model.for_task("gaze")
    with pytest.raises(ValueError, match="choose one with"):
        predict_faces(model, None, None)


def test_evaluate_takes_a_run_folder(run_folder, tmp_path):
    command = ["evaluate", str(run_folder), "--limit", "16", "--bootstrap", "0"]
    result = CliRunner().invoke(app, [*command, "--output", str(tmp_path)])
    assert result.exit_code == 0, result.output
    for folder, task in (("", "classification"), ("valence_arousal", "regression")):
        metrics = read_metrics(tmp_path / folder / "metrics.json")
        assert (metrics["task"], metrics["rows"]) == (task, 16)


def test_what_runs_in_litert_needs_no_tensorflow_and_is_no_keras_network():
    code = (
        "import sys; from affectkit import open_model; open_model('affectkit-real-int8')\n"
        "assert not {'tensorflow', 'keras'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    with pytest.raises(ValueError, match="already exported; .* such as affectkit-real$"):
        _ = open_model("affectkit-real-int8").model


def test_a_file_is_not_opened_with_the_card_of_another(run_folder):
    models = run_folder / "models"
    content = json.loads((models / "classifier.json").read_text())
    other = models / "other.keras"
    other.write_bytes((models / "classifier.keras").read_bytes())
    try:
        other.with_suffix(".json").write_text(json.dumps(content))
        with pytest.raises(ValueError, match=r"card of classifier\.keras, not of other\.keras"):
            open_model(other)
    finally:
        other.unlink()
        other.with_suffix(".json").unlink()


def test_a_protocol_may_have_a_temperature_of_its_own():
    card = {"outputs": {"expression": {}}, "confidence": {"protocol_temperatures": {"a": 0.5}}}
    model = Model("m", (), Preprocessing(32), 0.9, (card,))
    assert (model.temperature_for("a"), model.temperature_for("b")) == (0.5, 0.9)
    assert Model("m", (), Preprocessing(32), 0.9).temperature_for("a") == 0.9


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"temperature": float("nan")}, "temperature is nan"),
        ({"temperature": 0}, "temperature is 0"),
        ({"files": {"pickle": [{"name": "x", "sha256": ""}]}}, "files.pickle"),
        ({"files": {}}, "files is {}"),
        ({"outputs": {"gaze": {}}}, "outputs.gaze"),
        ({"confidence": {"plausible_share": 0}}, "confidence.plausible_share is 0"),
        ({"confidence": {"balanced_prior": [0.5] * 7}}, "confidence.balanced_prior"),
        (
            {"confidence": {"protocol_temperatures": {"ferplus-majority": -1}}},
            "confidence.protocol_temperatures.ferplus-majority is -1",
        ),
        ({"card_version": 1}, "python -m affectkit.models.renew"),
    ],
)
def test_cards_hold_what_they_should(run_folder, tmp_path, change, message):
    card = json.loads((run_folder / "models" / "classifier.json").read_text()) | change
    (tmp_path / "c.json").write_text(json.dumps(card))
    with pytest.raises(ValueError, match=message):
        find_model(tmp_path / "c.json")


def test_cards_of_before_are_made_anew(run_folder, tmp_path):
    card = json.loads((run_folder / "models" / "classifier.json").read_text())
    (entry,) = card["files"]["keras"]
    (tmp_path / "classifier.keras").write_bytes(
        (run_folder / "models" / "classifier.keras").read_bytes()
    )
    old = {"card_version": 1, "task": "classification", "outputs": ["Neutral"]}
    old |= {key: card[key] for key in ("affectkit", "preprocessing", "temperature")}
    old |= {key: card[key] for key in ("parameters", "training")}
    path = tmp_path / "classifier.json"
    path.write_text(json.dumps(old | {"features": 1280, "sha256": entry["sha256"]}))
    with pytest.raises(ValueError, match="is not a model card of affectkit of version 2"):
        open_model(tmp_path / "classifier.keras")
    renew_card(path)
    assert json.loads(path.read_text()) == card
    assert open_model(tmp_path / "classifier.keras").temperature == 1.5
    path.write_text('{"card_version": 1, "temperature": 2}')
    with pytest.raises(ValueError, match="of an earlier version"):
        renew_card(path)
    for name in checkpoint_names():
        assert find_model(name).name == name
