"""Keras' `fit` on two workers: what it lacks, and that two train as one process does."""

import inspect
import os
import signal
import time

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from affectkit.data import make_table
from affectkit.models.build import BACKBONE
from affectkit.preprocess import Preprocessing
from affectkit.profiles import TrainingSettings
from affectkit.training import choose_strategy, train_model
from affectkit.training.backup import TrainingBackup
from affectkit.training.keras_workers import WorkerModel, all_agree, model_class, workers_of
from affectkit.training.workers import is_chief, launch_workers

SIZE = Preprocessing(32)
SETTINGS = TrainingSettings(
    epochs=3, batch_size=32, learning_rate=1e-2, augmentation="strong", head_epochs=1, mixup=0.2,
    ema_momentum=0.5,
)  # fmt: skip
TOLERANCE = 1e-3
"""Of losses and weights: Adam enlarges what sums in another order differ by."""

QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3", "TF_NUM_INTRAOP_THREADS": "1"}


def small_network():
    """Trained in a second, with normalisation as the real one."""
    keras.utils.set_random_seed(1)
    inputs = keras.Input((32, 32, 3))
    layers = [
        keras.layers.Conv2D(8, 3, 4, use_bias=False),
        keras.layers.BatchNormalization(),
        keras.layers.ReLU(),
    ]
    features = keras.Sequential([*layers, keras.layers.GlobalAveragePooling2D()], name=BACKBONE)
    head = keras.layers.Dense(8, "softmax", name="expression")
    return keras.Model(inputs, head(features(inputs)))


def noise(rows, split):
    generator = np.random.default_rng(len(split))
    columns = {"image_id": [f"{row}" for row in range(rows)], "split": [split] * rows}
    table = make_table(columns | {"expression": np.arange(rows) % 8}, "noise", "folder")
    return table, generator.integers(0, 256, (rows, 32, 32, 3), np.uint8)


def train(folder):
    """Train in this scope, in batches of all workers; the chief keeps the weights."""
    model = small_network()
    splits = noise(96, "train"), noise(40, "validation")
    train_model(model, *splits, SIZE, SETTINGS, folder / "logs", 3, keep_backup=True)
    if is_chief():
        np.savez(folder / "weights.npz", *model.get_weights())


def train_as_worker(folder, kill):
    """The second worker is killed once, after an epoch of the second stage."""
    strategy = choose_strategy()
    assert workers_of(strategy) == strategy.num_replicas_in_sync == 2
    original = TrainingBackup.on_epoch_end

    def save_and_die(backup, epoch, logs=None):
        original(backup, epoch, logs)
        if kill and not is_chief() and epoch == 1 and not (folder / "killed").exists():
            while len(pd.read_csv(folder / "logs" / "classification_log.csv")) < 2:
                time.sleep(0.01)
            (folder / "killed").touch()
            os.kill(os.getpid(), signal.SIGKILL)

    TrainingBackup.on_epoch_end = save_and_die
    with strategy.scope():
        assert all_agree([3])
        assert not all_agree([int(is_chief())])
        train(folder)


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    folder = tmp_path_factory.mktemp("alone")
    train(folder)
    return folder


def assert_same_training(one, other):
    for log in ("logs/head/classification_log.csv", "logs/classification_log.csv"):
        both = [pd.read_csv(folder / log) for folder in (one, other)]
        pd.testing.assert_frame_equal(*both, rtol=TOLERANCE, atol=TOLERANCE)
    with np.load(one / "weights.npz") as first, np.load(other / "weights.npz") as second:
        assert len(first.files) == len(second.files) == 7
        for name in first.files:
            np.testing.assert_allclose(first[name], second[name], atol=TOLERANCE, rtol=TOLERANCE)


@pytest.mark.slow
@pytest.mark.parametrize("kill", [False, True])
def test_two_workers_train_as_one_process_also_when_one_is_killed(alone, tmp_path, kill):
    restarts = launch_workers(train_as_worker, [tmp_path, kill], 2, environment=QUIET)
    assert restarts == int(kill)
    assert_same_training(alone, tmp_path)


def train_on_mirrored_devices(folder):
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    with tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope():
        assert model_class() is keras.Model
        train(folder)


@pytest.mark.slow
def test_two_devices_of_one_process_train_as_one(alone, tmp_path):
    launch_workers(train_on_mirrored_devices, [tmp_path], 1, restarts=0, environment=QUIET)
    assert_same_training(alone, tmp_path)


def fit_plainly(folder):
    """What Keras can't do yet: each override left out of a model that has the other."""
    strategy = choose_strategy()
    found = []
    for name in (None, "_maybe_symbolic_build", "train_step"):
        members = {} if name is None else {name: getattr(keras.Model, name)}
        with strategy.scope():
            inputs = keras.Input((4,))
            outputs = keras.layers.Dense(1)(inputs)
            model = type("Partly", (WorkerModel,), members)(inputs, outputs)
            model.compile("sgd", "mse")
            try:
                model.fit(np.ones((8, 4)), np.ones((8, 1)), batch_size=8, verbose=0)
                found.append("trains")
            except (ValueError, TypeError, AttributeError, tf.errors.OpError):
                found.append("fails")
    if is_chief():
        (folder / "found").write_text(" ".join(found))


@pytest.mark.slow
def test_keras_still_needs_both_overrides(tmp_path):
    """When this fails, `fit` can do it by itself: then take that override out."""
    launch_workers(fit_plainly, [tmp_path], 2, restarts=0, environment=QUIET)
    assert (tmp_path / "found").read_text() == "trains fails fails"


def test_what_is_overridden_is_there():
    for name in ("train_step", "test_step", "_maybe_symbolic_build"):
        known = inspect.signature(getattr(keras.Model, name)).parameters
        assert list(inspect.signature(getattr(WorkerModel, name)).parameters) == list(known)


def test_one_process_has_no_need_of_it():
    assert choose_strategy().num_replicas_in_sync == 1
    assert model_class() is keras.Model
    assert all_agree([0, 3, 2**24 - 1])
