"""`affectkit train shards` end to end: the real MobileNetV2, on one process and on two workers."""

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace

import keras
import numpy as np
import pandas as pd
import psutil
import pytest
from typer.testing import CliRunner

from affectkit.cli import app
from affectkit.data import load_table, read_index, write_shards
from affectkit.files import open_run_folder
from affectkit.models import open_model, save_model
from affectkit.preprocess import Preprocessing
from affectkit.profiles import get_profile
from affectkit.training import cluster_settings, runs, train_classifier_run

STEPS = ["--epochs", 1, "--batch-size", 16, "--learning-rate", 1e-5]
TOLERANCE = 1e-4
"""Of two workers that were killed beside two that were not: sums are in the same order."""


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
def interrupted(tmp_path_factory):
    """A run folder of the same command, stopped before its model was saved."""
    return tmp_path_factory.mktemp("interrupted")


@pytest.fixture(scope="module")
def alone(shards, tmp_path_factory, interrupted):
    """The run folder of one process, and what was printed."""
    folder = tmp_path_factory.mktemp("alone")
    forget = runs.forget_backup

    def copy_and_forget(logs, task):
        shutil.copytree(logs, interrupted / "logs")
        forget(logs, task)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runs, "forget_backup", copy_and_forget)
        return folder, run(shards, "--output", folder, *STEPS)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A classifier of a few weights."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input((32, 32, 3))
    features = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(4, 3)(inputs))
    faces = keras.Input((32, 32, 3))
    features = keras.Model(inputs, features, name="backbone")(faces)
    model = keras.Model(faces, keras.layers.Dense(8, activation="softmax")(features))
    return save_model(model, tmp_path_factory.mktemp("tiny") / "tiny.keras", Preprocessing(32))


@pytest.mark.slow
def test_a_classifier_is_trained_and_saved_with_its_facts(alone, shards):
    folder, text = alone
    log = pd.read_csv(folder / "logs" / "classification_log.csv")
    assert f"validation accuracy {log['val_accuracy'].iloc[0]:.3f}" in text
    assert [path.name for path in (folder / "logs").iterdir()] == ["classification_log.csv"]
    loaded = open_model(folder / "models" / "classifier.keras")
    training = loaded.card["training"]
    assert (training["dataset"], training["source"]) == ("shards", "affectfaces")
    assert (training["rows"], training["epochs"]) == (48, 1)
    assert training["profile"]["classifier"]["batch_size"] == 16
    assert loaded.temperature != 1
    assert "already holds a classifier" in run(shards, "--output", folder, exit_code=2)


@pytest.mark.slow
def test_a_supervisor_may_start_a_finished_run_again(alone, shards):
    folder, profile = open_run_folder(alone[0]), get_profile("quick", epochs=1)
    with pytest.raises(ValueError, match="holds a classifier of another training"):
        train_classifier_run(read_index(shards), profile, folder)
    changes = {"batch_size": 16, "learning_rate": 1e-5}
    same = replace(
        profile,
        classifier=replace(profile.classifier, **changes),
        regressor=replace(profile.regressor, **changes),
    )
    left = folder.logs / "classification_backup.npz"
    left.touch()
    before = (folder.models / "classifier.keras").stat()
    loaded = train_classifier_run(read_index(shards), same, folder)
    assert loaded.card["training"]["epochs"] == 1
    assert (folder.models / "classifier.keras").stat() == before
    assert not left.exists()


