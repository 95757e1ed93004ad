"""The index of a folder of shards: what it holds, and whether it is whole.

A folder holds for each shard a TFRecord file of images with their labels (see
`affectkit.data.shards.writer`) and its sidecar (see `affectkit.data.shards.sidecars`), and then
`index.json`, which repeats the facts of all shards. Without it, the folder is unfinished.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from typing_extensions import TypedDict

from affectkit.data.shards.checks import ShardError
from affectkit.data.shards.sidecars import (
    MAX_BYTES,
    OFFSET,
    POSITION,
    SIDECAR_SUFFIX,
    Facts,
    find_damage_of,
    find_problem,
    known_facts,
    read_sidecar,
)
from affectkit.files import places
from affectkit.files.json_forms import OPEN, Integer, find_misfit, parse_json
from affectkit.files.places import SUFFIX, join
from affectkit.files.tfrecords import REMEDY
from affectkit.labels import EXPRESSIONS, NON_EXPRESSIONS
from affectkit.version import __version__

SCHEMA_VERSION = 2
INDEX = "index.json"
LEFT_OUT = ("path", "row", "image")
"""Columns of the table that say where an image was before."""

OWN_COLUMNS = (POSITION, OFFSET, *LEFT_OUT)
"""Names that no column of the table can have in the index."""


class _Versioned(TypedDict):
    """What an index of any version tells."""

    __pydantic_config__ = OPEN
    schema_version: object
    fingerprint: str


class _Index(_Versioned):
    """What is read of `index.json`; `columns` gives dtypes."""

    columns: dict[str, str]
    counts: dict[str, dict[str, Integer]]
    valence_arousal: Integer
    shards: list[Facts]


@dataclass(frozen=True)
class ShardIndex:
    """What is known of a folder of shards without opening them.

    Attributes
    ----------
    folder : str
        A path, or an address such as `gs://bucket/name`.
    content : dict
        All of `index.json`.
    verify : bool, optional
        Whether streams compare a shard's SHA-256 with the index's before they first read it in a
        process. By default they do for local folders.
    """

    folder: str
    content: dict[str, object]
    verify: bool | None = None

    def shards(self, split: str | None = None) -> list[dict]:
        """Give the entries of a split's shards, or of all, in order."""
        return [shard for shard in self.content["shards"] if split in (None, shard["split"])]

    def addresses(self, split: str | None = None) -> list[str]:
        """Give where a split's shards are."""
        return [join(self.folder, shard["name"] + SUFFIX) for shard in self.shards(split)]

    def hashes(self, split: str | None = None) -> list[str] | None:
        """Give the SHA-256 of a split's shards where they are to be compared."""
        wanted = not places.is_remote(self.folder) if self.verify is None else self.verify
        return [shard["sha256"] for shard in self.shards(split)] if wanted else None

    def rows(self, split: str | None = None) -> int:
        """Count the rows of a split, or of all."""
        return sum(shard["rows"] for shard in self.shards(split))


def read_index(folder: str | Path, verify: bool | None = None) -> ShardIndex:
    """Read and check the `index.json` of a folder of shards.

    Parameters
    ----------
    folder : str or Path
        Local, or an address of TensorFlow's file systems.
    verify : bool, optional
        That of `ShardIndex`.

    Returns
    -------
    ShardIndex
        What the folder holds.

    Raises
    ------
    FileNotFoundError
        If there is none: the folder is unfinished, or not one of shards.
    ShardError
        If it is damaged, of another version, or names files outside of the folder.
    """
    folder = places.folder_address(folder)
    address = join(folder, INDEX)
    what, remedy = "an index of shards", "run `affectkit shard` again"
    size = places.file_size(address)
    if size is not None and size > MAX_BYTES:
        raise ShardError(f"{address} is not {what}: it has {size:,} bytes; {remedy}")
    try:
        with places.open_file(address) as file:
            data = file.read()
        content = parse_json(data, address, what, remedy, _Versioned)
        if content["schema_version"] != SCHEMA_VERSION:
            raise ShardError(
                f"expected schema version {SCHEMA_VERSION} in {address}, got "
                f"{content['schema_version']!r:.80}; write the shards again with this version"
            )
        problem = find_misfit(content, _Index) or _contradiction(content)
    except FileNotFoundError:
        raise FileNotFoundError(
            f"expected {INDEX} in {folder}, found none; name the --output of `affectkit shard`, "
            "and if that was interrupted, run it again to finish"
        ) from None
    except ValueError as error:
        raise ShardError(str(error)) from error
    if problem:
        raise ShardError(f"{address} is not {what}: {problem}; {remedy}")
    return ShardIndex(folder, content, verify)


