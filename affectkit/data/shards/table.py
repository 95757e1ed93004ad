"""Load a folder of shards as the one table; single images are then read by byte offset."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import numpy as np
import pandas as pd
from packaging.version import Version

from affectkit.data.shards.index import (
    OFFSET,
    OWN_COLUMNS,
    POSITION,
    ShardError,
    ShardIndex,
    check_sizes,
    read_index,
)
from affectkit.data.skipped import SkippedRows
from affectkit.data.table import TextColumn
from affectkit.files import places
from affectkit.files.tfrecords import REMEDY

_EXACT = {} if Version(pd.__version__) >= Version("3.1") else {"float_precision": "round_trip"}
"""Read every float64 as it was written; newer releases always do."""

LAYOUT = "index.json and shards, as `affectkit shard` writes them"


def load_shards(root: str | Path, skipped: SkippedRows) -> pd.DataFrame:
    """Load the rows of all shards in the order of the table that they were made from.

    Parameters
    ----------
    root : str or Path
        Folder or address, as `affectkit shard --output` got it.
    skipped : SkippedRows
        Gets nothing: unreadable rows were left out when the shards were made.

    Returns
    -------
    pandas.DataFrame
        The columns of the original table; `path` is the shard, `row` the byte in it at which the
        record begins.

    Raises
    ------
    FileNotFoundError
        If there is no index.
    ShardError
        If a file is missing, truncated or damaged.
    """
    index = read_index(root)
    check_sizes(index)
    lengths = [shard["rows"] for shard in index.shards()]
    texts = {name: TextColumn() for name, kind in _kinds(index).items() if kind == "object"}
    parts = [_read_rows(index, shard, texts) for shard in index.shards()]
    order = np.argsort(_join([part.pop(POSITION) for part in parts], lengths), kind="stable")
    names = [name for name in index.content["columns"] if name not in OWN_COLUMNS]
    table = pd.DataFrame(index=pd.RangeIndex(len(order)))
    for name in (*names, OFFSET):
        if name in texts:
            column = texts.pop(name).finish(empty_is_missing=True)
        else:
            column = _join([part.pop(name, None) for part in parts], lengths)
        table[name] = column.take(order).reset_index(drop=True)
        del column  # so that none is held twice
    shards = pd.Series(index.addresses(), dtype="str")
    numbers = np.repeat(np.arange(len(lengths)), lengths)[order]
    table["path"] = shards.take(numbers).reset_index(drop=True)
    return table.rename(columns={OFFSET: "row"})


def _join(parts: list[pd.Series | None], lengths: list[int]) -> pd.Series:
    """Put a column together from its parts; None is a part of nothing but NaN."""
    if all(part is None for part in parts):
        return pd.Series(np.nan, range(sum(lengths)), float)
    filled = [
        pd.Series(np.nan, range(rows), float) if part is None else part
        for part, rows in zip(parts, lengths, strict=True)
    ]
    return pd.concat(filled, ignore_index=True)


def _kinds(index: ShardIndex) -> dict[str, str]:
    """Give the dtype of each column that is read; object is text."""
    return {POSITION: "int64", OFFSET: "int64"} | {
        name: kind if kind in ("Int64", "float64", "int64", "bool", "boolean") else "object"
        for name, kind in index.content["columns"].items()
    }


def _read_rows(
    index: ShardIndex, shard: dict, texts: dict[str, TextColumn]
) -> dict[str, pd.Series]:
    """Add the text of a shard's rows to `texts`, and give the other columns that have a value."""
    address = places.join(index.folder, shard["name"] + places.ROWS_SUFFIX)
    with places.open_file(address) as file:
        content = file.read()
    if hashlib.sha256(content).hexdigest() != shard["rows_sha256"]:
        raise ShardError(f"{address} is damaged (its SHA-256 differs). {REMEDY}")
    kinds = _kinds(index)
    try:
        rows = pd.read_csv(
            io.BytesIO(content),
            usecols=list(kinds),
            dtype=kinds,
            keep_default_na=False,
            na_values={name: [""] for name in kinds if name not in texts},
            **_EXACT,
        )
        if len(rows) != shard["rows"]:
            raise ValueError(f"expected {shard['rows']} rows, found {len(rows)}")
    except (ValueError, TypeError, OverflowError) as error:
        raise ShardError(f"{address} does not fit the index ({error}). {REMEDY}") from error
    for name, column in rows[list(texts)].fillna("").items():
        texts[name].extend(column.tolist())
    return {
        name: column.copy()  # else it keeps the memory of the others
        for name, column in rows.items()
        if name not in texts and not (column.dtype == float and np.isnan(column.to_numpy()).all())
    }
