"""Keep account of the shards that are finished, and write the index once all are."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

import pandas as pd

from affectkit import __version__
from affectkit.data import shard_files as files
from affectkit.data.lean_columns import row_blocks
from affectkit.data.shard_files import ROWS_SUFFIX, SUFFIX, join
from affectkit.data.shard_index import (
    INDEX,
    SCHEMA_VERSION,
    SHARD_FORM,
    ShardIndex,
    find_problem,
    sum_counts,
)
from affectkit.json_files import parse_json
from affectkit.labels import EXPRESSIONS, NON_EXPRESSIONS

LEFT_OUT = ("path", "row", "image")
"""Columns of the table that say where an image was before."""


def is_whole(folder: str, entry: dict) -> bool:
    """Tell whether a shard and its rows have the SHA-256 that they had when they were written."""
    return all(
        files.file_size(join(folder, entry["name"] + suffix)) == entry[f"{key}bytes"]
        and files.file_sha256(join(folder, entry["name"] + suffix)) == entry[f"{key}sha256"]
        for suffix, key in ((SUFFIX, ""), (ROWS_SUFFIX, "rows_"))
    )


def table_fingerprint(table: pd.DataFrame, rows_per_shard: int, seed: int) -> str:
    """Give a hash of what decides the content of the shards, except for the images themselves."""
    columns = table.drop(columns=list(LEFT_OUT), errors="ignore")
    digest = hashlib.sha256()
    for block in row_blocks(len(columns)):
        rows = pd.util.hash_pandas_object(columns.iloc[block], index=False)
        digest.update(rows.to_numpy().tobytes())
    settings = [SCHEMA_VERSION, list(columns), rows_per_shard, seed]
    digest.update(json.dumps(settings).encode())
    return digest.hexdigest()


def finished_shards(folder: str, fingerprint: str) -> dict[str, dict]:
    """Give the entries of shards that were finished before, by name; not checked.

    Raises
    ------
    ValueError
        If the folder holds shards of other data or settings.
    """
    entries = {}
    for name in files.list_folder(folder):
        if name != INDEX and not name.endswith(files.RECEIPT_SUFFIX):
            continue
        address = join(folder, name)
        form = {"fingerprint": str} | ({"shards": [object]} if name == INDEX else {})
        try:
            with files.open_file(address) as file:
                content = parse_json(file.read(), address, "a receipt", "it is written anew", form)
        except ValueError:
            continue  # damaged: what it stands for is written anew
        shards = content["shards"] if name == INDEX else [content]
        entries |= {one["name"]: _known(one) for one in shards if not find_problem(one)}
        if content["fingerprint"] != fingerprint:
            raise ValueError(
                f"{folder} holds shards of other data, another shard size or seed ({name}); choose "
                "another folder, or empty it"
            )
    return entries


def write_index(
    table: pd.DataFrame, folder: str, entries: Sequence[dict], fingerprint: str,
    rows_per_shard: int, seed: int,
) -> ShardIndex:  # fmt: skip
    """Write `index.json` of finished shards, in one step, and forget their receipts.

    Raises
    ------
    ValueError
        If the shards have no row.
    """
    rows = sum(entry["rows"] for entry in entries)
    if not rows:
        reasons = [row["reason"] for entry in entries for row in entry["skipped"]]
        raise ValueError(
            f"none of the {len(table)} images could be read; the first problem: "
            f"{reasons[0] if reasons else 'the table is empty'}"
        )
    codes = list(EXPRESSIONS) + list(NON_EXPRESSIONS.values())
    kept = table.drop(columns=list(LEFT_OUT), errors="ignore")
    content = {
        "schema_version": SCHEMA_VERSION,
        "affectkit": __version__,
        "source": {name: table.attrs.get(name, "") for name in ("dataset", "protocol")},
        "label_codes": {name: code for code, name in enumerate(codes)},
        "columns": {name: str(dtype) for name, dtype in kept.dtypes.items()},
        "rows": rows,
        "skipped": sum(len(entry["skipped"]) for entry in entries),
        "counts": sum_counts(entries),
        "valence_arousal": sum(entry["valence_arousal"] for entry in entries),
        "rows_per_shard": rows_per_shard,
        "seed": seed,
        "fingerprint": fingerprint,
        "shards": list(entries),
    }
    text = json.dumps(content, indent=1, ensure_ascii=False) + "\n"
    files.write_whole(text.encode(), join(folder, INDEX))
    for entry in entries:
        files.remove(join(folder, entry["name"] + files.RECEIPT_SUFFIX))
    return ShardIndex(folder, content)


def _known(entry: dict) -> dict:
    """Give what `SHARD_FORM` lists of an entry, and nothing else."""
    (row_form,) = SHARD_FORM["skipped"]
    known = {name: value for name, value in entry.items() if name in SHARD_FORM}
    return known | {"skipped": [{name: row[name] for name in row_form} for row in entry["skipped"]]}
