"""What a worker reads of shards: its share, validation faces once, the same after a kill."""

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from affectkit.data import load_splits, load_table, write_shards
from affectkit.data.batches import load_faces
from affectkit.data.shards.streams import stream_rows
from affectkit.preprocess import Preprocessing
from affectkit.profiles import TrainingSettings
from affectkit.training.inputs import ShardInputs, TableInputs

SIZE = Preprocessing(32)
SETTINGS = TrainingSettings(batch_size=16, balance=0, mixup=0.2)


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shards")
    return write_shards(load_table("affectfaces", limit=72), folder, rows_per_shard=24)


def first(batches, count):
    return [tuple(np.asarray(part) for part in batch) for batch in batches.take(count)]


def inputs_of_worker(shards, number, workers, monkeypatch, **options):
    """What one of several workers would read, without the others."""
    monkeypatch.setattr("affectkit.training.inputs.workers_of", lambda _: workers)
    strategy, read = tf.distribute.get_strategy(), "distribute_datasets_from_function"
    context = tf.distribute.InputContext(workers, number, workers)
    monkeypatch.setattr(strategy, read, lambda function: function(context))
    monkeypatch.setattr(type(strategy), "num_replicas_in_sync", workers)
    return ShardInputs(shards, "classification", SIZE, TrainingSettings(**options))


def test_epochs_differ_and_a_later_start_sees_what_it_would_have_seen(shards):
    keras.utils.set_random_seed(0)  # the default of every command
    inputs = ShardInputs(shards, "classification", SIZE, SETTINGS, seed=4)
    assert inputs.steps == 4
    whole = first(inputs.training(0), 12)
    again = first(inputs.training(1), 8)
    for one, other in zip(whole[4:], again, strict=True):
        for before, after in zip(one, other, strict=True):
            np.testing.assert_array_equal(before, after)
    assert np.abs(whole[0][0] - whole[4][0]).max() > 1
    other_seed = ShardInputs(shards, "classification", SIZE, SETTINGS, seed=5)
    assert np.abs(whole[0][0] - first(other_seed.training(0), 1)[0][0]).max() > 1


def test_rows_of_shards_are_streamed_with_any_global_seed(shards):
    """TensorFlow 2.x compares the seed of an epoch with 0 where the global seed is 0."""
    table = load_splits("shards", shards.folder)["train"]
    orders = []
    for seed in (0, 1):
        keras.utils.set_random_seed(seed)
        rows = stream_rows(table, len(table), True, 0, first_epoch=0)
        orders.append(next(iter(rows))[0].numpy())
        assert sorted(orders[-1]) == list(range(len(table)))
    assert orders[0].tolist() != list(range(len(table)))


def test_workers_share_the_shards(shards, monkeypatch):
    """Two of three shards, and one: who has less takes part to the end."""
    seen, counts = [], []
    for number in (0, 1):
        inputs = inputs_of_worker(shards, number, 2, monkeypatch, batch_size=16)
        assert (inputs.steps, inputs.validation_steps) == (3, 6)
        batches = first(inputs.validation(), inputs.validation_steps + 1)
        assert all(len(faces) == len(targets) for faces, targets in batches)
        counts.append([len(faces) for faces, _ in batches])
        seen += [face.tobytes() for faces, _ in batches for face in faces]
        training = first(inputs.training(0), 3)
        assert {faces.shape for faces, *_ in training} == {(8, 32, 32, 3)}
    assert sorted(map(sum, counts)) == [24, 48]
    assert [batches[-1] for batches in counts] == [0, 0]
    table = load_splits("shards", shards.folder)["validation"]
    assert sorted(seen) == sorted(face.tobytes() for face in load_faces(table, SIZE)[0])


def test_what_can_not_be_shared_is_refused(shards, monkeypatch):
    with pytest.raises(ValueError, match="too few for batches of 1024 of 1 workers"):
        ShardInputs(shards, "classification", SIZE, TrainingSettings(batch_size=1024))
    monkeypatch.setattr(type(tf.distribute.get_strategy()), "num_replicas_in_sync", 2)
    with pytest.raises(ValueError, match="that 2 replicas divide evenly, got 15"):
        ShardInputs(shards, "classification", SIZE, TrainingSettings(batch_size=15))


def test_rows_without_the_target_are_no_steps(tmp_path):
    """A third of 96 has no valence and arousal, a half no expression; each split has all rows."""
    table = load_table("affectfaces", limit=96)
    for split in ("train", "validation"):
        rows = table.index[table["split"] == split]
        table.loc[rows[:32], ["valence", "arousal"]] = np.nan
        table.loc[rows[48:], "expression"] = pd.NA
    index = write_shards(table, tmp_path, rows_per_shard=48)
    for task, rows in (("regression", 64), ("classification", 48)):
        inputs = ShardInputs(index, task, SIZE, TrainingSettings(batch_size=4))
        assert inputs.steps == inputs.validation_steps == rows // 4
        batches = first(inputs.validation(), rows // 4 + 1)
        assert [len(faces) for faces, _ in batches] == [4] * (rows // 4) + [0]
    with pytest.raises(ValueError, match="48 rows for training and 48 for validation that class"):
        ShardInputs(index, "classification", SIZE, TrainingSettings(batch_size=64))


def test_a_face_that_can_not_be_read_is_not_validated_on(shards, monkeypatch):
    parts = np.arange(4 * 32 * 32 * 3).reshape(4, 32, 32, 3) % 256, np.eye(4, 8), [1, 0, 1, 0]
    known = tf.data.Dataset.from_tensors(tuple(tf.cast(part, tf.float32) for part in parts))
    known = known.map(lambda faces, *others: (tf.cast(faces, tf.uint8), *others))
    monkeypatch.setattr("affectkit.training.inputs.shard_batches", lambda *_, **__: known)
    inputs = ShardInputs(shards, "classification", SIZE, SETTINGS)
    (faces, targets), (nothing, _) = first(inputs.validation(), 2)
    np.testing.assert_array_equal(faces, parts[0][::2])
    np.testing.assert_array_equal(targets, parts[1][::2])
    assert len(nothing) == 0


def test_tables_and_shards_of_them_hold_the_same_validation_faces(shards):
    splits = load_splits("shards", shards.folder)
    pairs = [load_faces(splits[name], SIZE)[::-1] for name in ("train", "validation")]
    tables = TableInputs(*pairs, "classification", SIZE, SETTINGS)
    both = [ShardInputs(shards, "classification", SIZE, SETTINGS), tables]
    found = [
        sorted(face.tobytes() for faces, *_ in first(inputs.validation(), 5) for face in faces)
        for inputs in both
    ]
    assert len(found[0]) == 72
    assert found[0] == found[1]
