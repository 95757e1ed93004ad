"""`affectkit train shards` end to end: the real MobileNetV2, on one process and on two workers."""

import subprocess
import sys
from dataclasses import replace

import keras
import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from affectkit.cli import app
from affectkit.data.datasets import load_table
from affectkit.data.shard_index import read_index
from affectkit.data.shard_writer import write_shards
from affectkit.model_files import load_model, save_model
from affectkit.models import build_classifier
from affectkit.preprocess import Preprocessing
from affectkit.profiles import get_profile
from affectkit.run_folder import open_run_folder
from affectkit.shard_runs import train_classifier_from_shards
from affectkit.worker_launch import cluster_settings

STEPS = ["--epochs", 1, "--batch-size", 16, "--learning-rate", 1e-5]
"""Adam divides by the size of a gradient: where that is nearly 0 it makes noise of rounding errors,
which a larger rate would spread over all layers within a few steps (also in one process that sums
in another order)."""
TOLERANCE = 1e-4


def run(*arguments, exit_code=0):
    result = CliRunner().invoke(app, ["train", "shards", *(str(one) for one in arguments)])
    assert result.exit_code == exit_code, result.output
    assert "Traceback" not in result.output
    return " ".join(result.output.split())


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shards")
    write_shards(load_table("affectfaces", limit=48), folder, rows_per_shard=12)
    return folder


@pytest.fixture(scope="module")
def alone(shards, tmp_path_factory):
    """The run folder of one process that reads the shares of two, and what was printed."""
    folder = tmp_path_factory.mktemp("alone")
    return folder, run(shards, "--output", folder, "--shares", 2, *STEPS)


@pytest.mark.slow
def test_a_classifier_is_trained_and_saved_with_its_facts(alone, shards):
    folder, text = alone
    log = pd.read_csv(folder / "logs" / "classification_log.csv")
    assert f"validation accuracy {log['val_accuracy'].iloc[0]:.3f}" in text
    assert [path.name for path in (folder / "logs").iterdir()] == ["classification_log.csv"]
    loaded = load_model(folder / "models" / "classifier.keras")
    training = loaded.card["training"]
    assert (training["dataset"], training["source"]) == ("shards", "affectfaces")
    assert (training["rows"], training["epochs"], training["shares"]) == (48, 1, 2)
    assert training["profile"]["classifier"]["batch_size"] == 16
    assert loaded.temperature != 1
    assert "already holds a classifier" in run(shards, "--output", folder, exit_code=2)


@pytest.mark.slow
def test_a_supervisor_may_start_a_finished_run_again(alone, shards):
    folder, profile = open_run_folder(alone[0]), get_profile("quick", epochs=1)
    with pytest.raises(ValueError, match="holds a classifier of another training"):
        train_classifier_from_shards(read_index(shards), profile, folder, shares=2)
    changes = {"batch_size": 16, "learning_rate": 1e-5}
    same = replace(
        profile,
        classifier=replace(profile.classifier, **changes),
        regressor=replace(profile.regressor, **changes),
    )
    left = folder.logs / "classification_backup.npz"
    left.touch()
    before = (folder.models / "classifier.keras").stat()
    loaded = train_classifier_from_shards(read_index(shards), same, folder, shares=2)
    assert loaded.card["training"]["epochs"] == 1
    assert (folder.models / "classifier.keras").stat() == before
    assert not left.exists()


@pytest.mark.slow
def test_two_workers_train_the_real_network_as_one_process_does(alone, shards, tmp_path):
    """Loss and weights: each worker alone, without the other's gradients, would move elsewhere."""
    program = [sys.executable, "-c", "from affectkit.cli import app; app()", "train", "shards"]
    options = [str(shards), "--output", str(tmp_path), "--workers", "2", *map(str, STEPS)]
    process = subprocess.run([*program, *options], capture_output=True, text=True, check=True)
    assert process.stdout.count("Model: ") == 1  # only the chief reports
    name = "logs/classification_log.csv"
    one, two = (pd.read_csv(folder / name) for folder in (alone[0], tmp_path))
    pd.testing.assert_frame_equal(two, one, rtol=TOLERANCE, atol=TOLERANCE)
    models = [load_model(run / "models" / "classifier.keras") for run in (alone[0], tmp_path)]
    assert models[1].temperature == pytest.approx(models[0].temperature, rel=1e-2)
    keras.utils.set_random_seed(0)
    start = build_classifier(64, 0.35, 0.2, "affectfaces").trainable_weights
    moves = [
        np.concatenate(
            [
                (after.numpy() - before.numpy()).ravel()
                for after, before in zip(loaded.model.trainable_weights, start, strict=True)
            ]
        )
        for loaded in models
    ]
    assert np.abs(moves[0]).max() > 1e-5
    assert np.corrcoef(*moves)[0, 1] > 0.95


def test_a_regressor_is_trained_from_a_classifier(shards, tmp_path):
    inputs = keras.Input((32, 32, 3))
    features = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(4, 3)(inputs))
    faces = keras.Input((32, 32, 3))
    features = keras.Model(inputs, features, name="backbone")(faces)
    model = keras.Model(faces, keras.layers.Dense(8, activation="softmax")(features))
    classifier = save_model(model, tmp_path / "tiny.keras", Preprocessing(32))
    options = ["--output", tmp_path / "run", "--task", "regression", "--batch-size", 16]
    assert "expected a classifier at" in run(shards, *options, exit_code=2)
    text = run(shards, *options, "--classifier", classifier)
    assert "of 2 epochs" in text
    loaded = load_model(tmp_path / "run" / "models" / "regressor.keras")
    assert (loaded.task, loaded.preprocessing.image_size) == ("regression", 32)
    card = load_model(classifier).card
    assert loaded.card["training"]["classifier_sha256"] == card["sha256"]
    assert loaded.card["training"]["rows"] == 48
    wrong = tmp_path / "run" / "models" / "regressor.keras"
    options[1] = tmp_path / "other"
    assert "expected a classifier" in run(shards, *options, "--classifier", wrong, exit_code=2)


def test_what_can_not_be_done_is_said_before_anything_is_started(shards, tmp_path, monkeypatch):
    output = ["--output", tmp_path / "run"]
    assert "expected a task of" in run(shards, *output, "--task", "both", exit_code=2)
    assert "expected index.json in" in run(tmp_path, *output, exit_code=2)
    assert "expected a profile of" in run(shards, *output, "--profile", "best", exit_code=2)
    assert not (tmp_path / "run").exists()
    assert "too few for batches of 512" in run(shards, *output, "--batch-size", 512, exit_code=2)
    monkeypatch.setenv("TF_CONFIG", cluster_settings(["one:1", "two:1"], 1))
    assert "leave --workers out" in run(shards, *output, "--workers", 2, exit_code=2)


@pytest.mark.slow
def test_workers_that_would_fail_again_are_not_started_again(shards, tmp_path):
    options = ["--output", tmp_path, "--batch-size", 15, "--workers", 2]
    assert "exit code 2, and would do so again" in run(shards, *options, exit_code=2)
