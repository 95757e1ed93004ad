"""The index of a folder of shards: what it holds, and whether it is whole.

A folder holds `index.json`, and for each shard a TFRecord file of images with their labels (see
`affectkit.data.shard_records`) and a CSV of the same rows without the images. The index is written
last: without it, the folder is unfinished.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

from affectkit.data import shard_files as files
from affectkit.data.shard_files import ROWS_SUFFIX, SUFFIX, join

SCHEMA_VERSION = 1
INDEX = "index.json"
POSITION, OFFSET = "table_position", "record_offset"
"""Columns of a shard's CSV beside the table's: row of the whole table, and byte in the shard."""

_REQUIRED = {"fingerprint": str, "columns": dict, "counts": dict, "valence_arousal": int,
             "shards": list}  # fmt: skip
SHARD_KEYS = {"name": str, "split": str, "rows": int, "bytes": int, "sha256": str,
              "rows_bytes": int, "rows_sha256": str, "expressions": dict, "valence_arousal": int,
              "skipped": list}  # fmt: skip
"""What the entry of a shard holds."""

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
    except (ValueError, RecursionError) as error:
        raise ShardError(f"{address} is damaged ({error}); run `affectkit shard` again") from error
    if not isinstance(content, dict) or "schema_version" not in content:
        raise ShardError(f"{address} is no index of shards: it has no schema_version")
    if content["schema_version"] != SCHEMA_VERSION:
        raise ShardError(
            f"expected schema version {SCHEMA_VERSION} in {address}, got "
            f"{content['schema_version']!r}; write the shards again with this version"
        )
    if wrong := lacking(content, _REQUIRED):
        raise ShardError(f"{address} is no index of shards: it lacks {', '.join(wrong)}")
    for shard in content["shards"]:
        if lacking(shard, SHARD_KEYS):
            raise ShardError(f"{address} describes a shard incompletely: {str(shard)[:200]}")
        if not _NAME.fullmatch(str(shard["name"])):
            raise ShardError(f"{address} names a shard {shard['name']!r}: that is no shard's name")
    return ShardIndex(folder, content)


def lacking(content: object, kinds: dict[str, type]) -> list[str]:
    """Name what is missing or of another type."""
    known = content if isinstance(content, dict) else {}
    return [name for name, kind in kinds.items() if not isinstance(known.get(name), kind)]


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
