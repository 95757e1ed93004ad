"""Folders of shards, and the backups from which a training goes on."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import struct
import warnings
import zipfile
import zlib
from collections.abc import Mapping
from contextlib import contextmanager
from random import Random
from types import MappingProxyType

import keras
import numpy as np
import tensorflow as tf
from basis import Document, Target
from mutations import EDGES, mutate, spoil_document
from PIL import Image
from target_arrays import Archive, archive, npy

from affectkit.data import (
    BOX_COLUMNS,
    ShardIndex,
    SkippedRows,
    load_faces,
    load_shards,
    load_table,
    make_table,
    read_index,
    shard_batches,
    write_shards,
)
from affectkit.data.shards.index import find_damage, finished_shards
from affectkit.data.shards.streams import damage_named
from affectkit.data.table import validate_table
from affectkit.files.tfrecords import read_record_image
from affectkit.preprocess import Preprocessing
from affectkit.training.backup import TrainingBackup

SHARD = "train-00000-of-00001"
VALUES = (
    *(None, 0, -0.0, 1, 3, 5, 10, 11, -1, 1e300, -1e300, 1e-300, float("inf"), float("nan")),
    *(-float("inf"), 4.5, 2**63 - 1, 10**20, 1_000_000, -7, True, "", "0", "a", [], {}),
)
PLACES = (0, 1, 3, -1, 1e9, 1e300, 1.7e308, float("inf"))
SIZE = Preprocessing(image_size=32)


def sha256(content: bytes) -> str:
    """Give the SHA-256 in hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def small_table() -> object:
    """Give four faces of one split, in memory."""
    table = make_table(
        {
            "image_id": ["a", "b", "c", "d"],
            "split": ["train"] * 4,
            "expression": [0, 3, 7, None],
            "valence": [0.5, -0.5, None, 0],
            "arousal": [0.25, 0, None, 1],
            "age": [30.0, None, 40.5, 1],
            **{name: [1.0, None, 2.0, None] for name in BOX_COLUMNS},
        },
        "memory",
    )
    noise = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 3), np.uint8)
    table["image"] = list(noise)
    return table


class Shards:
    """What the targets of a folder of shards share: one that is whole, in `self.root`."""

    def make_root(self) -> None:
        self.root, self.whole = self.folder / "root", self.folder / "whole"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            write_shards(small_table(), self.whole)
        shutil.copytree(self.whole, self.root, dirs_exist_ok=True)
        self.index = json.loads((self.root / "index.json").read_text())
        self.name = "root"

    def mend_index(self, **changes: object) -> None:
        """Let the index say what is true of a spoilt file: then its hash is no help."""
        (entry,) = self.index["shards"]
        content = self.index | {"shards": [entry | changes]}
        (self.root / "index.json").write_text(json.dumps(content))


class Index(Shards, Document):
    file = "root/index.json"

    def document(self) -> dict:
        self.make_root()
        return self.index

    def read(self) -> None:
        index = read_index(self.root)
        assert all(address.startswith(f"{self.root}/train-") for address in index.addresses())
        assert index.rows() == sum(sum(one.values()) for one in index.content["counts"].values())
        table = load_shards(self.root, SkippedRows())
        assert len(table) == index.rows()
        shard_batches(index, "train", "classification", SIZE)


class Rows(Shards, Document):
    """The columns in a shard's sidecar; the index has the hash of the spoilt ones."""

    file = f"root/{SHARD}.jsonl"

    def document(self) -> dict:
        self.make_root()
        self.facts, labels = self.path.read_bytes().splitlines()
        return json.loads(labels)

    def make(self, random: Random) -> bytes:
        if random.random() < 0.5:
            return super().make(random)
        columns = {name: list(values) for name, values in self.valid.items()}
        for _ in range(random.choice((1, 1, 2, 5))):
            values = random.choice(list(columns.values()))
            values[random.randrange(len(values))] = random.choice(VALUES)
        content = json.dumps(columns).encode()
        self.put(content)
        return content

    def put(self, content: bytes) -> None:
        super().put(self.facts + b"\n" + content)
        self.mend_index(labels_sha256=sha256(content.removesuffix(b"\n")))

    def read(self) -> None:
        table = load_table("shards", self.root, protocol="all", validation_fraction=0.25)
        validate_table(table)
        assert set(table["path"]) == {str(self.root / f"{SHARD}.tfrecord")}
        faces, kept = load_faces(table, SIZE)
        assert len(faces) == len(kept)
        assert np.isfinite(table[["valence", "arousal"]].fillna(0)).all(axis=None)