@pytest.mark.slow
def test_two_workers_train_the_real_network_about_as_well_as_one_process(alone, shards, tmp_path):
    """Batches are put together otherwise; in test_keras_workers.py they, and the weights, agree."""
    command = [sys.executable, "-c", "from affectkit.cli import app; app()", "train", "shards"]
    options = [str(shards), "--output", str(tmp_path), "--workers", "2", *map(str, STEPS)]
    process = subprocess.run([*command, *options], capture_output=True, text=True, check=True)
    assert process.stdout.count("Model: ") == 1  # only the chief reports
    name = "logs/classification_log.csv"
    one, two = (pd.read_csv(folder / name) for folder in (alone[0], tmp_path))
    assert list(two.columns) == list(one.columns)
    assert two["epoch"].tolist() == one["epoch"].tolist()
    assert two["val_loss"].iloc[-1] < np.log(8)  # chance
    assert two["val_loss"].iloc[-1] == pytest.approx(one["val_loss"].iloc[-1], abs=0.3)
    models = [open_model(run / "models" / "classifier.keras") for run in (alone[0], tmp_path)]
    assert models[1].temperature == pytest.approx(models[0].temperature, rel=0.3)
    for before, after in zip(*(loaded.model.get_weights() for loaded in models), strict=True):
        assert before.shape == after.shape
        assert np.isfinite(after).all()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--weights", "none"], "weights was 'affectfaces', is 'none'. Give the same settings"),
        (["--seed", 1], "seed was 0, is 1"),
        (["--profile", "standard"], "profile was 'quick', is 'standard'; dropout was 0.2, is 0.3"),
    ],
)
def test_an_interrupted_run_goes_on_with_its_own_options_only(
    alone, shards, interrupted, options, told
):
    backup = interrupted / "logs" / "classification_backup.npz"
    before = backup.read_bytes()
    own = ["--output", interrupted, *STEPS]
    assert told in run(shards, *own, *options, exit_code=2)
    assert backup.read_bytes() == before
    assert not (interrupted / "models" / "classifier.keras").exists()


def test_a_regressor_is_trained_from_a_classifier(shards, tiny, tmp_path, monkeypatch):
    options = ["--output", tmp_path / "run", "--task", "regression", "--batch-size", 16]
    options += ["--epochs", 2]
    assert "expected a classifier at" in run(shards, *options, exit_code=2)
    with monkeypatch.context() as patch:
        patch.setattr(runs, "forget_backup", lambda *_: None)
        text = run(shards, *options, "--classifier", tiny)
    assert "of 2 epochs" in text
    loaded = open_model(tmp_path / "run" / "models" / "regressor.keras")
    assert (loaded.task, loaded.preprocessing.image_size) == ("regression", 32)
    sha256 = open_model(tiny).sha256
    assert loaded.card["training"]["classifier_sha256"] == sha256
    assert loaded.card["training"]["rows"] == 48
    wrong = (tmp_path / "run" / "models").rename(tmp_path / "models") / "regressor.keras"
    changed = open_model(tiny).model
    changed.set_weights([2 * value for value in changed.get_weights()])
    other = save_model(changed, tmp_path / "changed.keras", Preprocessing(32))
    told = f"classifier_sha256 was '{sha256}', is "
    assert told in run(shards, *options, "--classifier", other, exit_code=2)
    options[1] = tmp_path / "other"
    assert "expected a classifier" in run(shards, *options, "--classifier", wrong, exit_code=2)


def test_what_can_not_be_done_is_said_before_anything_is_started(shards, tmp_path, monkeypatch):
    output = ["--output", tmp_path / "run"]
    assert "expected a task of" in run(shards, *output, "--task", "both", exit_code=2)
    assert "expected index.json in" in run(tmp_path, *output, exit_code=2)
    assert "'seed'" in run(shards, *output, "--profile", "best", exit_code=2)
    both = [*output, "--task", "regression", "--weights", "imagenet", "--classifier", "one.keras"]
    assert "give one of the two" in run(shards, *both, exit_code=2)
    assert not (tmp_path / "run").exists()
    assert "too few for batches of 512" in run(shards, *output, "--batch-size", 512, exit_code=2)
    monkeypatch.setenv("TF_CONFIG", cluster_settings(["one:1", "two:1"], 1))
    assert "leave --workers out" in run(shards, *output, "--workers", 2, exit_code=2)


