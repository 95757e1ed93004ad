"""Load a folder of shards as the one table; single images are then read by byte offset."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import numpy as np
import pandas as pd
from packaging.version import Version

from affectkit.data import shard_files as files
from affectkit.data.shard_index import (
    OFFSET,
    POSITION,
    REMEDY,
    ShardError,
    ShardIndex,
    check_sizes,
    read_index,
)
from affectkit.data.skipped import SkippedRows

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
    parts = [_read_rows(index, shard) for shard in index.shards()]
    table = pd.concat(parts, ignore_index=True).sort_values(POSITION, ignore_index=True)
    return table.drop(columns=POSITION)


def _read_rows(index: ShardIndex, shard: dict) -> pd.DataFrame:
    address = files.join(index.folder, shard["name"] + files.ROWS_SUFFIX)
    with files.open_file(address) as file:
        content = file.read()
    if hashlib.sha256(content).hexdigest() != shard["rows_sha256"]:
        raise ShardError(f"{address} is damaged (its SHA-256 differs). {REMEDY}")
    kinds = {POSITION: "int64", OFFSET: "int64"} | {
        name: kind if kind in ("Int64", "float64", "int64", "bool", "boolean") else "str"
        for name, kind in index.content["columns"].items()
    }
    try:
        rows = pd.read_csv(
            io.BytesIO(content),
            usecols=list(kinds),
            dtype=kinds,
            keep_default_na=False,
            na_values={name: [""] for name in kinds},
            **_EXACT,
        )
        if len(rows) != shard["rows"]:
            raise ValueError(f"expected {shard['rows']} rows, found {len(rows)}")
    except (ValueError, TypeError, OverflowError) as error:
        raise ShardError(f"{address} does not fit the index ({error}). {REMEDY}") from error
    rows["path"] = np.full(len(rows), files.join(index.folder, shard["name"] + files.SUFFIX))
    return rows.rename(columns={OFFSET: "row"})
