"""Checkpoints: what is saved under a name answers the same when it is loaded in each form."""

import json

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
    LoadedModel,
    build_classifier,
    build_regressor,
    checkpoint_names,
    get_backbone,
    load_checkpoint,
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
        LoadedModel(classifier, GREY, "classification", 1.5, facts),
        LoadedModel(regressor, GREY, "regression", 1.0, facts),
    )


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("checkpoints")
    networks = pair_of_networks(shared=False)
    save_checkpoint("tiny", *networks, FACES, {"dataset": "noise"}, folder)
    return folder, networks


@pytest.mark.slow
def test_every_form_answers_like_the_networks(saved):
    folder, networks = saved
    assert checkpoint_names(folder) == ["tiny", "tiny-float16", "tiny-int8"]
    for name, tolerance in (("tiny", 1e-5), ("tiny-float16", 2e-3), ("tiny-int8", 0.08)):
        loaded = load_checkpoint(name, folder=folder)
        for network in networks:
            form = loaded[network.task]
            found = form.model.predict(FACES, verbose=0)
            np.testing.assert_allclose(
                found, network.model.predict(FACES, verbose=0), atol=tolerance
            )
            assert form.preprocessing == GREY
            assert form.temperature == network.temperature
    card = json.loads((folder / "tiny.json").read_text())
    assert card["architecture"]["shared_backbone"] is False
    sizes = {kind: entry["bytes"] for kind, entry in card["files"].items()}
    assert sizes["int8"] < sizes["float16"] < sizes["float32"]
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
def test_a_damaged_file_and_an_unknown_name_are_refused(saved):
    folder, _ = saved
    with pytest.raises(ValueError, match="a checkpoint of tiny, tiny-float16, tiny-int8, got 'x'"):
        load_checkpoint("x", folder=folder)
    file = folder / "tiny.int8.tflite"
    content = file.read_bytes()
    try:
        file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        with pytest.raises(ValueError, match="not what its card .*says"):
            load_checkpoint("tiny-int8", folder=folder)
        load_checkpoint("tiny-float16", folder=folder)
    finally:
        file.write_bytes(content)


def test_a_card_of_something_else_is_refused(tmp_path):
    (tmp_path / "classifier.json").write_text('{"task": "classification"}')
    with pytest.raises(ValueError, match="not the card of a checkpoint: .*name its .keras file"):
        load_checkpoint("classifier", folder=tmp_path)


def test_networks_that_are_fed_differently_make_no_checkpoint(tmp_path):
    classifier, regressor = pair_of_networks()
    other = LoadedModel(regressor.model, Preprocessing(32), "regression")
    with pytest.raises(ValueError, match="one preprocessing for both networks"):
        save_checkpoint("tiny", classifier, other, FACES, {}, tmp_path)
    assert list(tmp_path.iterdir()) == []
