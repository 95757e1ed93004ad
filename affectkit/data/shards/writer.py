"""Write a table and its images as shards: in several processes, and again after any kill.

A record is a `tf.train.Example`: an image as it was encoded, and its labels.

======================  =======  ==================================================================
feature                 type     meaning
======================  =======  ==================================================================
image                   bytes    the bytes of the source file; PNG of what was in a container
crc32                   int64    CRC-32 of `image`, for reading single records
image_id, subject       bytes    UTF-8; subject "" where unknown
split                   bytes    train, validation or test
expression              int64    AffectNet code, -1 = not annotated
valence_arousal         float    2, NaN = not annotated
soft_labels             float    8, in the order of `affectkit.labels.EXPRESSIONS`, or all NaN
box                     bytes    4 float64, little-endian: left, top, width, height, or all NaN
======================  =======  ==================================================================

The bytes are kept as they are, so that a face decoded from a shard is the face decoded from the
file, for any size and margin: cropped faces would have to be encoded again, which either changes
them (JPEG, WebP) or makes them several times as large (PNG), and fixes the margin for good.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import tempfile
import zlib
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from affectkit.data.images import read_table_image
from affectkit.data.shards.index import (
    LEFT_OUT,
    ShardIndex,
    finished_shards,
    table_fingerprint,
    write_index,
)
from affectkit.data.shards.sidecars import (
    OFFSET,
    POSITION,
    encode_labels,
    find_damage_of,
    write_sidecar,
)
from affectkit.data.skipped import SkippedRow, SkippedRows
from affectkit.data.table import BOX_COLUMNS, SOFT_LABEL_COLUMNS, SPLITS
from affectkit.files import places
from affectkit.files.atomic import atomic_path, remove_partials
from affectkit.files.pictures import ImageReadError
from affectkit.files.places import SUFFIX
from affectkit.files.tfrecords import FRAME_BYTES, read_record_image


class _Shard(NamedTuple):
    """What a process needs to write one shard."""

    folder: str
    name: str
    fingerprint: str
    rows: pd.DataFrame


def write_shards(
    table: pd.DataFrame,
    folder: str | Path,
    rows_per_shard: int = 2048,
    workers: int = 1,
    seed: int = 0,
    skipped: SkippedRows | None = None,
) -> ShardIndex:
    """Write all rows of a table, shuffled once within each split.

    Rows whose image can't be decoded are left out and listed. A stopped run goes on where it was:
    finished shards whose SHA-256 still holds are kept. The same table and settings give the same
    bytes.

    Parameters
    ----------
    table : pandas.DataFrame
        As documented in `affectkit.data.table`.
    folder : str or Path
        Any folder or address that `tf.io.gfile` can write to.
    rows_per_shard : int
        At most. Files of 100 MB or more suit object stores.
    workers : int
        Processes; 1 writes in this one.
    seed : int
        Of the order of rows.
    skipped : SkippedRows, optional
        Gets the rows left out; a warning counts them in any case.

    Returns
    -------
    ShardIndex
        Of the finished folder.

    Raises
    ------
    ValueError
        If a setting is impossible, no row can be read, or the folder holds shards of other data or
        settings.
    OSError
        If the folder can't be written, or a process was killed.
    """
    if rows_per_shard < 1 or workers < 1:
        raise ValueError(
            f"expected at least 1 row a shard and 1 worker, got {rows_per_shard} and {workers}"
        )
    folder = places.folder_address(folder)
    places.make_folder(folder)
    if not places.is_remote(folder):
        remove_partials(folder)
    skipped = SkippedRows() if skipped is None else skipped
    before = len(skipped)
    fingerprint = table_fingerprint(table, rows_per_shard, seed)
    known = finished_shards(folder, fingerprint)
    plan = _plan(table, rows_per_shard, seed)
    tasks = (
        (_Shard(folder, name, fingerprint, table.iloc[rows].assign(**{POSITION: rows})),
         known.get(name))
        for name, rows in plan.items()
    )  # fmt: skip
    facts = {}
    with tqdm(total=len(plan), desc="shards", unit="shard", leave=False) as bar:
        for one in _run(tasks, min(workers, max(1, len(plan)))):
            facts[one["name"]] = one
            bar.update()
    ordered = [facts[name] for name in plan]
    for one in ordered:
        for row in one["skipped"]:
            skipped.add(**row)
    skipped.warn(len(table), before)
    return write_index(table, folder, ordered, fingerprint, rows_per_shard, seed)


def _plan(table: pd.DataFrame, rows_per_shard: int, seed: int) -> dict[str, np.ndarray]:
    """Give each shard's name and rows of the table."""
    plan = {}
    for split in SPLITS:
        positions = np.flatnonzero((table["split"] == split).to_numpy())
        positions = np.random.default_rng(seed).permutation(positions)
        count = -(-len(positions) // rows_per_shard)
        for number, rows in enumerate(np.array_split(positions, count) if count else ()):
            plan[f"{split}-{number:05d}-of-{count:05d}"] = rows
    return plan


def _run(tasks: Iterator[tuple[_Shard, dict | None]], workers: int) -> Iterator[dict]:
    if workers == 1:
        yield from (_write_shard(*task) for task in tasks)
        return
    context = multiprocessing.get_context("spawn")
    try:
        with ProcessPoolExecutor(workers, context) as pool:
            waiting = set()
            for task in tasks:
                waiting.add(pool.submit(_write_shard, *task))
                if len(waiting) >= 2 * workers:  # so that the table is not copied as a whole
                    done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                    yield from (future.result() for future in done)
            yield from (future.result() for future in waiting)
    except BrokenProcessPool as error:
        raise OSError(
            "a process that wrote shards was killed, perhaps for want of memory; run the same "
            "command again, with fewer workers if it was that: finished shards are kept"
        ) from error


def _write_shard(shard: _Shard, known: dict | None) -> dict:
    """Write a shard and then its sidecar, unless they are there and whole; gives its facts."""
    address = places.join(shard.folder, shard.name + SUFFIX)
    if known is not None and not find_damage_of(shard.folder, known):
        return known
    if places.is_remote(address):
        with tempfile.TemporaryDirectory() as place:
            local = Path(place) / "shard"
            rows, left_out = _write_records(shard.rows, local)
            facts = _facts_of_file(local)
            places.upload(local, address)
    else:
        with atomic_path(address) as local:
            rows, left_out = _write_records(shard.rows, local)
            facts = _facts_of_file(local)
    labels = encode_labels(rows)
    facts = {
        "name": shard.name,
        "split": shard.name.partition("-")[0],
        "rows": len(rows),
        **facts,
        "labels_sha256": hashlib.sha256(labels).hexdigest(),
        "expressions": expression_counts(rows),
        "valence_arousal": int(rows[["valence", "arousal"]].notna().all(axis=1).sum()),
        "skipped": left_out,
    }
    write_sidecar(shard.folder, facts, labels, shard.fingerprint)
    return facts


def _facts_of_file(path: Path) -> dict[str, object]:
    return {"bytes": path.stat().st_size, "sha256": places.file_sha256(str(path))}


def _write_records(rows: pd.DataFrame, path: Path) -> tuple[pd.DataFrame, list[dict[str, str]]]:
    """Write a TFRecord file; gives the rows in it with `OFFSET`, and those left out."""
    import tensorflow as tf

    offsets, kept, left_out, offset = [], [], [], 0
    with tf.io.TFRecordWriter(str(path)) as writer:
        for record in rows.itertuples(index=False):
            try:
                data = encode_record(record)
            except ImageReadError as error:
                row = SkippedRow(record.path, record.image_id, str(error), "see the reason")
                left_out.append(asdict(row))
                kept.append(False)
                continue
            writer.write(data)
            offsets.append(offset)
            kept.append(True)
            offset += len(data) + FRAME_BYTES
    written = rows[np.array(kept, bool)].drop(columns=list(LEFT_OUT), errors="ignore")
    return written.assign(**{OFFSET: np.array(offsets, np.int64)}), left_out


def expression_counts(rows: pd.DataFrame) -> dict[str, int]:
    """Count rows by AffectNet code, as text; "-1" is not annotated."""
    counts = rows["expression"].fillna(-1).value_counts()
    return {str(code): int(count) for code, count in sorted(counts.items())}


def encode_record(record: object) -> bytes:
    """Encode a row of `itertuples`; an ImageReadError if its image can't be decoded."""
    import tensorflow as tf

    image = image_bytes(record)
    code = -1 if pd.isna(record.expression) else int(record.expression)
    box = np.array([getattr(record, name) for name in BOX_COLUMNS], "<f8")
    soft = [getattr(record, name) for name in SOFT_LABEL_COLUMNS]
    subject = "" if pd.isna(record.subject) else str(record.subject)

    def texts(*values: bytes) -> tf.train.Feature:
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=values))

    def integers(*values: int) -> tf.train.Feature:
        return tf.train.Feature(int64_list=tf.train.Int64List(value=values))

    def floats(*values: float) -> tf.train.Feature:
        return tf.train.Feature(float_list=tf.train.FloatList(value=values))

    features = {
        "image": texts(image),
        "crc32": integers(zlib.crc32(image)),
        "image_id": texts(record.image_id.encode()),
        "subject": texts(subject.encode()),
        "split": texts(record.split.encode()),
        "expression": integers(code),
        "valence_arousal": floats(record.valence, record.arousal),
        "soft_labels": floats(*soft),
        "box": texts(box.tobytes()),
    }
    example = tf.train.Example(features=tf.train.Features(feature=features))
    return example.SerializeToString(deterministic=True)


def image_bytes(record: object) -> bytes:
    """Give the encoded image of a row, which can be decoded: its file's bytes, else a PNG."""
    path, in_memory = record.path, isinstance(getattr(record, "image", None), np.ndarray)
    if not in_memory and path.endswith(SUFFIX) and not pd.isna(record.row):
        return read_record_image(path, int(record.row))
    pixels = read_table_image(record)
    if not in_memory and pd.isna(record.row):
        return Path(path).read_bytes()
    return cv2.imencode(".png", pixels[..., ::-1])[1].tobytes()
