"""Several replicas train as one does, on one machine and two; a killed worker comes back."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from affectkit.data import load_table, write_shards
from affectkit.models import build_regressor, get_backbone
from affectkit.models.batch_norm import is_folded
from affectkit.models.build import BACKBONE
from affectkit.preprocess import Preprocessing, scale_pixels
from affectkit.profiles import PROFILES, TrainingSettings
from affectkit.training.backup import WorkerBackup
from affectkit.training.replicas import ReplicaLoop, predict_shares, train_on_shards
from affectkit.training.shares import ShardShares
from affectkit.training.workers import launch_workers

SIZE = Preprocessing(32)
SETTINGS = TrainingSettings(epochs=4, batch_size=32, learning_rate=1e-2, augmentation="none")
FULL = replace(
    PROFILES["full"].classifier, epochs=3, head_epochs=2, learning_rate=1e-2, ema_momentum=0.9
)
TOLERANCE = 1e-4


def build(dropout=0.0):
    """A tiny network with normalisation, of affectkit's form."""
    keras.utils.set_random_seed(0)
    layers = keras.layers
    inputs = keras.Input((32, 32, 3))
    features = inputs
    for width in (8, 16):
        features = layers.Conv2D(width, 3, 2, use_bias=False)(features)
        features = layers.ReLU()(layers.BatchNormalization(momentum=0.9)(features))
    backbone = keras.Model(inputs, layers.GlobalAveragePooling2D()(features), name=BACKBONE)
    face = keras.Input((32, 32, 3))
    features = layers.Dropout(dropout)(backbone(face)) if dropout else backbone(face)
    return keras.Model(face, layers.Dense(8, "softmax", name="expression")(features))


def train_fully(shards, folder, **options):
    """Train the tiny network with the recipe of profile `full`, from the shares of two workers."""
    network = partial(build, dropout=0.5)
    return train_on_shards(
        network, shards, "classification", SIZE, FULL, folder, seed=1, shares=2, **options
    )


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shards")
    return write_shards(load_table("affectfaces", limit=320), folder, rows_per_shard=50)


@pytest.fixture(scope="module")
def alone(shards, tmp_path_factory):
    """One process with one device, which reads the shares of two."""
    folder = tmp_path_factory.mktemp("alone")
    model, log = train_fully(shards, folder)
    return model, log, folder


def test_one_process_trains_in_two_stages_and_logs(alone, shards):
    model, log, folder = alone
    head = pd.read_csv(folder / "head" / "classification_log.csv")
    assert head["epoch"].tolist() == [0, 1]
    assert log["epoch"].tolist() == [0, 1, 2]
    assert np.isfinite(log).all(axis=None)
    pd.testing.assert_frame_equal(pd.read_csv(folder / "classification_log.csv"), log)
    norm = model.get_layer(BACKBONE).layers[2]
    assert isinstance(norm, keras.layers.BatchNormalization)
    assert norm.synchronized is False  # only while training
    assert norm.momentum == 0.9
    assert np.abs(norm.moving_mean.numpy()).max() > 1e-3
    assert get_backbone(model).trainable


def assert_same_weights(first, second, tolerance=1e-6):
    for before, after in zip(first.weights, second.weights, strict=True):
        np.testing.assert_allclose(before.numpy(), after.numpy(), atol=tolerance)


def test_a_finished_training_is_not_done_again(alone, shards):
    model, log, folder = alone
    before = (folder / "classification_backup.npz").read_bytes()
    again, same = train_fully(shards, folder)
    pd.testing.assert_frame_equal(same, log)
    assert_same_weights(again, model)
    assert (folder / "classification_backup.npz").read_bytes() == before
    (folder / "classification_log.csv").unlink()
    other = replace(FULL, batch_size=64)
    told = "head/classification_backup.npz is of a training with other settings: {}. Give the same"
    with pytest.raises(ValueError, match=told.format("batch_size was 32, is 64; seed was 1, is 2")):
        train_on_shards(build, shards, "classification", SIZE, other, folder, seed=2, shares=2)
    with pytest.raises(ValueError, match=told.format("weights was None, is 'none'")):
        train_fully(shards, folder, facts={"weights": "none"})