def sum_counts(shards: Sequence[dict]) -> dict[str, dict[str, int]]:
    """Count rows by split and AffectNet code; the code "-1" is not annotated."""
    counts: dict[str, dict[str, int]] = {}
    for shard in shards:
        split = counts.setdefault(shard["split"], {})
        for code, rows in shard["expressions"].items():
            split[code] = split.get(code, 0) + rows
    return counts


def _contradiction(content: dict) -> str | None:
    """Say what in an index can't be; None if all can."""
    shards = content["shards"]
    if problem := next(filter(None, map(find_problem, shards)), None):
        return problem
    if len({shard["name"] for shard in shards}) < len(shards):
        return "it names a shard twice"
    if taken := set(content["columns"]) & set(OWN_COLUMNS):
        return f"a column has the name {min(taken)}"
    valence_arousal = sum(shard["valence_arousal"] for shard in shards)
    if content["counts"] != sum_counts(shards) or content["valence_arousal"] != valence_arousal:
        return "its counts are not those of its shards"
    return None


def check_sizes(index: ShardIndex) -> None:
    """Check that every shard is there and as long as when it was written; takes no time.

    A ShardError names the first that is not.
    """
    for shard, address in zip(index.shards(), index.addresses(), strict=True):
        size = places.file_size(address)
        if size != shard["bytes"]:
            found = "it is missing" if size is None else f"it has {size:,} bytes"
            raise ShardError(f"{address}: expected {shard['bytes']:,} bytes, {found}. {REMEDY}")


def find_damage(index: ShardIndex, split: str | None = None) -> dict[str, str]:
    """Say by address what is wrong with shards and sidecars; reads all bytes."""
    damaged = {}
    for facts in index.shards(split):
        damaged |= find_damage_of(index.folder, facts)
    return damaged


def table_fingerprint(table: pd.DataFrame, rows_per_shard: int, seed: int) -> str:
    """Give a hash of what decides the content of the shards, except for the images themselves."""
    columns = table.drop(columns=list(LEFT_OUT), errors="ignore")
    digest = hashlib.sha256()
    digest.update(pd.util.hash_pandas_object(columns, index=False).to_numpy().tobytes())
    settings = [SCHEMA_VERSION, list(columns), rows_per_shard, seed]
    digest.update(json.dumps(settings).encode())
    return digest.hexdigest()


def finished_shards(folder: str, fingerprint: str) -> dict[str, dict]:
    """Give the facts of shards whose sidecar holds, by name; the shards are not looked at.

    A ValueError if the folder holds shards of other data or settings.
    """
    finished = {}
    for name in places.list_folder(folder):
        address = join(folder, name)
        try:
            if name.endswith(SIDECAR_SUFFIX):
                content = read_sidecar(address).facts
                if content["name"] + SIDECAR_SUFFIX == name:
                    finished[content["name"]] = known_facts(content)
            elif name == INDEX:
                with places.os_errors(address), places.open_file(address) as file:
                    content = parse_json(
                        file.read(), address, "an index", "it is written anew", _Versioned
                    )
            else:
                continue
        except ValueError:
            continue  # damaged: what it stands for is written anew
        if content["fingerprint"] != fingerprint:
            raise ValueError(
                f"{folder} holds shards of other data, another shard size or seed, or of another "
                f"version of affectkit ({name}); choose another folder, or empty it"
            )
    return finished


def write_index(
    table: pd.DataFrame, folder: str, entries: Sequence[dict], fingerprint: str,
    rows_per_shard: int, seed: int,
) -> ShardIndex:  # fmt: skip
    """Write `index.json` of finished shards, in one step; a ValueError if they have no row."""
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
    places.write_whole(text.encode(), join(folder, INDEX))
    return ShardIndex(folder, content)
