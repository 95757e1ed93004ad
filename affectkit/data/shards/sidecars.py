"""The one file beside each shard: what is known of it, and the labels of its rows.

Two lines of JSON. The first holds the facts, which the index repeats for all shards. The second
holds the columns of the table as lists, so that labels are read without the images: null is what is
missing, a column that is not there is missing in every row. The file is written after its shard:
where both hold, the shard is finished, and a run that goes on keeps it.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass

import numpy as np
import pandas as pd
from typing_extensions import TypedDict

from affectkit.data.shards.checks import ShardError
from affectkit.data.table import SPLITS
from affectkit.files import places
from affectkit.files.json_forms import OPEN, Integer, find_misfit, parse_json
from affectkit.files.places import SUFFIX, join
from affectkit.files.tfrecords import REMEDY
from affectkit.labels import NO_FACE

SIDECAR_SUFFIX = ".jsonl"
POSITION, OFFSET = "table_position", "record_offset"
"""Columns of a sidecar beside the table's: row of the whole table, and byte in the shard."""

MAX_BYTES = 1 << 30
"""Of a sidecar or an index: a longer one is refused unread. That of a billion rows is shorter."""

_WHAT = "the sidecar of a shard"
_NAME = re.compile(r"([a-z]+)-([0-9]{5})-of-([0-9]{5})")
_CODES = {str(code) for code in range(-1, NO_FACE + 1)}
_KINDS = {
    **{"int64": Integer, "Int64": Integer | None, "float64": float | None},
    **{"bool": bool, "boolean": bool | None},
}
"""What the values of a column may be, by its dtype in the table; all others are text."""


class SkippedForm(TypedDict):
    """A row that was left out, see `affectkit.data.skipped.SkippedRow`."""

    __pydantic_config__ = OPEN
    file: str
    row: str
    reason: str
    remedy: str


class Facts(TypedDict):
    """What is known of a shard; numbers of rows by AffectNet code, "-1" is not annotated."""

    __pydantic_config__ = OPEN
    name: str
    split: str
    rows: Integer
    bytes: Integer
    sha256: str
    labels_sha256: str
    expressions: dict[str, Integer]
    valence_arousal: Integer
    skipped: list[SkippedForm]


class _Signed(Facts):
    """The facts in a sidecar: they also tell of which table and settings they are."""

    fingerprint: str


@dataclass(frozen=True)
class Sidecar:
    """The two lines of a sidecar: facts, and columns as they were written."""

    facts: dict[str, object]
    labels: bytes


def sidecar_address(folder: str, facts: dict) -> str:
    """Give where the sidecar of a shard is."""
    return join(folder, facts["name"] + SIDECAR_SUFFIX)


def find_problem(facts: dict) -> str | None:
    """Say why facts of the right form can't be those of a shard; None if they can."""
    name, rows = _NAME.fullmatch(facts["name"]), facts["rows"]
    if not name or name[1] != facts["split"] or facts["split"] not in SPLITS or name[2] >= name[3]:
        return f"{facts['name']!r:.80} of {facts['split']!r:.80} is no shard's name"
    counts = facts["expressions"]
    if not (
        0 <= facts["valence_arousal"] <= rows == sum(counts.values())
        and set(counts) <= _CODES
        and min(*counts.values(), facts["bytes"], rows) >= 0
    ):
        return f"the numbers of {facts['name']} contradict one another"
    return None


def write_sidecar(folder: str, facts: dict, labels: bytes, fingerprint: str) -> None:
    """Write the sidecar of a shard that is there, whole or not at all."""
    first = json.dumps(facts | {"fingerprint": fingerprint}, ensure_ascii=False)
    places.write_whole(first.encode() + b"\n" + labels + b"\n", sidecar_address(folder, facts))


def read_sidecar(address: str, labels_sha256: str | None = None) -> Sidecar:
    """Read a sidecar; the SHA-256 of its labels must be this, or the one of its own facts.

    A ShardError if it is missing or damaged.
    """
    try:
        if (places.file_size(address) or 0) > MAX_BYTES:
            raise ValueError(f"{address} is not {_WHAT}: it has over {MAX_BYTES} bytes; {REMEDY}")
        with places.os_errors(address), places.open_file(address) as file:
            first, _, labels = file.read().partition(b"\n")
        facts = parse_json(first, address, _WHAT, REMEDY, _Signed)
    except OSError as error:
        raise ShardError(f"{address} can't be read ({error}). {REMEDY}") from error
    except ValueError as error:
        raise ShardError(str(error)) from error
    if problem := find_problem(facts):
        raise ShardError(f"{address} is not {_WHAT}: {problem}; {REMEDY}")
    labels = labels.removesuffix(b"\n")
    if hashlib.sha256(labels).hexdigest() != (labels_sha256 or facts["labels_sha256"]):
        raise ShardError(f"{address} is damaged (the SHA-256 of its labels differs). {REMEDY}")
    return Sidecar(facts, labels)


def known_facts(facts: dict) -> dict:
    """Give what `Facts` lists of facts that were read, and nothing else."""
    known = {name: facts[name] for name in Facts.__annotations__}
    names = SkippedForm.__annotations__
    return known | {"skipped": [{name: row[name] for name in names} for row in facts["skipped"]]}


def find_damage_of(folder: str, facts: dict) -> dict[str, str]:
    """Say what is wrong with a shard or its sidecar, by address; reads all bytes."""
    damaged = {}
    shard = join(folder, facts["name"] + SUFFIX)
    size = places.file_size(shard)
    if size is None:
        damaged[shard] = "it is missing"
    elif size != facts["bytes"]:
        damaged[shard] = f"expected {facts['bytes']:,} bytes, it has {size:,}"
    elif (found := places.file_sha256(shard)) != facts["sha256"]:
        damaged[shard] = f"expected SHA-256 {facts['sha256']}, found {found}"
    try:
        read_sidecar(sidecar_address(folder, facts), facts["labels_sha256"])
    except ShardError as error:
        damaged[sidecar_address(folder, facts)] = str(error)
    return damaged


def encode_labels(rows: pd.DataFrame) -> bytes:
    """Give the columns of some rows as JSON, without those that are missing in all of them."""
    columns = {}
    for name, column in rows.items():
        known = column.notna()
        if str(column.dtype) not in _KINDS:
            column = column.map(str, na_action="ignore")
        if known.any():
            columns[name] = column.astype(object).where(known, None).tolist()
    return json.dumps(columns, ensure_ascii=False, separators=(",", ":")).encode()


def decode_labels(address: str, labels: bytes, rows: int, dtypes: dict[str, str]) -> pd.DataFrame:
    """Read columns of these dtypes; a ShardError if they are not those of so many rows."""
    try:
        content = parse_json(labels, address, _WHAT, REMEDY, dict[str, list])
        columns = {}
        for name, dtype in dtypes.items():
            values = content.get(name, [None] * rows)
            kind = _KINDS.get(dtype, str | None)
            if len(values) != rows:
                raise ValueError(f"{name} has {len(values)} values, expected {rows}")
            if problem := find_misfit(values, list[kind], name):
                raise ValueError(problem)
            if dtype in ("int64", "float64", "bool"):
                columns[name] = np.array(values, dtype)
            else:
                columns[name] = pd.array(values, dtype if dtype in _KINDS else "str")
    except ValueError as error:
        raise ShardError(f"{address} does not fit the index ({error}). {REMEDY}") from error
    return pd.DataFrame(columns)
