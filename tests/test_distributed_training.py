"""Several replicas train as one does, on one machine and two; a killed worker comes back."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from affectkit.data.datasets import load_table
from affectkit.data.shard_writer import write_shards
from affectkit.distributed_training import choose_strategy, is_chief, train_on_shards
from affectkit.models import BACKBONE
from affectkit.preprocess import Preprocessing
from affectkit.profiles import TrainingSettings
from affectkit.shard_shares import ShardShares
from affectkit.worker_backup import WorkerBackup
from affectkit.worker_launch import cluster_settings, free_ports, launch_workers

SIZE = Preprocessing(32)
SETTINGS = TrainingSettings(epochs=4, batch_size=32, learning_rate=1e-2, augmentation="none")
TOLERANCE = 1e-4


def build():
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
    return keras.Model(face, layers.Dense(8, "softmax", name="expression")(backbone(face)))


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shards")
    return write_shards(load_table("affectfaces", limit=320), folder, rows_per_shard=50)


@pytest.fixture(scope="module")
def alone(shards, tmp_path_factory):
    """One process with one device, which reads the shares of two."""
    folder = tmp_path_factory.mktemp("alone")
    model, log = train_on_shards(
        build, shards, "classification", SIZE, SETTINGS, folder, seed=1, shares=2
    )
    return model, log, folder


def test_one_process_learns_and_logs(alone, shards):
    model, log, folder = alone
    assert log["epoch"].tolist() == [0, 1, 2, 3]
    assert log["loss"].iloc[-1] < log["loss"].iloc[0] < 2.5
    pd.testing.assert_frame_equal(pd.read_csv(folder / "classification_log.csv"), log)
    norm = model.get_layer(BACKBONE).layers[2]
    assert isinstance(norm, keras.layers.BatchNormalization)
    assert norm.synchronized is False  # only while training
    assert np.abs(norm.moving_mean.numpy()).max() > 1e-3


def test_a_finished_training_is_not_done_again(alone, shards):
    model, log, folder = alone
    again, same = train_on_shards(
        build, shards, "classification", SIZE, SETTINGS, folder, seed=1, shares=2
    )
    pd.testing.assert_frame_equal(same, log)
    for before, after in zip(model.variables, again.variables, strict=True):
        np.testing.assert_array_equal(before.numpy(), after.numpy())


def test_it_goes_on_after_any_epoch_as_if_nothing_had_been(alone, shards, tmp_path):
    model, log, _ = alone

    arguments = (build, shards, "classification", SIZE, SETTINGS, tmp_path, 1, None, 2)
    original = WorkerBackup.save

    def save_and_stop(backup, rows, better, write):
        original(backup, rows, better, write)
        if len(rows) == 2:
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(WorkerBackup, "save", save_and_stop)
        with pytest.raises(KeyboardInterrupt):
            train_on_shards(*arguments)
    again, same = train_on_shards(*arguments)
    pd.testing.assert_frame_equal(same, log, rtol=1e-6)
    for before, after in zip(model.variables, again.variables, strict=True):
        np.testing.assert_allclose(before.numpy(), after.numpy(), atol=1e-6)


def test_a_damaged_or_foreign_backup_is_named(shards, tmp_path):
    file = tmp_path / "classification_backup.npz"
    for content in (b"no zip", b""):
        file.write_bytes(content)
        with pytest.raises(ValueError, match=f"{file.name} is not a backup of this training"):
            train_on_shards(build, shards, "classification", SIZE, SETTINGS, tmp_path)
    np.savez(file, rows=np.array("[]"), value0=np.zeros(3))
    with pytest.raises(ValueError, match="delete it to start anew"):
        train_on_shards(build, shards, "classification", SIZE, SETTINGS, tmp_path)


def test_what_can_not_be_shared_is_refused(shards, tmp_path):
    with pytest.raises(ValueError, match="can't do mixup, head_epochs"):
        train_on_shards(
            build, shards, "classification", SIZE,
            TrainingSettings(mixup=0.2, head_epochs=1), tmp_path,
        )  # fmt: skip
    one = tf.distribute.get_strategy()
    with pytest.raises(ValueError, match="3 shares divide evenly"):
        ShardShares(shards, "classification", SIZE, SETTINGS, 0, one, shares=3)
    with pytest.raises(ValueError, match="too few for batches of 1024"):
        ShardShares(
            shards, "classification", SIZE, TrainingSettings(batch_size=1024), 0, one, shares=2
        )


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


def test_the_regressor_learns_from_shards_too(shards, tmp_path):
    def build_regressor():
        features = build().get_layer(BACKBONE)
        return keras.Model(features.input, keras.layers.Dense(2)(features.output))

    settings = TrainingSettings(epochs=2, batch_size=32, learning_rate=1e-2)
    _, log = train_on_shards(build_regressor, shards, "regression", SIZE, settings, tmp_path)
    assert log["loss"].iloc[1] < log["loss"].iloc[0]
    assert log["val_rmse"].iloc[1] == pytest.approx(log["val_loss"].iloc[1] ** 0.5, rel=1e-3)


def test_tf_config_says_who_writes(monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    assert is_chief()
    assert choose_strategy().num_replicas_in_sync == 1
    ports = free_ports(2)
    assert len(set(ports)) == 2
    addresses = [f"127.0.0.1:{port}" for port in ports]
    monkeypatch.setenv("TF_CONFIG", cluster_settings(addresses, 1))
    assert not is_chief()
    content = json.loads(os.environ["TF_CONFIG"])
    assert content == {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": 1}}


SCRIPT = """
    import os, sys
    from pathlib import Path
    sys.path.insert(0, {tests!r})
    import tensorflow as tf
    import test_distributed_training as here
    from affectkit.data.shard_index import read_index
    from affectkit.distributed_training import choose_strategy, is_chief

    folder = Path(sys.argv[2])
    (folder / ("chief" if is_chief() else "other")).write_text(str(os.getpid()))
    strategy = choose_strategy()
    assert strategy.num_replicas_in_sync == 2, strategy
    index = read_index(sys.argv[1])
    here.train_on_shards(here.build, index, "classification", here.SIZE, here.SETTINGS, folder,
                         seed=1, strategy=strategy, shares=2, synchronise={synchronise})