@pytest.mark.slow
def test_workers_that_would_fail_again_are_not_started_again(shards, tmp_path):
    options = ["--output", tmp_path, "--batch-size", 15, "--workers", 2]
    assert "exit code 2, and would do so again" in run(shards, *options, exit_code=2)


EPOCHS = 8
"""Some tenths of a second each: too many to be over before a signal comes."""


def start_and_kill(command, log, rows, number, victim):
    """Start a command and send a signal to it or to a worker once its log has so many rows."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    deadline, workers = time.monotonic() + 400, []
    while len(workers) < 2 or len(finished_epochs(log)) < rows:
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
        workers = workers_below(process)
    os.kill(process.pid if victim == "command" else workers[1].pid, number)
    return process, workers


def workers_below(process):
    """Not what Python starts beside spawned processes to keep account of them."""
    children = psutil.Process(process.pid).children()
    return [child for child in children if "spawn_main" in " ".join(child.cmdline())]


def finished_epochs(log):
    return log.read_text().splitlines()[1:] if log.exists() else []


@pytest.mark.slow
def test_a_command_that_is_killed_or_loses_a_worker_ends_as_if_nothing_had_been(
    shards, tiny, tmp_path
):
    """SIGTERM and SIGKILL to the command, and SIGKILL to a worker; no worker outlives it."""
    options = ["--task", "regression", "--classifier", tiny, "--epochs", EPOCHS]
    options += ["--batch-size", 16, "--learning-rate", 1e-3]
    run(shards, "--output", tmp_path / "whole", "--workers", 2, *options)
    folder = tmp_path / "killed"
    log = folder / "logs" / "regression_log.csv"
    command = [sys.executable, "-c", "from affectkit.cli import app; app()", "train", "shards"]
    command += map(str, [shards, "--output", folder, "--workers", 2, *options])
    for rows, number, code in ((0, signal.SIGTERM, 143), (2, signal.SIGKILL, -9)):
        process, workers = start_and_kill(command, log, rows, number, "command")
        process.communicate(timeout=400)
        assert process.returncode == code
        assert psutil.wait_procs(workers, timeout=60)[1] == []
        assert not (folder / "models" / "regressor.keras").exists()
    kept = finished_epochs(log)
    process, workers = start_and_kill(command, log, len(kept) + 1, signal.SIGKILL, "worker")
    output = process.communicate(timeout=400)[0]
    assert process.returncode == 0, output
    assert output.count("starting them again") == 1
    assert psutil.wait_procs(workers, timeout=60)[1] == []
    assert finished_epochs(log)[: len(kept)] == kept
    logs = [pd.read_csv(tmp_path / name / "logs" / log.name) for name in ("killed", "whole")]
    assert len(logs[1]) == EPOCHS
    pd.testing.assert_frame_equal(*logs, rtol=TOLERANCE, atol=TOLERANCE)
    models = [open_model(tmp_path / name / "models" / "regressor.keras").model for name in
              ("killed", "whole")]  # fmt: skip
    for one, other in zip(*(model.get_weights() for model in models), strict=True):
        np.testing.assert_allclose(one, other, atol=TOLERANCE)
    assert [path.name for path in (folder / "logs").iterdir()] == [log.name]


def test_a_damaged_shard_is_named_with_its_hash_before_anything_is_learnt(shards, tiny, tmp_path):
    damaged = shutil.copytree(shards, tmp_path / "shards")
    file = sorted(damaged.glob("train-*.tfrecord"))[2]
    content = bytearray(file.read_bytes())
    expected = hashlib.sha256(content).hexdigest()
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    options = ["--task", "regression", "--classifier", tiny, "--batch-size", 16]
    text = run(damaged, "--output", tmp_path / "run", *options, exit_code=2)
    found = hashlib.sha256(content).hexdigest()
    assert f"{file}: expected SHA-256 {expected}, found {found}. Copy it again" in text
    text = run(damaged, "--output", tmp_path / "run", *options, "--no-verify", exit_code=2)
    assert f"damaged or missing: {file} (expected SHA-256 {expected}, found {found})" in text