class Records(Shards, Target):
    """A file of records: spoilt as bytes, or inside its records with their check sums mended."""

    file = f"root/{SHARD}.tfrecord"
    tokens = tuple(struct.pack("<Q", edge) for edge in EDGES)

    def make_seeds(self) -> list[bytes]:
        self.make_root()
        content = self.path.read_bytes()
        self.records = list(split_records(content))
        return [content]

    def make(self, random: Random) -> bytes:
        kind = random.randrange(11)
        if kind < 3:
            return super().make(random)
        if kind == 10:  # as good as new, but not what the index tells
            content = join_records(random.sample(self.records, len(self.records)))
            self.put(content)
            self.wrong_hash = True
            self.mend_index(bytes=len(content), sha256="0" * 64)
            return content
        records = list(self.records)
        number = random.randrange(len(records))
        lengths = {}
        if kind < 5:
            records[number] = mutate(random, records[number], tuple(records))
        elif kind < 9:
            records[number] = spoil_example(random, records[number])
        else:  # only the length lies, and has its check sum
            lengths[number] = random.choice((*EDGES, 2**40, 2**62, 2**63, 2**64 - 1, 2**64 - 17))
        content = join_records(records, lengths)
        self.put(content)
        return content

    def put(self, content: bytes) -> None:
        """Every other folder is read as a remote one."""
        super().put(content)
        self.address = f"file://{self.root}" if zlib.crc32(content) % 2 else str(self.root)
        self.name, self.wrong_hash = SHARD, False
        self.mend_index(bytes=len(content), sha256=sha256(content))

    def read(self) -> None:
        table = load_shards(self.root, SkippedRows())
        index = read_index(self.address, verify=True)
        if self.wrong_hash:
            self.refuse_other_hash(index)
        with refusals() as problems:
            for offset in table["row"]:
                try:
                    read_record_image(str(self.path), int(offset))
                except ValueError as error:
                    problems.append(error)
            for task in ("classification", "regression"):
                with damage_named(index.addresses()):
                    for faces, _, weights in shard_batches(index, "train", task, SIZE, 3):
                        assert faces.shape[1:] == (32, 32, 3)
                        assert np.isfinite(weights).all()

    def refuse_other_hash(self, index: ShardIndex) -> None:
        """A stream must not give anything of a file that is not the index's."""
        with damage_named(index.addresses()):
            list(shard_batches(index, "train", "classification", SIZE, 3))
        raise AssertionError("read without its hash")


@contextmanager
def refusals() -> object:
    """Raise the first of a list of errors, or the first warning of affectkit as an error."""
    problems = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        yield problems
    for problem in problems:
        raise problem
    for warning in caught:
        if issubclass(warning.category, UserWarning):
            raise ValueError(str(warning.message))


_TABLE = [0] * 256
for _byte in range(256):
    _value = _byte
    for _ in range(8):
        _value = (_value >> 1) ^ (0x82F63B78 if _value & 1 else 0)
    _TABLE[_byte] = _value


def masked_crc32c(data: bytes) -> bytes:
    """Give the check sum of TFRecord: CRC-32C (Castagnoli), rotated and shifted."""
    value = 0xFFFFFFFF
    for byte in data:
        value = _TABLE[(value ^ byte) & 0xFF] ^ (value >> 8)
    value ^= 0xFFFFFFFF
    return struct.pack("<I", (((value >> 15) | (value << 17)) + 0xA282EAD8) & 0xFFFFFFFF)


def split_records(content: bytes) -> object:
    """Give the records of a TFRecord file."""
    place = 0
    while place < len(content):
        (length,) = struct.unpack_from("<Q", content, place)
        yield content[place + 12 : place + 12 + length]
        place += length + 16


def join_records(records: list[bytes], lengths: Mapping[int, int] = MappingProxyType({})) -> bytes:
    """Give a TFRecord file of records; `lengths` are lies about some."""
    parts = []
    for number, record in enumerate(records):
        length = struct.pack("<Q", lengths.get(number, len(record)))
        parts += [length, masked_crc32c(length), record, masked_crc32c(record)]
    return b"".join(parts)


