"""Load a folder of shards as the one table; single images are then read by byte offset."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from affectkit.data.shards.index import check_sizes, read_index
from affectkit.data.shards.sidecars import (
    OFFSET,
    POSITION,
    decode_labels,
    read_sidecar,
    sidecar_address,
)
from affectkit.data.skipped import SkippedRows

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
    dtypes = index.content["columns"] | {POSITION: "int64", OFFSET: "int64"}
    parts = []
    for facts, shard in zip(index.shards(), index.addresses(), strict=True):
        place = sidecar_address(index.folder, facts)
        labels = read_sidecar(place, facts["labels_sha256"]).labels
        part = decode_labels(place, labels, facts["rows"], dtypes)
        parts.append(part.assign(path=pd.Series(shard, part.index, dtype="str")))
    table = pd.concat(parts, ignore_index=True)
    table = table.sort_values(POSITION, kind="stable", ignore_index=True)
    return table.drop(columns=POSITION).rename(columns={OFFSET: "row"})