def test_it_goes_on_after_any_epoch_as_if_nothing_had_been(alone, shards, tmp_path):
    """Stopped in the stage of the head, and then again in that of all layers."""
    model, log, _ = alone
    original = WorkerBackup.save

    def stop_at(place):
        def save_and_stop(backup, rows, better, write):
            original(backup, rows, better, write)
            if (backup._path.parent, len(rows)) == place:
                raise KeyboardInterrupt

        return save_and_stop

    for place in ((tmp_path / "head", 1), (tmp_path, 2)):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(WorkerBackup, "save", stop_at(place))
            with pytest.raises(KeyboardInterrupt):
                train_fully(shards, tmp_path)
    again, same = train_fully(shards, tmp_path)
    pd.testing.assert_frame_equal(same, log, rtol=1e-6)
    assert_same_weights(again, model)


def test_a_damaged_or_foreign_backup_is_named(shards, tmp_path):
    file = tmp_path / "classification_backup.npz"
    for content in (b"no zip", b""):
        file.write_bytes(content)
        with pytest.raises(ValueError, match=f"{file.name} is not a backup of this training"):
            train_on_shards(build, shards, "classification", SIZE, SETTINGS, tmp_path)
    np.savez(file, state=np.array("[]"), value0=np.zeros(3))
    with pytest.raises(ValueError, match="delete it to start anew"):
        train_on_shards(build, shards, "classification", SIZE, SETTINGS, tmp_path)


def test_the_moving_average_is_kept_and_normalisation_measured_for_it(
    shards, tmp_path, monkeypatch
):
    """Keras starts the average with the first step; momentum 0.5 then halves it at each other."""
    average, original = [], ReplicaLoop.train

    def train_and_average(loop, batches, rates):
        losses = []
        for rate, batch in zip(rates, batches, strict=False):
            losses.append(original(loop, [batch], [rate]))
            head = loop._trainer.layers[-1].get_layer("expression").get_weights()[0]
            average.append(average[-1] / 2 + head / 2 if average else head)
        return np.mean(losses)

    monkeypatch.setattr(ReplicaLoop, "train", train_and_average)
    settings = replace(SETTINGS, epochs=1, ema_momentum=0.5)
    arguments = shards, "classification", SIZE, settings
    model, _ = train_on_shards(build, *arguments, tmp_path, seed=1)
    data = ShardShares(*arguments, 1, tf.distribute.get_strategy())
    assert len(average) == data.steps("train") == 10
    head = model.get_layer("expression").get_weights()[0]
    np.testing.assert_allclose(head, average[-1], atol=1e-6)
    assert np.abs(average[-1] - average[-2]).max() > 1e-4
    faces = np.concatenate([batch[0] for batch in data.batches("train", 0).take(10)])
    norm = get_backbone(model).layers[2]
    inputs = keras.Model(get_backbone(model).input, norm.input)(scale_pixels(np.float32(faces)))
    np.testing.assert_allclose(norm.moving_mean, inputs.numpy().mean((0, 1, 2)), atol=1e-4)


def test_what_can_not_be_shared_is_refused(shards, tmp_path):
    one = tf.distribute.get_strategy()
    with pytest.raises(ValueError, match="3 shares divide evenly"):
        ShardShares(shards, "classification", SIZE, SETTINGS, 0, one, shares=3)
    with pytest.raises(ValueError, match="too few for batches of 1024"):
        ShardShares(
            shards, "classification", SIZE, TrainingSettings(batch_size=1024), 0, one, shares=2
        )


