"""Shards: the same table, pixels and targets as from files; resumed after kills; damage named."""

import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from itertools import chain
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from PIL import Image
from typer.testing import CliRunner

from affectkit.cli import app
from affectkit.data import (
    SOFT_LABEL_COLUMNS,
    ShardError,
    SkippedRows,
    load_faces,
    load_shards,
    load_splits,
    load_table,
    make_batches,
    make_table,
    read_face,
    read_index,
    read_table_image,
    shard_batches,
    write_shards,
)
from affectkit.data.shards.batches import weights_of_counts
from affectkit.data.shards.checks import check_shard, record_number
from affectkit.data.shards.index import find_damage
from affectkit.data.shards.streams import damage_named, stream_records, stream_rows
from affectkit.files import ImageReadError
from affectkit.files.places import folder_address
from affectkit.files.tfrecords import read_record_image
from affectkit.models.build import BACKBONE
from affectkit.preprocess import Preprocessing
from affectkit.profiles import TrainingSettings
from affectkit.training import class_weights, train_model, training_targets

SIZE = Preprocessing(32, crop_margin=0.1)
ROWS = 60


def picture(seed, height=40, width=48):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """Files of every kind, some rows of a container, boxes, soft labels, gaps and slices."""
    folder = tmp_path_factory.mktemp("pictures")
    rotated = Image.Exif()
    rotated[0x0112] = 6  # turn by a quarter
    np.savez(folder / "faces.npz", images=np.stack([picture(90)[..., 0], picture(91)[..., 0]]))
    rows = []
    for number in range(ROWS):
        kind = ("jpg", "png", "webp", "bmp", "npz")[number % 5]
        name = f"{number}.{kind}"
        row = {"image_id": name, "path": str(folder / name), "row": pd.NA}
        if kind == "npz":
            row |= {"path": str(folder / "faces.npz"), "row": number % 2}
        elif kind == "jpg":
            Image.fromarray(picture(number)).save(row["path"], quality=90, exif=rotated)
        else:
            Image.fromarray(picture(number)).save(row["path"])
        row |= {"split": ("train", "train", "train", "validation", "test")[number // 12]}
        row |= {"expression": number % 8, "valence": number / 70 - 0.3, "arousal": -number / 77}
        if number % 3 == 0:
            row |= dict(zip(("face_x", "face_y", "face_width", "face_height"),
                            (3.1 + number / 7, 2.5, 20 + 1 / 3, 22.7), strict=True))  # fmt: skip
        if number % 4 == 0:
            soft = np.random.default_rng(number).dirichlet(np.ones(8))
            row |= dict(zip(SOFT_LABEL_COLUMNS, soft / soft.sum(), strict=True))
        row |= {"subject": f"person {number % 7}" if number % 7 else None}
        row |= {"age": 20.1 + number / 3, "notes": "NA" if number % 2 else None}
        rows.append(row)
    frame = pd.DataFrame(rows)
    frame["expression_second"] = frame["expression"].astype("Int64").where(frame.index % 5 > 0)
    frame.loc[[7, 11], "expression"] = pd.NA
    frame.loc[[5, 11], ["valence", "arousal"]] = np.nan
    frame["notes"] = frame["notes"].astype("str")
    return make_table(frame, "mixture", "all")


@pytest.fixture(scope="module")
def shards(table, tmp_path_factory):
    folder = tmp_path_factory.mktemp("shards")
    write_shards(table, folder, rows_per_shard=8)
    return folder


@pytest.fixture(scope="module")
def sharded(shards):
    loaded = load_shards(shards, SkippedRows())
    return make_table(loaded, "shards", "all")


def test_the_table_comes_back_with_its_types(table, sharded):
    places = ["path", "row"]
    pd.testing.assert_frame_equal(sharded.drop(columns=places), table.drop(columns=places))
    assert sharded["path"].str.endswith(".tfrecord").all()


def test_every_image_and_face_is_the_same_to_the_bit(table, sharded):
    for here, there in zip(table.itertuples(), sharded.itertuples(), strict=True):
        np.testing.assert_array_equal(read_table_image(here), read_table_image(there))
        np.testing.assert_array_equal(read_face(here, SIZE), read_face(there, SIZE))
        if here.image_id.endswith("jpg"):  # as it was: nothing was encoded again
            assert read_record_image(there.path, there.row) == Path(here.path).read_bytes()


def test_the_index_counts_and_names_its_source(table, shards):
    content = read_index(shards).content
    assert content["source"] == {"dataset": "mixture", "protocol": "all"}
    assert content["label_codes"]["Contempt"] == 7
    assert content["rows"] == sum(shard["rows"] for shard in content["shards"]) == ROWS
    assert max(shard["rows"] for shard in content["shards"]) <= 8
    train = table[table["split"] == "train"]
    by_code = train["expression"].fillna(-1).value_counts()
    assert content["counts"]["train"] == {str(code): n for code, n in sorted(by_code.items())}
    assert content["valence_arousal"] == ROWS - 2
    assert not find_damage(read_index(shards))
    assert sorted(path.suffix for path in shards.iterdir()).count(".tfrecord") == 5 + 2 + 2


def batches_by_id(batches, targets):
    """Give (faces, target, weight) by target, as the order may differ."""
    found = {}
    for faces, batch_targets, *weights in batches.as_numpy_iterator():
        for number, target in enumerate(batch_targets):
            weight = weights[0][number] if weights else 1
            found[target.tobytes()] = (faces[number], weight)
    assert len(found) == len(targets)
    return found


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_streams_equal_files_in_pixels_targets_and_weights(table, sharded, shards, task):
    """Three ways to read the training split: files, a table's rows in shards, shards alone."""
    wanted = ["expression"] if task == "classification" else ["valence", "arousal"]
    part = (table["split"] == "train") & table[wanted].notna().all(axis=1)
    part &= table["expression"].notna()
    here, there = (frame[part].reset_index(drop=True) for frame in (table, sharded))
    targets = training_targets(here, task)
    weights = class_weights(here)[here["expression"].to_numpy(int)]
    faces = np.stack([read_face(record, SIZE) for record in here.itertuples()])
    streamed = make_batches(there, None, SIZE, targets, weights, 7, shuffle=True, seed=3)
    order = []
    for batch_faces, batch_targets, batch_weights in streamed.as_numpy_iterator():
        for number in range(len(batch_faces)):
            (position,) = np.flatnonzero((faces == batch_faces[number]).all(axis=(1, 2, 3)))[:1]
            same = (faces == batch_faces[number]).all(axis=(1, 2, 3))
            candidates = np.flatnonzero(same & (targets == batch_targets[number]).all(axis=1))
            assert len(candidates)
            assert batch_weights[number] == weights[candidates[0]]
            order.append(position)
    assert len(order) == len(here)
    assert order != sorted(order)
    alone = shard_batches(read_index(shards), "train", task, SIZE, 7, shuffle=True, seed=3)
    pairs = [pair for batch in alone.as_numpy_iterator() for pair in zip(*batch, strict=True)]
    extra = 0 if task == "classification" else 1  # row 7 has no expression, but the others
    assert len(pairs) == len(here) + extra
    known = {
        (face.tobytes(), target.tobytes()) for face, target in zip(faces, targets, strict=True)
    }
    found = {(face.tobytes(), target.tobytes()) for face, target, _ in pairs}
    assert known <= found
    assert len(found - known) == extra


def test_in_order_a_sharded_table_is_read_as_it_stands(sharded):
    batches = make_batches(sharded, None, SIZE, batch_size=16)
    faces = np.concatenate([batch[0] for batch in batches.as_numpy_iterator()])
    np.testing.assert_array_equal(faces, load_faces(sharded, SIZE)[0])


def test_a_part_of_the_rows_is_found_in_the_stream(sharded):
    part = sharded.iloc[[50, 3, 17, 4]].reset_index(drop=True)
    assert len(stream_rows(part, 3, shuffle=True, seed=0)) == 2
    rows = list(stream_rows(part, 3, shuffle=False, seed=0).unbatch())
    assert sorted(int(position) for position, _ in rows) == [0, 1, 2, 3]
    for position, data in rows:
        example = tf.train.Example.FromString(data.numpy())
        (name,) = example.features.feature["image_id"].bytes_list.value
        assert name.decode() == part["image_id"][int(position)]


def test_endless_epochs_can_be_joined_at_any(sharded):
    """A training that goes on with epoch 2 sees what it would have seen."""

    def orders(first, count):
        batches = make_batches(sharded, None, SIZE, np.arange(ROWS), None, 16, False, 4, first)
        rows = [batch[1].tolist() for batch in batches.take(4 * count).as_numpy_iterator()]
        assert [len(batch) for batch in rows] == [16, 16, 16, 12] * count
        epochs = [rows[start : start + 4] for start in range(0, len(rows), 4)]
        return [list(chain.from_iterable(epoch)) for epoch in epochs]

    first = orders(0, 4)
    assert all(sorted(order) == list(range(ROWS)) for order in first)
    assert len({tuple(order) for order in first}) == 4
    assert orders(2, 2) == first[2:]
    assert list(range(ROWS)) not in first


def ids(dataset):
    found = []
    for _, _, data in dataset.as_numpy_iterator():
        feature = tf.train.Example.FromString(data).features.feature
        found.append(feature["image_id"].bytes_list.value[0].decode())
    return found


def test_workers_share_the_shards_and_order_is_repeatable(table, shards, tmp_path):
    addresses = read_index(shards).addresses("train")
    shares = [ids(stream_records(addresses, worker=worker, workers=2)) for worker in range(2)]
    assert not set(shares[0]) & set(shares[1])
    assert sorted(shares[0] + shares[1]) == sorted(table.loc[table["split"] == "train", "image_id"])
    assert ids(stream_records(addresses)) == ids(stream_records(addresses))
    shuffled = stream_records(addresses, shuffle=True, seed=5)
    epochs = [ids(shuffled), ids(shuffled)]
    assert epochs[0] != epochs[1]
    assert sorted(epochs[0]) == sorted(epochs[1])
    assert ids(stream_records(addresses, shuffle=True, seed=5)) == epochs[0]
    free = ids(stream_records(addresses, deterministic=False))
    assert sorted(free) == sorted(epochs[0])
    for cache in ("", str(tmp_path / "cache")):
        kept = stream_records(addresses, shuffle=True, seed=5, cache=cache)
        assert sorted(ids(kept)) == sorted(ids(kept)) == sorted(epochs[0])
    few = [ids(stream_records(addresses[:1], worker=worker, workers=3)) for worker in range(3)]
    assert sorted(chain.from_iterable(few)) == sorted(ids(stream_records(addresses[:1])))
    with pytest.raises(ValueError, match=r"worker of 0\.\.1 .* got worker 2 and 5 shards"):
        stream_records(addresses, worker=2, workers=2)


def test_weights_of_counts_are_those_of_the_table(table):
    rows = table[table["expression"].notna()]
    counts = rows["expression"].value_counts().reindex(range(8), fill_value=0).to_numpy(int)
    np.testing.assert_allclose(weights_of_counts(counts, 0.5), class_weights(rows, 0.5), rtol=1e-6)
    some = rows[rows["expression"].isin([0, 3])]
    counts = some["expression"].value_counts().reindex(range(8), fill_value=0).to_numpy(int)
    np.testing.assert_allclose(weights_of_counts(counts, 1), class_weights(some), rtol=1e-6)


def test_the_same_bytes_by_several_processes_and_from_memory_or_shards(
    table, shards, sharded, tmp_path
):
    write_shards(table, tmp_path / "two", rows_per_shard=8, workers=2)
    again = {path.name: path.read_bytes() for path in (tmp_path / "two").iterdir()}
    assert again == {path.name: path.read_bytes() for path in shards.iterdir()}
    index = write_shards(sharded, tmp_path / "again", rows_per_shard=8)
    assert [shard["sha256"] for shard in index.shards()] == [
        shard["sha256"] for shard in read_index(shards).shards()
    ]
    memory = make_table({"image_id": ["a", "b"], "split": ["train"] * 2}, "memory")
    memory["image"] = [picture(1), picture(2)[..., 0]]
    write_shards(memory, tmp_path / "memory")
    loaded = load_shards(tmp_path / "memory", SkippedRows())
    for before, after in zip(memory.itertuples(), loaded.itertuples(), strict=True):
        np.testing.assert_array_equal(read_table_image(before), read_table_image(after))


def test_a_file_system_of_tensorflow(table):
    folder = "ram://affectkit/shards"
    index = write_shards(table, folder, rows_per_shard=16)
    assert write_shards(table, folder, rows_per_shard=16).content == index.content
    loaded = load_table("shards", folder, protocol="all")
    assert loaded["path"].iloc[0].startswith("ram://affectkit/shards/train-")
    np.testing.assert_array_equal(load_faces(loaded, SIZE)[0], load_faces(table, SIZE)[0])
    assert sum(1 for _ in stream_rows(loaded, 1, shuffle=True, seed=0)) == ROWS
    assert folder_address("gs:/bucket/x/") == "gs://bucket/x"
    assert folder_address("/a/b/") == "/a/b"


def test_unreadable_images_are_left_out_and_listed(table, tmp_path):
    broken = table.copy()
    (tmp_path / "broken.jpg").write_bytes(b"not an image")
    broken.loc[3, "path"] = str(tmp_path / "broken.jpg")
    skipped = SkippedRows()
    with pytest.warns(UserWarning, match="skipped 1 of 60 rows"):
        index = write_shards(broken, tmp_path / "out", 16, skipped=skipped)
    assert index.rows() == ROWS - 1
    assert index.content["skipped"] == 1
    assert [row.row for row in skipped] == [broken["image_id"][3]]
    assert broken["image_id"][3] not in load_shards(tmp_path / "out", SkippedRows())["image_id"]


def test_other_data_or_settings_need_another_folder(table, shards):
    with pytest.raises(ValueError, match="shards of other data, another shard size or seed"):
        write_shards(table, shards, rows_per_shard=9)
    with pytest.raises(ValueError, match="at least 1 row a shard"):
        write_shards(table, shards, rows_per_shard=0)


@pytest.fixture
def damaged(table, tmp_path):
    write_shards(table, tmp_path, rows_per_shard=12)
    return tmp_path, sorted(tmp_path.glob("train-*.tfrecord"))[1]


def test_a_truncated_or_missing_shard_is_named_and_mended(table, damaged):
    folder, file = damaged
    whole = file.read_bytes()
    file.write_bytes(whole[:-10])
    with pytest.raises(ShardError, match=rf"{file.name}: expected .* `affectkit shard` command"):
        load_shards(folder, SkippedRows())
    file.unlink()
    with pytest.raises(ShardError, match="it is missing"):
        load_shards(folder, SkippedRows())
    times = {path: path.stat().st_mtime_ns for path in folder.glob("*.tfrecord")}
    write_shards(table, folder, rows_per_shard=12)
    assert file.read_bytes() == whole
    assert all(path.stat().st_mtime_ns == time for path, time in times.items())


def test_a_flipped_byte_is_found_by_every_way_of_reading(table, damaged):
    folder, file = damaged
    loaded = make_table(load_shards(folder, SkippedRows()), "shards", "all")
    content = bytearray(file.read_bytes())
    place = content.index(b"\x0a\x05image") + 200
    content[place] ^= 0x40
    file.write_bytes(content)
    with pytest.raises(ImageReadError, match=rf"byte 0 of .*{file.name}.*checksum differs"):
        read_record_image(str(file), 0)
    with pytest.warns(UserWarning, match="skipped 1 of 60"):
        load_faces(loaded, SIZE)
    rows = stream_rows(loaded, 8, shuffle=False, seed=0)
    with pytest.raises(ShardError, match=f"damaged or missing: .*{file.name}"):  # noqa: SIM117
        with damage_named(sorted(set(loaded["path"]))):
            list(rows)
    assert list(find_damage(read_index(folder))) == [str(file)]
    write_shards(table, folder, rows_per_shard=12)
    assert not find_damage(read_index(folder))


def test_each_shard_has_one_sidecar_with_its_labels_and_facts(table, shards):
    """And the index repeats the facts: no third file says anything of a shard."""
    index = read_index(shards)
    names = {f"{shard['name']}{suffix}" for shard in index.shards()
             for suffix in (".tfrecord", ".jsonl")}  # fmt: skip
    assert {path.name for path in shards.iterdir()} == names | {"index.json"}
    for shard in index.shards():
        facts, columns = (shards / f"{shard['name']}.jsonl").read_text("utf-8").splitlines()
        facts, columns = json.loads(facts), json.loads(columns)
        assert facts == shard | {"fingerprint": index.content["fingerprint"]}
        rows = table.iloc[columns["table_position"]]
        assert columns["image_id"] == rows["image_id"].tolist()
        assert columns["age"] == rows["age"].tolist()
        assert columns["expression"] == rows["expression"].astype(object).where(
            rows["expression"].notna(), None).tolist()  # fmt: skip
        assert "path" not in columns


def test_labels_are_read_without_the_images(shards, tmp_path):
    """Same sizes, but not one byte of a record is right: only reading a face finds out."""
    for path in shards.iterdir():
        content = path.read_bytes()
        spoilt = bytes(len(content)) if path.suffix == ".tfrecord" else content
        (tmp_path / path.name).write_bytes(spoilt)
    assert len(load_shards(tmp_path, SkippedRows())) == ROWS


def spoil_labels(file, **columns):
    """Write other columns into a sidecar; an index that has their hash takes them for its own."""
    facts, labels = file.read_bytes().splitlines()
    spoilt = json.dumps(json.loads(labels) | columns).encode()
    file.write_bytes(facts + b"\n" + spoilt + b"\n")
    index = json.loads((file.parent / "index.json").read_text())
    (entry,) = (one for one in index["shards"] if one["name"] == file.stem)
    entry["labels_sha256"] = hashlib.sha256(spoilt).hexdigest()
    (file.parent / "index.json").write_text(json.dumps(index))


def test_labels_of_another_form_are_named(damaged):
    folder, file = damaged
    rows = json.loads(file.with_suffix(".jsonl").read_bytes().splitlines()[1])
    for columns, message in [
        ({"valence": ["0.5"] * 12}, "valence.0 is '0.5': input should be a valid number"),
        ({"age": rows["age"][:-1]}, "age has 11 values, expected 12"),
        ({"table_position": [None] * 12}, "table_position.0 is None"),
        ({"expression": [1.5] * 12}, "expression.0 is 1.5"),
        ({"expression": [2**70] * 12}, "expression.0 is 11805"),
        ({"derived_valence_arousal": [1] * 12}, "derived_valence_arousal.0 is 1"),
        ({"subject": [7] * 12}, "subject.0 is 7: input should be a valid string"),
        ({"image_id": {}}, "image_id is {}: input should be a valid list"),
    ]:
        spoil_labels(file.with_suffix(".jsonl"), **(rows | columns))
        with pytest.raises(ShardError, match=rf"{file.stem}.jsonl .*{re.escape(message)}"):
            load_shards(folder, SkippedRows())


def test_damaged_sidecars_and_indices_are_named(table, damaged):
    folder, file = damaged
    rows = file.with_suffix(".jsonl")
    text = rows.read_bytes()
    rows.write_bytes(text.replace(b"person 1", b"person 9"))
    with pytest.raises(ShardError, match=rf"{rows.name} is damaged"):
        load_shards(folder, SkippedRows())
    assert list(find_damage(read_index(folder))) == [str(rows)]
    for spoilt in (None, b"", text[: len(text) // 2], text.replace(b'"rows": 12', b'"rows": 13')):
        rows.unlink() if spoilt is None else rows.write_bytes(spoilt)
        if spoilt is None:
            with pytest.raises(ShardError, match=rf"{rows.name} can't be read"):
                load_shards(folder, SkippedRows())
        write_shards(table, folder, rows_per_shard=12)
        assert rows.read_bytes() == text
    index = folder / "index.json"
    content = json.loads(index.read_text())
    for change, message in [
        ({"counts": 3}, "not an index of shards: counts is 3: input should be a valid dict"),
        ({"counts": {"train": {"0": 3}}}, "its counts are not those of its shards"),
        ({"schema_version": 1}, "expected schema version 2 .* got 1; write the shards again"),
        ({"shards": [{"name": "train-00000-of-00001"}]}, "shards.0 has no split"),
        ({"shards": [content["shards"][0] | {"name": "../../etc/passwd"}]}, "no shard's name"),
    ]:
        index.write_text(json.dumps(content | change))
        with pytest.raises(ShardError, match=message):
            read_index(folder)
    index.write_text("{")
    with pytest.raises(ShardError, match="is not an index of shards .Expecting"):
        read_index(folder)
    index.unlink()
    with pytest.raises(FileNotFoundError, match="run it again to finish"):
        read_index(folder)


@pytest.mark.parametrize("length", [2**40, 2**62, 2**64 - 1])
@pytest.mark.parametrize("scheme", ["", "ram://affectkit"])
def test_a_record_that_says_to_be_longer_than_its_file_is_refused_unread(damaged, scheme, length):
    """TensorFlow would set memory aside for it, and end the process where there is none."""
    file = damaged[1]
    content = bytearray(file.read_bytes())
    second = int.from_bytes(content[:8], "little") + 16
    header = length.to_bytes(8, "little")
    content[second : second + 12] = header + tfrecord_checksum(header)
    address = f"{scheme}{file}"
    tf.io.gfile.makedirs(address.rpartition("/")[0])
    with tf.io.gfile.GFile(address, "wb") as copy:
        copy.write(bytes(content))
    with pytest.raises(ShardError, match=rf"record at byte {second} of {address} would reach"):
        check_shard(address)
    with pytest.raises(ImageReadError, match=f"the record at byte {second} of"):
        read_record_image(address, second)
    rows = stream_records([address])
    with pytest.raises(tf.errors.InvalidArgumentError, match="would reach beyond the end"):
        list(rows)
    with pytest.raises(ShardError, match=f"of {address} would reach"):  # noqa: SIM117
        with damage_named([address]):
            list(rows)


def tfrecord_checksum(data):
    """CRC-32C, masked, as TensorFlow itself writes it: that of a record which is these bytes."""
    with tempfile.NamedTemporaryFile() as file:
        with tf.io.TFRecordWriter(file.name) as writer:
            writer.write(data)
        return Path(file.name).read_bytes()[-4:]


@pytest.mark.parametrize("address", ["ram://affectkit/none.tfrecord", "nowhere://x/a.tfrecord"])
def test_a_remote_shard_that_can_not_be_reached_is_named(address):
    with pytest.raises(ShardError, match=rf"{address} (is missing|can't be read: .*nowhere)"):
        check_shard(address)


def test_other_bytes_than_the_index_tells_are_not_read(damaged):
    """A whole shard, but of other images: only its SHA-256 tells. Compared anew if it changes."""
    folder, file = damaged
    index = read_index(folder)
    (entry,) = (one for one in index.shards() if one["name"] == file.stem)
    other = sorted(folder.glob("train-*.tfrecord"))[0]
    check_shard(str(file), entry["sha256"])
    file.write_bytes(other.read_bytes())
    found = hashlib.sha256(file.read_bytes()).hexdigest()
    batches = shard_batches(index, "train", "classification", SIZE)
    message = f"{file}: expected SHA-256 {entry['sha256']}, found {found}. Copy it again"
    with pytest.raises(ShardError, match=re.escape(message)):  # noqa: SIM117
        with damage_named(index.addresses()):
            list(batches)
    unverified = read_index(folder, verify=False)
    assert len(list(shard_batches(unverified, "train", "classification", SIZE))) == 1


def test_remote_shards_are_verified_when_asked(table):
    folder = "ram://affectkit/verified"
    index = write_shards(table, folder, rows_per_shard=16)
    assert index.hashes() is None
    assert read_index(folder, verify=True).hashes("test") == [index.shards("test")[0]["sha256"]]
    for shard, address in zip(index.shards(), index.addresses(), strict=True):
        check_shard(address, shard["sha256"])
    with pytest.raises(
        ShardError, match=f"{address}: expected SHA-256 0{{64}}, found {shard['sha256']}"
    ):
        check_shard(address, "0" * 64)


def test_a_face_that_can_not_be_read_is_warned_of_by_shard_and_record(table, tmp_path):
    """The third record of the second shard: the bytes of its image are none, but well framed."""
    index = write_shards(table, tmp_path, rows_per_shard=12)
    file = Path(index.addresses("train")[1])
    records = [bytes(one.numpy()) for one in tf.data.TFRecordDataset(str(file))]
    example = tf.train.Example.FromString(records[2])
    example.features.feature["image"].bytes_list.value[0] = b"no image"
    records[2] = example.SerializeToString()
    write_records(file, records)
    offset = sum(len(record) + 16 for record in records[:2])
    assert record_number(str(file), offset) == 2
    assert record_number(str(file), offset + 1) is None
    batches = shard_batches(read_index(tmp_path, verify=False), "train", "regression", SIZE)
    told = rf"left out a face of {file}, record 2 \(byte {offset}\): .* can't be read as an image"
    with pytest.warns(UserWarning, match=told):
        weights = np.concatenate([batch[2] for batch in batches])
    assert sorted(set(weights)) == [0, 1]
    assert (weights == 0).sum() == 1
    del example.features.feature["box"]
    records[2] = example.SerializeToString()
    write_records(file, records)
    entry = next(one for one in index.shards() if one["name"] == file.stem)
    content = file.read_bytes()
    entry |= {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    (tmp_path / "index.json").write_text(json.dumps(index.content))
    told = rf"^{file}, record 2 is none of `affectkit shard` \(Feature: box .*is required"
    with pytest.raises(ShardError, match=told):  # noqa: SIM117
        with damage_named(index.addresses()):
            list(shard_batches(read_index(tmp_path), "train", "regression", SIZE))


def write_records(file, records):
    with tf.io.TFRecordWriter(str(file)) as writer:
        for record in records:
            writer.write(record)


def test_a_pipe_is_no_index(tmp_path):
    os.mkfifo(tmp_path / "index.json")
    with pytest.raises(OSError, match=r"index\.json is no file, but a folder, pipe or device"):
        read_index(tmp_path)


@pytest.mark.parametrize("offset", [1, 10**9, -1])
def test_an_offset_that_begins_no_record_is_refused(sharded, offset):
    with pytest.raises(ImageReadError, match="can't be read"):
        read_record_image(sharded["path"][0], offset)


RUN = ["-m", "affectkit", "shard", "--limit", "300", "--shard-size", "20"]


def finished_shards(folder):
    """When each sidecar was written; one that a killed process was writing starts with a dot."""
    return {path.name: path.stat().st_mtime_ns for path in folder.glob("[!.]*.jsonl")}


@pytest.mark.slow
def test_kill_9_and_run_again(tmp_path):
    """Killed in the middle; what was finished is kept, and the end is the same."""
    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"}
    output = tmp_path / "killed"
    command = [sys.executable, "-c", "from affectkit.cli import app; app()", *RUN[2:]]
    command += ["--workers", "1", "--output", str(output)]
    finished = 8
    process = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 240
    while len(finished_shards(output)) < finished:
        assert process.poll() is None, "ended before it was killed"
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (output / "index.json").exists()
    killed = finished_shards(output)
    assert len(killed) >= finished
    table = load_table("affectfaces", limit=300)
    index = write_shards(table, output, rows_per_shard=20)
    whole = write_shards(table, tmp_path / "whole", rows_per_shard=20)
    assert index.content == whole.content
    assert killed.items() <= finished_shards(output).items()
    assert not find_damage(index)


def test_the_command_writes_what_the_data_set_shards_reads(tmp_path):
    arguments = ["shard", "--limit", "40", "--workers", "1", "--output", str(tmp_path)]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert "120 faces in 3 shards" in result.output
    splits = load_splits("shards", tmp_path, limit=16)
    files = load_splits("affectfaces", limit=40)
    assert {name: len(part) for name, part in splits.items()} == dict.fromkeys(files, 16)
    whole = load_splits("shards", tmp_path)
    places = ["path", "row"]
    for name, part in files.items():
        pd.testing.assert_frame_equal(
            whole[name].drop(columns=places), part.drop(columns=places), check_like=True
        )
        np.testing.assert_array_equal(load_faces(whole[name], SIZE)[0], load_faces(part, SIZE)[0])
    file = next(tmp_path.glob("train*.tfrecord"))
    file.write_bytes(file.read_bytes()[:-1])
    arguments = ["datasets", "shards", "--root", str(tmp_path)]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 2
    assert file.name in result.stderr.replace("\n", "")


def test_the_command_lists_what_it_left_out_and_no_name_is_a_formula(tmp_path):
    folder, output = tmp_path / "own", tmp_path / "shards"
    folder.mkdir()
    names = [f"{number}.png" for number in range(11)]
    for number, name in enumerate(names):
        Image.fromarray(picture(number)).save(folder / name)
    (folder / "=5.png").write_bytes(b"no image")
    lines = ["file,expression", *(f"{name},Happy" for name in [*names, "=5.png"])]
    (folder / "labels.csv").write_text("\n".join(lines))
    arguments = ["shard", "--dataset", "folder", "--root", str(folder), "--workers", "1"]
    result = CliRunner().invoke(app, [*arguments, "--output", str(output)])
    assert result.exit_code == 0, result.output
    assert "11 faces in" in result.output
    assert pd.read_csv(output / "skipped_rows.csv")["row"].tolist() == ["./=5.png"]


def test_training_from_shards_is_training_from_files(tmp_path):
    """In memory: to the bit. Streamed: every row once an epoch; damage in the middle is named."""
    table = load_table("affectfaces", limit=96)
    write_shards(table, tmp_path / "shards", rows_per_shard=24)
    settings = TrainingSettings(epochs=2, batch_size=16, augmentation="none", head_epochs=0)
    logs = {}
    for name, splits, limit in (
        ("files", load_splits("affectfaces", limit=96), 10**9),
        ("shards", load_splits("shards", tmp_path / "shards"), 10**9),
        ("streamed", load_splits("shards", tmp_path / "shards"), 0),
    ):
        pairs = []
        for split in ("train", "validation"):
            faces, kept = load_faces(splits[split], SIZE, memory_limit=limit)
            assert (faces is None) == (limit == 0)
            pairs.append((kept, faces))
        model = tiny_model()
        logs[name] = train_model(model, *pairs, SIZE, settings, tmp_path / name, seed=1)
    pd.testing.assert_frame_equal(logs["files"], logs["shards"], check_exact=True)
    np.testing.assert_allclose(logs["streamed"]["loss"], logs["files"]["loss"], rtol=0.1)
    file = sorted((tmp_path / "shards").glob("train-*.tfrecord"))[2]
    file.write_bytes(file.read_bytes()[:-20])
    with pytest.raises(ShardError, match=f"of .*{file.name} would reach beyond the end"):
        train_model(tiny_model(), *pairs, SIZE, settings, tmp_path / "damaged", seed=1)


def tiny_model():
    keras.utils.set_random_seed(2)
    inputs = keras.Input((32, 32, 3))
    pooled = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(8, 5, 3)(inputs))
    backbone = keras.Model(inputs, pooled, name=BACKBONE)
    face = keras.Input((32, 32, 3))
    return keras.Model(face, keras.layers.Dense(8, "softmax")(backbone(face)))
