"""Read shards front to back as a `tf.data.Dataset`: interleaved, shuffled, a share a worker."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import pandas as pd
import tensorflow as tf

from affectkit.data.shards.checks import ShardError, check_shard
from affectkit.data.shards.index import find_damage, read_index
from affectkit.files.places import SUFFIX
from affectkit.files.tfrecords import FRAME_BYTES, REMEDY
from affectkit.labels import NUM_EXPRESSIONS

INTERLEAVED = 8
"""Shards that are read at the same time."""

SHUFFLED_RECORDS = 4096
"""Encoded records that wait to be drawn from; the rows of shards were shuffled when written."""

FEATURES = {
    "image": tf.io.FixedLenFeature([], tf.string),
    "box": tf.io.FixedLenFeature([], tf.string),
    "expression": tf.io.FixedLenFeature([], tf.int64),
    "valence_arousal": tf.io.FixedLenFeature([2], tf.float32),
    "soft_labels": tf.io.FixedLenFeature([NUM_EXPRESSIONS], tf.float32),
}
"""What is read of a record, see `affectkit.data.shards.writer`."""

BOX_BYTES = 32
"""Of 4 float64."""

_OFFSET_BITS = 40
_DAMAGED = (tf.errors.DataLossError, tf.errors.InvalidArgumentError, UnicodeDecodeError)
_READING_ERRORS = (*_DAMAGED, tf.errors.NotFoundError, tf.errors.OutOfRangeError)
"""UnicodeDecodeError is what comes of TensorFlow's message about bytes that are no example."""

_refused: dict[str, ShardError] = {}
"""By address: of TensorFlow's error, only the text would remain."""


def stream_records(
    addresses: Sequence[str],
    shuffle: bool = False,
    seed: int | tf.Tensor = 0,
    deterministic: bool = True,
    worker: int = 0,
    workers: int = 1,
    cache: str | None = None,
    block_length: int = 1,
    hashes: Sequence[str] | None = None,
) -> tf.data.Dataset:
    """Read the records of shards; each is checked before it is first read in a process.

    Parameters
    ----------
    addresses : sequence of str
        Of the shards.
    shuffle : bool
        The order of shards, and `SHUFFLED_RECORDS` records at a time, anew each epoch.
    seed : int or scalar int64 tensor
        Of the shuffling.
    deterministic : bool
        Give the same order each time; without, what is read first comes first.
    worker, workers : int
        Read only every `workers`-th shard, from number `worker`; where there are fewer shards than
        workers, every `workers`-th record (of all that are read).
    cache : str, optional
        Keep the encoded records after the first epoch: "" in memory, else in this file, which must
        belong to one worker alone. For object stores.
    block_length : int
        Records taken from a shard before the next one's turn.
    hashes : sequence of str, optional
        The SHA-256 that each shard must have. Without, and always, lengths of records are checked.

    Returns
    -------
    tensorflow.data.Dataset
        Elements (shard number int64, byte offset int64, serialised record string).

    Raises
    ------
    ValueError
        If there is no such worker, or no shard.
    """
    if not 0 <= worker < workers or not addresses:
        raise ValueError(
            f"expected a worker of 0..{workers - 1} and at least one shard, got worker {worker} "
            f"and {len(addresses)} shards"
        )
    if tf.is_tensor(seed) and tf.compat.v1.get_default_graph().seed == 0:
        tf.compat.v1.set_random_seed(1)  # of this graph; else the tensor is compared with 0
    by_shard = len(addresses) >= workers
    names = tf.constant(list(addresses))
    expected = tf.constant(list(hashes or [""] * len(addresses)))

    def read(number: tf.Tensor) -> tf.data.Dataset:
        def locate(offset: tf.Tensor, data: tf.Tensor) -> tuple:
            length = tf.cast(tf.strings.length(data), tf.int64)
            return offset + length + FRAME_BYTES, (number, offset, data)

        arguments = [names[number], expected[number]]
        address = tf.ensure_shape(tf.numpy_function(_checked, arguments, tf.string), [])
        return tf.data.TFRecordDataset(address).scan(tf.constant(0, tf.int64), locate)

    shards = tf.data.Dataset.range(len(addresses))
    if by_shard:
        shards = shards.shard(workers, worker)
    if shuffle:
        shards = shards.shuffle(len(addresses), seed, reshuffle_each_iteration=True)
    records = shards.interleave(
        read,
        cycle_length=INTERLEAVED,
        block_length=block_length,
        num_parallel_calls=tf.data.AUTOTUNE,
        deterministic=deterministic or not by_shard,
    )
    if not by_shard:
        records = records.shard(workers, worker)
    if cache is not None:
        records = records.cache(cache)
    if shuffle:
        records = records.shuffle(SHUFFLED_RECORDS, seed, reshuffle_each_iteration=True)
    return records


