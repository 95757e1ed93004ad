"""The index of a folder of shards: what it holds, and whether it is whole.

A folder holds `index.json`, and for each shard a TFRecord file of images with their labels (see
`affectkit.data.shard_records`) and a CSV of the same rows without the images. The index is written
last: without it, the folder is unfinished.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from affectkit import __version__
from affectkit.data import shard_files as files
from affectkit.data.shard_files import ROWS_SUFFIX, SUFFIX, join
from affectkit.labels import EXPRESSIONS, NON_EXPRESSIONS

SCHEMA_VERSION = 1
INDEX = "index.json"
POSITION, OFFSET = "table_position", "record_offset"
"""Columns of a shard's CSV beside the table's: row of the whole table, and byte in the shard."""

LEFT_OUT = ("path", "row", "image")
"""Columns of the table that say where an image was before."""

_REQUIRED = {
    "schema_version",
    "fingerprint",
    "source",
    "label_codes",
    "columns",
    "counts",
    "shards",
}
_SHARD_KEYS = {"name", "split", "rows", "bytes", "sha256", "rows_bytes", "rows_sha256"}
_NAME = re.compile(r"[a-z]+-\d{5}-of-\d{5}")

REMEDY = (
    "Copy it again from where it was whole, or run the same `affectkit shard` command again: it "
    "keeps the good shards and writes this one anew"
)


class ShardError(ValueError):
    """A shard or its index that is missing, truncated or damaged; says which and what to do."""


@dataclass(frozen=True)
class ShardIndex:
    """What is known of a folder of shards without opening them.

    Attributes
    ----------
    folder : str
        A path, or an address such as `gs://bucket/name`.
    content : dict
        All of `index.json`.
    """

    folder: str
    content: dict[str, object]

    def shards(self, split: str | None = None) -> list[dict]:
        """Give the entries of a split's shards, or of all, in order."""
        return [shard for shard in self.content["shards"] if split in (None, shard["split"])]

    def addresses(self, split: str | None = None) -> list[str]:
        """Give where a split's shards are."""
        return [join(self.folder, shard["name"] + SUFFIX) for shard in self.shards(split)]

    def rows(self, split: str | None = None) -> int:
        """Count the rows of a split, or of all."""
        return sum(shard["rows"] for shard in self.shards(split))


def read_index(folder: str | Path) -> ShardIndex:
    """Read and check `index.json`.

    Raises
    ------
    FileNotFoundError
        If there is none: the folder is unfinished, or not one of shards.
    ShardError
        If it is damaged, of another version, or names files outside of the folder.
    """
    folder = files.folder_address(folder)
    address = join(folder, INDEX)
    try:
        with files.open_file(address) as file:
            content = json.loads(file.read())
    except FileNotFoundError:
        raise FileNotFoundError(
            f"expected {INDEX} in {folder}, found none; name the --output of `affectkit shard`, "
            "and if that was interrupted, run it again to finish"
        ) from None
    except ValueError as error:
        raise ShardError(f"{address} is damaged ({error}); run `affectkit shard` again") from error
    missing = _REQUIRED - set(content) if isinstance(content, dict) else _REQUIRED
    if missing:
        raise ShardError(f"{address} is no index of shards: it lacks {', '.join(sorted(missing))}")
    if content["schema_version"] != SCHEMA_VERSION:
        raise ShardError(
            f"expected schema version {SCHEMA_VERSION} in {address}, got "
            f"{content['schema_version']!r}; write the shards again with this version"
        )
    for shard in content["shards"]:
        if not isinstance(shard, dict) or not set(shard) >= _SHARD_KEYS:
            raise ShardError(f"{address} describes a shard incompletely: {str(shard)[:200]}")
        if not _NAME.fullmatch(str(shard["name"])):
            raise ShardError(f"{address} names a shard {shard['name']!r}: that is no shard's name")
    return ShardIndex(folder, content)


def check_sizes(index: ShardIndex) -> None:
    """Check that every file is there and as long as when it was written; takes no time.

    Raises
    ------
    ShardError
        That names the first that is not.
    """
    for shard in index.shards():
        for suffix, key in ((SUFFIX, "bytes"), (ROWS_SUFFIX, "rows_bytes")):
            address = join(index.folder, shard["name"] + suffix)
            size = files.file_size(address)
            if size != shard[key]:
                found = "it is missing" if size is None else f"it has {size:,} bytes"
                raise ShardError(f"{address}: expected {shard[key]:,} bytes, {found}. {REMEDY}")


def find_damage(index: ShardIndex, split: str | None = None) -> list[str]:
    """Give the addresses of files that are missing or whose SHA-256 differs; reads all bytes."""
    damaged = []
    for shard in index.shards(split):
        for suffix, key in ((SUFFIX, "sha256"), (ROWS_SUFFIX, "rows_sha256")):
            address = join(index.folder, shard["name"] + suffix)
            if files.file_size(address) is None or files.file_sha256(address) != shard[key]:
                damaged.append(address)
    return damaged


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
    digest = hashlib.sha256(pd.util.hash_pandas_object(columns, index=False).to_numpy().tobytes())
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
        try:
            with files.open_file(join(folder, name)) as file:
                content = json.loads(file.read())
            found = content["fingerprint"]
            shards = content["shards"] if name == INDEX else [content]
            entries |= {shard["name"]: shard for shard in shards if set(shard) >= _SHARD_KEYS}
        except (ValueError, TypeError, KeyError):
            continue  # damaged: what it stands for is written anew
        if found != fingerprint:
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
        "counts": _sum_counts(entries),
        "valence_arousal": sum(entry["valence_arousal"] for entry in entries),
        "rows_per_shard": rows_per_shard,
        "seed": seed,
        "fingerprint": fingerprint,
        "shards": [
            {key: value for key, value in entry.items() if key != "fingerprint"}
            for entry in entries
        ],
    }
    text = json.dumps(content, indent=1, ensure_ascii=False) + "\n"
    files.write_whole(text.encode(), join(folder, INDEX))
    for entry in entries:
        files.remove(join(folder, entry["name"] + files.RECEIPT_SUFFIX))
    return ShardIndex(folder, content)


def _sum_counts(entries: Sequence[dict]) -> dict[str, dict[str, int]]:
    """Count rows by split and AffectNet code; the code "-1" is not annotated."""
    counts: dict[str, dict[str, int]] = {}
    for entry in entries:
        split = counts.setdefault(entry["split"], {})
        for code, rows in entry["expressions"].items():
            split[code] = split.get(code, 0) + rows
    return counts
