"""The index of a folder of shards: what it holds, and whether it is whole.

A folder holds `index.json`, and for each shard a TFRecord file of images with their labels (see
`affectkit.data.shards.writer`) and a CSV of the same rows without the images. The index is written
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

from affectkit.data.table import SPLITS, row_blocks
from affectkit.files import places
from affectkit.files.json_forms import Each, find_misfit, parse_json
from affectkit.files.places import ROWS_SUFFIX, SUFFIX, join
from affectkit.files.tfrecords import REMEDY
from affectkit.labels import EXPRESSIONS, NO_FACE, NON_EXPRESSIONS
from affectkit.version import __version__

SCHEMA_VERSION = 1
INDEX = "index.json"
POSITION, OFFSET = "table_position", "record_offset"
"""Columns of a shard's CSV beside the table's: row of the whole table, and byte in the shard."""

OWN_COLUMNS = (POSITION, OFFSET, "path", "row", "image")
"""Names that no column of the table can have in the index."""

MAX_BYTES = 1 << 30
"""A longer index is refused unread; that of a billion rows is shorter."""

SHARD_FORM = {
    **dict.fromkeys(("name", "split", "sha256", "rows_sha256"), str),
    **dict.fromkeys(("rows", "bytes", "rows_bytes", "valence_arousal"), int),
    "expressions": Each(int),
    "skipped": [dict.fromkeys(("file", "row", "reason", "remedy"), str)],
}
"""What the entry of a shard holds; see `affectkit.files.json_forms.find_misfit`."""

_FORM = {
    "fingerprint": str,
    "columns": Each(str),
    "counts": Each(Each(int)),
    "valence_arousal": int,
    "shards": [dict],
}
_NAME = re.compile(r"([a-z]+)-([0-9]{5})-of-([0-9]{5})")
_CODES = {str(code) for code in range(-1, NO_FACE + 1)}


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
    """Read and check `index.json`; `verify` is that of `ShardIndex`.

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
        content = parse_json(data, address, what, remedy, {"schema_version": object})
        if content["schema_version"] != SCHEMA_VERSION:
            raise ShardError(
                f"expected schema version {SCHEMA_VERSION} in {address}, got "
                f"{content['schema_version']!r:.80}; write the shards again with this version"
            )
        problem = find_misfit(content, _FORM) or _contradiction(content)
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


def find_problem(entry: object) -> str | None:
    """Say why something can't be the entry of a shard; None if it can."""
    if problem := find_misfit(entry, SHARD_FORM):
        return problem
    name, rows = _NAME.fullmatch(entry["name"]), entry["rows"]
    if not name or name[1] != entry["split"] or entry["split"] not in SPLITS or name[2] >= name[3]:
        return f"{entry['name']!r:.80} of {entry['split']!r:.80} is no shard's name"
    counts = entry["expressions"]
    if not (
        0 <= entry["valence_arousal"] <= rows == sum(counts.values())
        and set(counts) <= _CODES
        and min(*counts.values(), entry["bytes"], entry["rows_bytes"], rows) >= 0
    ):
        return f"the numbers of {entry['name']} contradict one another"
    return None


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
    """Check that every file is there and as long as when it was written; takes no time.

    Raises
    ------
    ShardError
        That names the first that is not.
    """
    for shard in index.shards():
        for suffix, key in ((SUFFIX, "bytes"), (ROWS_SUFFIX, "rows_bytes")):
            address = join(index.folder, shard["name"] + suffix)
            size = places.file_size(address)
            if size != shard[key]:
                found = "it is missing" if size is None else f"it has {size:,} bytes"
                raise ShardError(f"{address}: expected {shard[key]:,} bytes, {found}. {REMEDY}")


def find_damage(index: ShardIndex, split: str | None = None) -> dict[str, str]:
    """Say what is wrong with files that are missing or whose SHA-256 differs; reads all bytes.

    Returns
    -------
    dict of str to str
        By address: "it is missing", or the SHA-256 expected and found.
    """
    damaged = {}
    for shard in index.shards(split):
        for suffix, key in ((SUFFIX, "sha256"), (ROWS_SUFFIX, "rows_sha256")):
            address = join(index.folder, shard["name"] + suffix)
            if places.file_size(address) is None:
                damaged[address] = "it is missing"
            elif (found := places.file_sha256(address)) != shard[key]:
                damaged[address] = f"expected SHA-256 {shard[key]}, found {found}"
    return damaged


# FOLD affectkit.data.shard_receipts: """Keep account of the shards that are finished, and write the index once all are."""
LEFT_OUT = ("path", "row", "image")
"""Columns of the table that say where an image was before."""


def is_whole(folder: str, entry: dict) -> bool:
    """Tell whether a shard and its rows have the SHA-256 that they had when they were written."""
    return all(
        places.file_size(join(folder, entry["name"] + suffix)) == entry[f"{key}bytes"]
        and places.file_sha256(join(folder, entry["name"] + suffix)) == entry[f"{key}sha256"]
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
    for name in places.list_folder(folder):
        if name != INDEX and not name.endswith(places.RECEIPT_SUFFIX):
            continue
        address = join(folder, name)
        form = {"fingerprint": str} | ({"shards": [object]} if name == INDEX else {})
        try:
            with places.open_file(address) as file:
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
    places.write_whole(text.encode(), join(folder, INDEX))
    for entry in entries:
        places.remove(join(folder, entry["name"] + places.RECEIPT_SUFFIX))
    return ShardIndex(folder, content)


def _known(entry: dict) -> dict:
    """Give what `SHARD_FORM` lists of an entry, and nothing else."""
    (row_form,) = SHARD_FORM["skipped"]
    known = {name: value for name, value in entry.items() if name in SHARD_FORM}
    return known | {"skipped": [{name: row[name] for name in row_form} for row in entry["skipped"]]}