def _checked(address: bytes, sha256: bytes) -> bytes:
    name = address.decode()
    try:
        check_shard(name, sha256.decode())
    except ShardError as error:
        _refused[name] = error
        raise
    _refused.pop(name, None)
    return address


def epoch_seed(seed: int, epoch: int | tf.Tensor) -> int | tf.Tensor:
    """Give the seed of an epoch's order: a prime keeps those of neighbouring seeds apart."""
    return seed + 7919 * epoch


def is_sharded(table: pd.DataFrame) -> bool:
    """Tell whether every row of a table lies in a shard."""
    return bool(table["row"].notna().all() and table["path"].str.endswith(SUFFIX).all())


def stream_rows(
    table: pd.DataFrame,
    batch_size: int,
    shuffle: bool,
    seed: int,
    first_epoch: int | None = None,
) -> tf.data.Dataset:
    """Read the records of a table's rows front to back, in the order of the shards.

    `table` has any rows that `load_shards` gave, each once. Elements are (positions in the table
    int64 (batch,), serialised records string (batch,)). With `first_epoch`, epochs without end from
    this one on; the order of each depends on seed and number.
    """
    numbers, addresses = pd.factorize(table["path"])
    keys = (numbers.astype(np.int64) << _OFFSET_BITS) + table["row"].to_numpy(np.int64)
    order = np.argsort(keys)
    sorted_keys, positions = tf.constant(keys[order]), tf.constant(order)

    def find(number: tf.Tensor, offset: tf.Tensor, data: tf.Tensor) -> tuple:
        key = tf.bitwise.left_shift(number, tf.constant(_OFFSET_BITS, tf.int64)) + offset
        place = tf.minimum(tf.searchsorted(sorted_keys, key[None])[0], len(keys) - 1)
        return sorted_keys[place] == key, positions[place], data

    def read(seed: int | tf.Tensor) -> tf.data.Dataset:
        found = stream_records([str(one) for one in addresses], shuffle, seed).map(find)
        rows = found.filter(lambda wanted, *_: wanted)
        return rows.map(lambda _, position, data: (position, data)).batch(batch_size)

    if first_epoch is None:
        batches = -(-len(table) // batch_size)
        return read(seed).apply(tf.data.experimental.assert_cardinality(batches))
    epochs = tf.data.Dataset.range(first_epoch, np.iinfo(np.int64).max)
    return epochs.flat_map(lambda epoch: read(epoch_seed(seed, epoch)))


@contextmanager
def damage_named(addresses: Iterable[str]) -> Iterator[None]:
    """Turn TensorFlow's "corrupted record" into a ShardError that names which of these was damaged.

    Addresses that are no shards do not matter.
    """
    try:
        yield
    except _READING_ERRORS as error:
        shards = {address for address in addresses if address.endswith(SUFFIX)}
        for address in sorted(shards & _refused.keys()):
            raise _refused.pop(address) from error
        folders = sorted({address.rpartition("/")[0] for address in shards})
        strange = isinstance(error, tf.errors.InvalidArgumentError)
        if not folders or (strange and "IteratorGetNext" not in str(error)):  # of the network
            raise
        damaged = [
            f"{address} ({problem})"
            for folder in folders
            for address, problem in find_damage(read_index(folder)).items()
        ]
        if damaged:
            raise ShardError(f"damaged or missing: {', '.join(damaged)}. {REMEDY}") from error
        if isinstance(error, (tf.errors.NotFoundError, tf.errors.OutOfRangeError)):
            raise
        known = f"a record in {', '.join(folders)}", error_reason(error)
        place, reason = find_strange_record(sorted(shards)) or known
        raise ShardError(f"{place} is none of `affectkit shard` ({reason}). {REMEDY}") from error


def find_strange_record(addresses: Iterable[str]) -> tuple[str, str] | None:
    """Name the first record ("ADDRESS, record NUMBER", from 0) without `FEATURES`, and the reason.

    None if all have them; reads all of these shards.
    """
    for address in addresses:
        number = 0
        try:
            for record in tf.data.TFRecordDataset(address):
                box = tf.io.parse_single_example(record, FEATURES)["box"]
                if len(box.numpy()) != BOX_BYTES:
                    return f"{address}, record {number}", f"a box of {len(box.numpy())} bytes"
                number += 1
        except _DAMAGED as error:
            return f"{address}, record {number}", error_reason(error)
    return None


def error_reason(error: Exception) -> str:
    """Give what TensorFlow says, in short and without the names of its nodes."""
    message = getattr(error, "message", "its bytes are no example")
    return re.sub(r"\{\{.*?\}\} *", "", message)[:300]