def test_rows_without_the_target_are_no_steps(tmp_path):
    """A third of 96 has no valence and arousal, a half no expression; each split has all rows."""
    table = load_table("affectfaces", limit=96)
    for split in ("train", "validation"):
        rows = table.index[table["split"] == split]
        table.loc[rows[:32], ["valence", "arousal"]] = np.nan
        table.loc[rows[48:], "expression"] = pd.NA
    index = write_shards(table, tmp_path, rows_per_shard=48)
    settings, one = TrainingSettings(batch_size=4), tf.distribute.get_strategy()
    for task, rows in (("regression", 64), ("classification", 48)):
        data = ShardShares(index, task, SIZE, settings, 0, one)
        assert data.steps("train") == data.steps("validation") == rows // 4
        batches = data.batches("validation", 0).take(rows // 4 + 1)
        counts = [int(tf.reduce_sum(batch[2])) for batch in batches]
        assert counts == [4] * (rows // 4) + [0]
    with pytest.raises(ValueError, match="48 rows for training and 48 for validation that class"):
        ShardShares(index, "classification", SIZE, TrainingSettings(batch_size=64), 0, one)


def test_every_face_of_validation_counts_once(shards):
    """Shares of unlike length: all are read, and what fills up has no weight."""
    data = ShardShares(shards, "classification", SIZE, SETTINGS, 0, tf.distribute.get_strategy(), 4)
    steps = data.steps("validation")
    weights = [
        float(tf.reduce_sum(batch[2])) for batch in data.batches("validation", 0).take(steps)
    ]
    assert sum(weights) == 320
    more = [float(tf.reduce_sum(b[2])) for b in data.batches("validation", 0).take(steps + 2)]
    assert more[steps:] == [0, 0]


def test_the_regressor_learns_and_ends_with_its_best_weights(shards, tmp_path):
    settings = TrainingSettings(epochs=3, batch_size=32, learning_rate=1e-2, augmentation="none")
    regressor, log = train_on_shards(
        lambda: build_regressor(build()), shards, "regression", SIZE, settings, tmp_path
    )
    assert log["loss"].iloc[-1] < log["loss"].iloc[0]
    assert log["val_rmse"].iloc[1] == pytest.approx(log["val_loss"].iloc[1] ** 0.5, rel=1e-3)
    one = tf.distribute.get_strategy()
    data = ShardShares(shards, "regression", SIZE, settings, 0, one)
    targets, answers = predict_shares(regressor, data)
    assert targets.shape == answers.shape == (320, 2)
    best = log["val_rmse"].min()
    assert np.sqrt(((targets - answers) ** 2).mean()) == pytest.approx(best, rel=1e-4)


def folded():
    """The tiny network as exports for inference leave it: normalisation is a shift."""
    model = build()
    for layer in get_backbone(model).layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.moving_variance.assign(np.full(layer.gamma.shape, 1 - layer.epsilon))
            layer.beta.assign(np.linspace(-0.5, 0.5, layer.gamma.shape[0]))
    return model


def test_a_frozen_backbone_stays_and_a_folded_one_is_unfolded(shards, tmp_path):
    settings = TrainingSettings(epochs=1, batch_size=32, learning_rate=1e-2, freeze_backbone=True)
    model, _ = train_on_shards(folded, shards, "classification", SIZE, settings, tmp_path)
    before, after = get_backbone(folded()), get_backbone(model)
    assert is_folded(before)
    assert not is_folded(after)
    assert after.layers[2].moving_mean.numpy().std() > 0.01
    faces = np.random.default_rng(0).uniform(-1, 1, (4, 32, 32, 3))
    np.testing.assert_allclose(after(faces), before(faces), atol=1e-5)
    moved = model.get_layer("expression").get_weights()[0]
    assert np.abs(moved - folded().get_layer("expression").get_weights()[0]).max() > 1e-3


SCRIPT = """
    import os, sys
    from pathlib import Path
    sys.path.insert(0, {tests!r})
    import tensorflow as tf
    import test_replicas as here
    from affectkit.data.shards.index import read_index
    from affectkit.training.workers import choose_strategy, is_chief

    folder = Path(sys.argv[2])
    (folder / ("chief" if is_chief() else "other")).write_text(str(os.getpid()))
    strategy = choose_strategy()
    assert strategy.num_replicas_in_sync == 2, strategy
    index = read_index(sys.argv[1])
    model, _ = here.train_fully(index, folder, strategy=strategy)
    if is_chief():
        model.save_weights(folder / "chief.weights.h5")
"""


def script_command(shards, folder):
    text = textwrap.dedent(SCRIPT).format(tests=str(Path(__file__).parent))
    return [sys.executable, "-c", text, shards.folder, str(folder)]


QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3", "TF_NUM_INTRAOP_THREADS": "1"}


@pytest.mark.slow
def test_two_workers_one_killed_train_as_one_process(alone, shards, tmp_path):
    """kill -9 of a worker in the second stage: both start again; curves and weights agree."""
    log_file, restarts = tmp_path / "classification_log.csv", []

    def launch():
        command = script_command(shards, tmp_path)
        restarts.append(launch_workers(command, 2, restarts=1, environment=QUIET))

    thread = threading.Thread(target=launch)
    thread.start()
    deadline = time.monotonic() + 400
    while not log_file.exists():
        assert thread.is_alive()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    before = pd.read_csv(log_file)
    os.kill(int((tmp_path / "other").read_text()), signal.SIGKILL)
    thread.join(400)
    assert restarts == [1]
    log = pd.read_csv(log_file)
    assert 1 <= len(before) < len(log) == FULL.epochs
    pd.testing.assert_frame_equal(log.head(len(before)), before)
    model, wanted, folder = alone
    pd.testing.assert_frame_equal(log, wanted, rtol=TOLERANCE, atol=TOLERANCE)
    heads = [pd.read_csv(run / "head" / log_file.name) for run in (tmp_path, folder)]
    pd.testing.assert_frame_equal(*heads, rtol=TOLERANCE, atol=TOLERANCE)
    trained = build(dropout=0.5)
    trained.load_weights(tmp_path / "chief.weights.h5")
    assert_same_weights(trained, model, TOLERANCE)


MIRRORED = """
    import sys
    sys.path.insert(0, {tests!r})
    import tensorflow as tf
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    import test_replicas as here
    from affectkit.data.datasets import load_splits
    from affectkit.models.batch_norm import synchronise_batch_norm
    from affectkit.data.batches import load_faces
    from affectkit.training.fit import train_model

    splits = load_splits("shards", sys.argv[1])
    pairs = [load_faces(splits[name], here.SIZE)[::-1] for name in ("train", "validation")]
    mirrored = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    for name, strategy in [("one", tf.distribute.get_strategy()), ("two", mirrored)]:
        with strategy.scope():
            model = here.build()
            assert len(synchronise_batch_norm(model)) == 2
            train_model(model, *pairs, here.SIZE, here.SETTINGS, sys.argv[2] + "/" + name, seed=1)
        print(name, strategy.num_replicas_in_sync)
"""


@pytest.mark.slow
def test_fit_on_two_mirrored_devices_trains_as_on_one(shards, tmp_path):
    text = textwrap.dedent(MIRRORED).format(tests=str(Path(__file__).parent))
    command = [sys.executable, "-c", text, shards.folder, str(tmp_path)]
    run = subprocess.run(command, env=os.environ | QUIET, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-3000:]
    assert run.stdout.split() == ["one", "1", "two", "2"]
    one, two = (pd.read_csv(tmp_path / name / "classification_log.csv") for name in ("one", "two"))
    assert len(one) == SETTINGS.epochs
    assert one["loss"].iloc[-1] < one["loss"].iloc[0]
    pd.testing.assert_frame_equal(two, one, rtol=TOLERANCE, atol=TOLERANCE)


@pytest.mark.slow
def test_without_synchronising_statistics_are_averaged(shards, tmp_path):
    """Two replicas that see unlike batches end with the mean of their moving statistics."""
    text = textwrap.dedent(AVERAGED).format(tests=str(Path(__file__).parent))
    command = [sys.executable, "-c", text]
    run = subprocess.run(command, env=os.environ | QUIET, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-3000:]
    # momentum 0: each replica holds the mean of its last batch, 1 and 5
    assert run.stdout.split() == ["before", "1.0", "5.0", "after", "3.0", "3.0"]


AVERAGED = """
    import tensorflow as tf
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    import keras
    from affectkit.training.replicas import average_on_replicas

    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    with strategy.scope():
        layer = keras.layers.BatchNormalization(momentum=0)
        layer.build((None, 1))

    def values():
        local = strategy.experimental_local_results(layer.moving_mean.value)
        return " ".join(str(float(value[0])) for value in local)

    def train():
        number = tf.distribute.get_replica_context().replica_id_in_sync_group
        level = 1 + 4 * tf.cast(number, tf.float32)
        layer(tf.fill([4, 1], level), training=True)

    strategy.run(tf.function(train))
    print("before", values())
    average_on_replicas(strategy, [layer.moving_mean])
    print("after", values())
"""