def spoil_example(random: Random, record: bytes) -> bytes:
    """Give a record with one feature absent, of another kind, or with another value."""
    example = tf.train.Example.FromString(record)
    features = example.features.feature
    name = random.choice(sorted(features))
    kind = random.randrange(4)
    if kind == 0:
        del features[name]
        return example.SerializeToString()
    features[name].Clear()
    if kind == 1:
        values = random.choice(([], [0], [11], [-(2**63)], [2**63 - 1], [1] * 9))
        features[name].int64_list.value.extend(values)
    elif kind == 2:
        values = random.choice(([], [0.5], [1e30, float("nan")], [float("inf")] * 2, [-1.0] * 8))
        features[name].float_list.value.extend(values)
    else:
        box = struct.pack("<4d", *(random.choice(PLACES) for _ in range(4)))
        picture = io.BytesIO()
        Image.new("L", random.choice(((1, 1), (300, 1), (40, 40)))).save(picture, "PNG")
        values = random.choice(([], [b""], [b"x" * 7], [box], [box * 2], [picture.getvalue()]))
        features[name].bytes_list.value.extend(values)
    return example.SerializeToString()


class Receipt(Shards, Document):
    """The facts in a sidecar: a run that goes on writes a whole folder, or refuses."""

    file = f"root/{SHARD}.jsonl"

    def document(self) -> dict:
        self.make_root()
        (self.root / "index.json").unlink()
        facts, self.labels = self.path.read_bytes().splitlines()
        return json.loads(facts)

    def put(self, content: bytes) -> None:
        super().put(content + b"\n" + self.labels + b"\n")

    def read(self) -> None:
        (self.root / "index.json").unlink(missing_ok=True)
        finished_shards(str(self.root), self.index["fingerprint"])
        index = write_shards(small_table(), self.root)
        assert not find_damage(index)
        assert read_index(self.root).content == index.content
        assert len(load_shards(self.root, SkippedRows())) == index.rows() == 4


def small_model() -> keras.Model:
    """Give a compiled network of a few weights."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input((4,))
    layers = (keras.layers.BatchNormalization(), keras.layers.Dropout(0.5), keras.layers.Dense(2))
    outputs = inputs
    for layer in layers:
        outputs = layer(outputs)
    model = keras.Model(inputs, outputs)
    model.compile("adam", "mse")
    return model


class Backup(Archive):
    """The backup of a training."""

    file = "logs/hostile_backup.npz"
    methods = (zipfile.ZIP_STORED,)
    begin_anew = True

    def members(self) -> dict[str, bytes]:
        self.model = small_model()
        self.stopping = keras.callbacks.EarlyStopping("loss", patience=3)
        faces, targets = np.ones((4, 4), np.float32), np.ones((4, 2), np.float32)
        backup = self.backup()
        callbacks = [self.stopping, backup]
        self.model.fit(faces, targets, 4, epochs=2, verbose=0, callbacks=callbacks)
        with np.load(self.path, allow_pickle=False) as file:
            self.state = json.loads(str(file["state"]))
            return {f"{name}.npy": npy(file[name]) for name in file.files}

    def backup(self) -> TrainingBackup:
        log = self.path.with_name("hostile_log.csv")
        return TrainingBackup(self.path, log, {"seed": 0}, self.stopping, self.begin_anew)

    def make(self, random: Random) -> bytes:
        if random.random() < 0.5:
            return super().make(random)
        state = spoil_document(random, self.state).decode("utf-8", "replace").replace("\0", "0")
        content = archive(self.valid | {"state.npy": npy(np.array(state))}, zipfile.ZIP_STORED)
        self.put(content)
        return content

    def read(self) -> None:
        backup = self.backup()
        with refusals():
            if backup.load():
                backup.restore(self.model)
                backup.set_model(self.model)
                backup.on_train_begin()
                assert callable(self.stopping.on_epoch_end)
                self.stopping.set_model(self.model)
                self.stopping.on_epoch_end(len(backup.rows), {"loss": 1.0})
                backup.on_epoch_end(len(backup.rows), {"loss": 1.0})


class SharedBackup(Backup):
    """The backup of a training from shards, which is refused where another's is begun anew."""

    begin_anew = False


TARGETS = {
    "shard-index": Index,
    "shard-rows": Rows,
    "shard-records": Records,
    "shard-receipt": Receipt,
    "training-backup": Backup,
    "worker-backup": SharedBackup,
}
