"""Checkpoints: what is saved under a name answers the same when it is loaded in each form."""

import json
import shutil
import subprocess
import sys

import keras
import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from affectkit.cli import app
from affectkit.data import load_table
from affectkit.evaluation import read_metrics
from affectkit.export import save_checkpoint
from affectkit.models import (
    Model,
    build_classifier,
    build_regressor,
    checkpoint_names,
    find_model,
    get_backbone,
    open_model,
    predict_table,
)
from affectkit.preprocess import Preprocessing

GREY = Preprocessing(32, grey=True)
FACES = np.random.default_rng(0).uniform(-1, 1, (12, 32, 32, 3)).astype(np.float32)


def pair_of_networks(shared=True):
    """A classifier and a regressor, with one backbone or with two."""
    keras.utils.set_random_seed(7)
    classifier = build_classifier(32, 0.35, weights="affectfaces")
    regressor = build_regressor(classifier)
    if not shared:
        backbone = get_backbone(regressor)
        backbone.set_weights([weight * 1.01 for weight in backbone.get_weights()])
    facts = {"training": {"profile": {"alpha": 0.35}}}
    return (
        Model.of_keras(classifier, GREY, 1.5, facts),
        Model.of_keras(regressor, GREY, 1.0, facts),
    )


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("checkpoints")
    networks = pair_of_networks(shared=False)
    save_checkpoint("tiny", *networks, FACES, {"dataset": "noise"}, folder)
    return folder, networks


@pytest.mark.slow
def test_every_form_answers_like_the_networks(saved, monkeypatch):
    folder, networks = saved
    monkeypatch.setattr("affectkit.models.cards.FOLDER", folder)
    assert checkpoint_names() == ["tiny", "tiny-float16", "tiny-int8"]
    files = ("tiny.json", "tiny.float16.tflite", "tiny.int8.tflite")
    for name, file, tolerance in zip(checkpoint_names(), files, (1e-5, 2e-3, 0.08), strict=True):
        for model in (open_model(name), open_model(folder / file)):
            assert model.name == name
            assert model.preprocessing == GREY
            assert model.outputs == ("expression", "valence_arousal")
            answers = model(FACES)
            for network in networks:
                (output,) = network.outputs
                expected = network.model.predict(FACES, verbose=0)
                np.testing.assert_allclose(answers[output], expected, atol=tolerance)
                part = model.for_task(network.task)
                assert part.outputs == network.outputs
                assert part.temperature == network.temperature
                np.testing.assert_allclose(part(FACES)[output], answers[output], atol=1e-6)
    card = json.loads((folder / "tiny.json").read_text())
    assert card["architecture"]["shared_backbone"] is False
    sizes = {form: entry["bytes"] for form, (entry,) in card["files"].items()}
    assert sizes["tflite-int8"] < sizes["tflite-float16"] < sizes["weights"]
    assert card["training"] == {"dataset": "noise"}


@pytest.mark.slow
def test_the_command_evaluates_both_networks_of_a_checkpoint(saved, tmp_path):
    folder, networks = saved
    found = {}
    for file in ("tiny.json", "tiny.int8.tflite"):
        command = ["evaluate", str(folder / file), "--limit", "48", "--bootstrap", "0"]
        result = CliRunner().invoke(app, [*command, "--flip", "--output", str(tmp_path / file)])
        assert result.exit_code == 0, result.output
        faces = read_metrics(tmp_path / file / "metrics.json")
        affect = read_metrics(tmp_path / file / "valence_arousal" / "metrics.json")
        assert (faces["task"], affect["task"]) == ("classification", "regression")
        found[file] = pd.read_csv(tmp_path / file / "predictions.csv")
    table = load_table("affectfaces", split="test", limit=48)
    expected, _ = predict_table(networks[0], table, flip=True)
    probabilities = found["tiny.json"].filter(like="probability_").to_numpy()
    np.testing.assert_allclose(probabilities, expected, atol=1e-5)
    exact, int8 = (frame.filter(like="probability_").to_numpy() for frame in found.values())
    assert 1e-5 < np.abs(exact - int8).max() < 0.1


@pytest.mark.slow
def test_a_damaged_file_is_refused(saved):
    folder, _ = saved
    file = folder / "tiny.int8.tflite"
    content = file.read_bytes()
    try:
        file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        with pytest.raises(ValueError, match=r"not the file that its card tiny\.json describes"):
            open_model(file)
        find_model(folder / "tiny.float16.tflite")
    finally:
        file.write_bytes(content)


@pytest.mark.slow
def test_a_checkpoint_whose_writer_was_killed_is_finished(saved, tmp_path):
    folder, _ = saved
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    for file in folder.glob("tiny.*"):
        kept = file.name if file.suffix == ".json" else f".partial-{ended.pid}-{file.name}"
        shutil.copy(file, tmp_path / kept)
    (tmp_path / "tiny.int8.tflite").write_bytes(b"of an earlier training")
    for name in ("tiny.int8.tflite", "tiny.float16.tflite", "tiny.json"):
        assert find_model(tmp_path / name).path.is_file()
    names = {file.name for file in tmp_path.iterdir()}
    assert names == {file.name for file in folder.glob("tiny.*")}


def test_networks_that_are_fed_differently_make_no_checkpoint(tmp_path):
    classifier, regressor = pair_of_networks()
    other = Model.of_keras(regressor.model, Preprocessing(32))
    with pytest.raises(ValueError, match="one preprocessing for both networks"):
        save_checkpoint("tiny", classifier, other, FACES, {}, tmp_path)
    assert list(tmp_path.iterdir()) == []