"""


def script_command(shards, folder, synchronise=True):
    text = textwrap.dedent(SCRIPT)
    text = text.format(tests=str(Path(__file__).parent), synchronise=synchronise)
    return [sys.executable, "-c", text, shards.folder, str(folder)]


QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3", "TF_NUM_INTRAOP_THREADS": "1"}


@pytest.mark.slow
def test_two_workers_one_killed_train_as_one_process(alone, shards, tmp_path):
    """kill -9 of a worker after the first epoch: both start again and end with the same curve."""
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
    assert 1 <= len(before) < len(log) == SETTINGS.epochs
    pd.testing.assert_frame_equal(log.head(len(before)), before)
    _, wanted, _ = alone
    pd.testing.assert_frame_equal(log, wanted, rtol=TOLERANCE, atol=TOLERANCE)


MIRRORED = """
    import sys
    sys.path.insert(0, {tests!r})
    import tensorflow as tf
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    import test_distributed_training as here
    from affectkit.data.datasets import load_splits
    from affectkit.distributed_training import synchronise_batch_norm
    from affectkit.input_pipeline import load_faces
    from affectkit.training import train_model

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
    from affectkit.profiles import TrainingSettings
    from affectkit.replica_loop import ReplicaLoop

    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    with strategy.scope():
        layer = keras.layers.BatchNormalization(momentum=0)
        layer.build((None, 1))
        optimizer = keras.optimizers.AdamW()
        model = keras.Sequential([keras.Input((1,)), layer])
    loop = ReplicaLoop(strategy, model, optimizer, "regression", TrainingSettings())

    def values():
        local = strategy.experimental_local_results(layer.moving_mean.value)
        return " ".join(str(float(value[0])) for value in local)

    def train():
        number = tf.distribute.get_replica_context().replica_id_in_sync_group
        level = 1 + 4 * tf.cast(number, tf.float32)
        layer(tf.fill([4, 1], level), training=True)

    strategy.run(tf.function(train))
    print("before", values())
    loop.average([layer.moving_mean])
    print("after", values())
"""
