"""Batches for training straight from shards: labels come from the records, no table is needed.

So memory does not grow with the number of rows. With a table, `affectkit.data.batches` reads the
same records.
"""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import numpy as np
import tensorflow as tf

from affectkit.data.images import decode_image
from affectkit.data.shards.checks import record_number
from affectkit.data.shards.index import ShardIndex
from affectkit.data.shards.streams import FEATURES, stream_records
from affectkit.labels import NUM_EXPRESSIONS
from affectkit.preprocess import Preprocessing, crop_face


def shard_batches(
    index: ShardIndex,
    split: str,
    task: str,
    preprocessing: Preprocessing,
    batch_size: int = 64,
    balance: float = 0.0,
    drop_remainder: bool = False,
    soft: bool = True,
    **reading: object,
) -> tf.data.Dataset:
    """Read a split as batches of faces, targets and weights.

    Parameters
    ----------
    index : ShardIndex
        From `affectkit.data.shards.index.read_index`.
    split : str
        train, validation or test.
    task : {"classification", "regression"}
        Rows without what it learns from are left out.
    preprocessing : Preprocessing
        Crop margin and size.
    batch_size : int
        Faces a batch.
    balance : float
        See `affectkit.training.targets.class_weights`; counted over the whole split.
    drop_remainder : bool
        Leave out a last batch that is smaller.
    soft : bool
        Take distributions of labels as targets where there are some, else always the expression.
    **reading
        Of `affectkit.data.shards.streams.stream_records`: shuffle, seed, deterministic, worker,
        workers, cache, block_length.

    Returns
    -------
    tensorflow.data.Dataset
        Elements (faces uint8 (batch, size, size, 3), targets float32 (batch, 8) or (batch, 2),
        weights float32 (batch,)). A face that can't be read has weight 0, with a warning that names
        its shard and record.

    Raises
    ------
    ValueError
        If the split has no row for this task, or fewer shards than there are workers.
    """
    counts = np.zeros(NUM_EXPRESSIONS, int)
    for code, rows in index.content["counts"].get(split, {}).items():
        if 0 <= int(code) < NUM_EXPRESSIONS:
            counts[int(code)] = rows
    learns = index.content["valence_arousal"] if task == "regression" else counts.sum()
    if not index.rows(split) or not learns:
        raise ValueError(
            f"{index.folder} has no row of split {split!r} that {task} can learn from; write "
            "shards of a data set that has"
        )
    known = tf.constant(weights_of_counts(counts, balance))

    def annotated(features: dict[str, tf.Tensor]) -> tf.Tensor:
        if task == "regression":
            return ~tf.reduce_any(tf.math.is_nan(features["valence_arousal"]))
        return (features["expression"] >= 0) & (features["expression"] < NUM_EXPRESSIONS)

    def gather(features: dict[str, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        faces, readable = decode_faces(features, preprocessing, addresses)
        code = features["expression"]
        valid = tf.clip_by_value(code, 0, NUM_EXPRESSIONS - 1)
        weights = tf.where(valid == code, tf.gather(known, valid), 1.0)
        targets = features["valence_arousal"]
        if task == "classification":
            targets = tf.one_hot(code, NUM_EXPRESSIONS)
        if task == "classification" and soft:
            voted = features["soft_labels"]
            missing = tf.reduce_any(tf.math.is_nan(voted), axis=1, keepdims=True)
            targets = tf.where(missing, targets, voted)
        return faces, targets, weights * tf.cast(readable, tf.float32)

    def parse(number: tf.Tensor, offset: tf.Tensor, data: tf.Tensor) -> dict[str, tf.Tensor]:
        return tf.io.parse_single_example(data, FEATURES) | {"shard": number, "offset": offset}

    addresses = index.addresses(split)
    records = stream_records(addresses, hashes=index.hashes(split), **reading)
    examples = records.map(parse)
    batches = examples.filter(annotated).batch(batch_size, drop_remainder)
    faces = batches.map(gather, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    return faces.prefetch(tf.data.AUTOTUNE)


def weights_of_counts(counts: np.ndarray, balance: float) -> np.ndarray:
    """Give `affectkit.training.targets.class_weights`, float32 (8,), from each expression's rows.

    `balance` is an exponent, 0 gives ones. 1 for expressions that do not occur; the mean over rows
    is 1.
    """
    present = counts > 0
    weights = np.ones(len(counts))
    weights[present] = (counts.sum() / (present.sum() * counts[present])) ** balance
    return (weights / np.average(weights, weights=counts)).astype(np.float32)


@tf.autograph.experimental.do_not_convert  # else `decode` is converted: twice the time
def decode_faces(
    features: dict[str, tf.Tensor],
    preprocessing: Preprocessing,
    addresses: Sequence[str] | None = None,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Decode and crop the faces of a batch of parsed records, as `read_face` does from files.

    Gives uint8 RGB faces, zeros where there is none, and whether each was readable. `features` are
    image and box of `FEATURES`. With the shards' `addresses`, and features shard (its number) and
    offset, a face that can't be read is warned of by place; without, it ends the reading.
    """
    size = preprocessing.image_size

    def decode(
        images: np.ndarray, boxes: np.ndarray, *places: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        faces = np.zeros((len(images), size, size, 3), np.uint8)
        readable = np.ones(len(images), bool)

        def one(number: int) -> None:
            box = None if np.isnan(boxes[number]).any() else boxes[number].tolist()
            try:
                image = decode_image(io.BytesIO(images[number]), "a record")
                faces[number] = crop_face(image, box, preprocessing)
            except ValueError as error:
                if addresses is None:
                    raise
                readable[number] = False
                shard, offset = (int(place[number]) for place in places)
                message = f"left out a face of {_place(addresses[shard], offset)}: {error}"
                warnings.warn(message, UserWarning, stacklevel=2)

        list(_threads().map(one, range(len(images))))
        return faces, readable

    boxes = tf.io.decode_raw(features["box"], tf.float64)
    places = [] if addresses is None else [features["shard"], features["offset"]]
    faces, readable = tf.numpy_function(
        decode, [features["image"], boxes, *places], (tf.uint8, tf.bool)
    )
    faces.set_shape((None, size, size, 3))
    readable.set_shape((None,))
    return faces, readable


def _place(address: str, offset: int) -> str:
    """Say where a record is; they are counted from 0."""
    try:
        number = record_number(address, offset)
    except OSError:  # gone in the meantime
        number = None
    return f"{address}, record {'?' if number is None else number} (byte {offset})"


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(os.cpu_count(), "decode")
