"""Batches for `fit` and `predict`: faces decoded once into memory, or streamed when too many."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

import numpy as np
import pandas as pd
import tensorflow as tf
from tqdm.auto import tqdm

from affectkit.data.images import read_table_image
from affectkit.data.shards.batches import FEATURES, decode_faces
from affectkit.data.shards.streams import is_sharded, stream_rows
from affectkit.data.skipped import SkippedRows
from affectkit.data.table import BOX_COLUMNS
from affectkit.preprocess import Preprocessing, crop_face

MEMORY_LIMIT_BYTES = 2 * 1024**3
"""Faces of a split that need more than this are streamed from disk instead of kept in memory."""

CHUNK_ROWS = 512
"""Rows that are handed to the reading threads at a time; bounds what waits in memory."""


def load_faces(
    table: pd.DataFrame,
    preprocessing: Preprocessing,
    skipped: SkippedRows | None = None,
    memory_limit: int = MEMORY_LIMIT_BYTES,
    workers: int | None = None,
) -> tuple[np.ndarray | None, pd.DataFrame]:
    """Decode, crop and resize every face; leave out and list the rows that can't be read.

    Parameters
    ----------
    table : pandas.DataFrame
        As documented in `affectkit.data.table`.
    preprocessing : Preprocessing
        Crop margin and size.
    skipped : SkippedRows, optional
        Where unreadable rows are noted; a warning counts them in any case.
    memory_limit : int
        In bytes. When all faces together need more, they are only checked, not kept.
    workers : int, optional
        Reading threads; one a CPU core when not given.

    Returns
    -------
    faces : numpy.ndarray or None
        uint8, shape (n, image_size, image_size, 3), RGB; None when over the memory limit.
    table : pandas.DataFrame
        The readable rows, in the same order as the faces, index 0..n-1.

    Raises
    ------
    ValueError
        If no row can be read.
    """
    skipped = SkippedRows() if skipped is None else skipped
    before, size = len(skipped), preprocessing.image_size
    keep_faces = len(table) * size * size * 3 <= memory_limit
    faces = np.empty((len(table), size, size, 3), np.uint8) if keep_faces else None
    readable = np.zeros(len(table), bool)
    results = _read_faces(table, preprocessing, workers)
    for index, result in enumerate(tqdm(results, total=len(table), desc="faces", leave=False)):
        if isinstance(result, ValueError):
            record = table.iloc[index]
            skipped.add(
                record["path"] or "in memory", record["image_id"], str(result), "see the reason"
            )
            continue
        readable[index] = True
        if keep_faces:
            faces[index] = result
    skipped.warn(len(table), since=before)
    if not readable.any():
        raise ValueError(
            f"none of the {len(table)} images could be read; the first problem: "
            f"{next(iter(skipped)).reason if len(skipped) else 'the table is empty'}"
        )
    kept = table[readable].reset_index(drop=True)
    return (faces if readable.all() else faces[readable]) if keep_faces else None, kept


def _read_faces(
    table: pd.DataFrame, preprocessing: Preprocessing, workers: int | None
) -> Iterator[np.ndarray | ValueError]:
    """Yield each row's face, or the error that says why there is none, in the table's order."""

    def read(record: object) -> np.ndarray | ValueError:
        try:
            return read_face(record, preprocessing)
        except ValueError as error:
            return error

    with ThreadPoolExecutor(workers or os.cpu_count()) as pool:
        records = table.itertuples(index=False)
        while chunk := list(islice(records, CHUNK_ROWS)):
            yield from pool.map(read, chunk)


def make_batches(
    table: pd.DataFrame,
    faces: np.ndarray | None,
    preprocessing: Preprocessing,
    targets: np.ndarray | None = None,
    sample_weights: np.ndarray | None = None,
    batch_size: int = 64,
    shuffle: bool = False,
    seed: int = 0,
    first_epoch: int | None = None,
    in_order: bool = True,
) -> tf.data.Dataset:
    """Make a `tf.data.Dataset` of batches of uint8 faces with targets and weights.

    Parameters
    ----------
    table, faces
        What `load_faces` returned; with `faces` None they are read again while streaming.
    preprocessing : Preprocessing
        The same as for `load_faces`.
    targets : numpy.ndarray, optional
        float32, shape (n, 8) label distributions or (n, 2) valence and arousal.
    sample_weights : numpy.ndarray, optional
        float32, shape (n,).
    batch_size : int
        Faces a batch; the last one may be smaller.
    shuffle : bool
        Shuffle all rows anew each epoch, from `seed`.
    seed : int
        Seed of the shuffling.
    first_epoch : int, optional
        Shuffle epochs without end, from the one of this number on. The order of each depends on
        seed and number alone, so that a training goes on with what it would have seen.
    in_order : bool
        Without shuffling, keep the table's order. If not, shards are read front to back, as they
        are when shuffling: the order of shards is drawn, and from some thousand rows at a time.

    Returns
    -------
    tensorflow.data.Dataset
        Elements (faces[, targets[, weights]]); faces uint8 (batch, size, size, 3), RGB.

    Raises
    ------
    ValueError
        If lengths differ or weights come without targets.
    """
    if sample_weights is not None and targets is None:
        raise ValueError("sample_weights were given without targets; pass both or neither")
    parts = [part for part in (targets, sample_weights) if part is not None]
    lengths = {len(table), *(len(part) for part in parts)}
    if len(lengths) > 1 or (faces is not None and len(faces) != len(table)):
        raise ValueError(f"table, faces, targets and weights differ in length: {sorted(lengths)}")
    shuffled = shuffle or first_epoch is not None
    if faces is None and (shuffled or not in_order) and is_sharded(table):

        def decode(index: tf.Tensor, records: tf.Tensor) -> tuple[tf.Tensor, ...]:
            features = tf.io.parse_example(records, FEATURES)
            return (decode_faces(features, preprocessing)[0], *(tf.gather(p, index) for p in parts))

        rows = stream_rows(table, batch_size, shuffled, seed, first_epoch)
        batches = rows.map(decode, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
        return batches.prefetch(tf.data.AUTOTUNE)
    if first_epoch is not None:
        rows = _endless_epochs(len(table), batch_size, seed, first_epoch)
    else:
        rows = tf.data.Dataset.range(len(table))
        if shuffle:
            rows = rows.shuffle(len(table), seed=seed, reshuffle_each_iteration=True)
        rows = rows.batch(batch_size)
    size = preprocessing.image_size
    if faces is not None:
        read_batch = faces.__getitem__
    else:
        records = list(table.itertuples(index=False))
        pool = ThreadPoolExecutor(os.cpu_count())

        def read_batch(index: np.ndarray) -> np.ndarray:
            chosen = [records[position] for position in index]
            return np.stack(list(pool.map(lambda one: read_face(one, preprocessing), chosen)))

    def gather(index: tf.Tensor) -> tuple[tf.Tensor, ...]:
        batch = tf.numpy_function(read_batch, [index], tf.uint8)
        batch.set_shape((None, size, size, 3))
        return (batch, *(tf.gather(part, index) for part in parts))

    batches = rows.map(gather, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    return batches.prefetch(tf.data.AUTOTUNE)


def _endless_epochs(rows: int, batch_size: int, seed: int, first: int) -> tf.data.Dataset:
    """Give batches of row numbers, int64; no batch reaches from one epoch into the next."""

    def order(epoch: np.ndarray) -> np.ndarray:
        return np.random.default_rng([seed, int(epoch)]).permutation(rows)

    def batches(epoch: tf.Tensor) -> tf.data.Dataset:
        numbers = tf.ensure_shape(tf.numpy_function(order, [epoch], tf.int64), [rows])
        return tf.data.Dataset.from_tensor_slices(numbers).batch(batch_size)

    return tf.data.Dataset.range(first, np.iinfo(np.int64).max).flat_map(batches)


def read_face(record: object, preprocessing: Preprocessing) -> np.ndarray:
    """Read and crop the face of one row of a table.

    Parameters
    ----------
    record : named tuple
        From `DataFrame.itertuples` of the documented table.
    preprocessing : Preprocessing
        Size and margin.

    Returns
    -------
    numpy.ndarray
        uint8, shape (image_size, image_size, 3), RGB.

    Raises
    ------
    ValueError
        If the image can't be read (`ImageReadError`) or its box is outside.
    """
    box = [getattr(record, name) for name in BOX_COLUMNS]
    no_box = any(np.isnan(value) for value in box)
    return crop_face(read_table_image(record), None if no_box else box, preprocessing)
