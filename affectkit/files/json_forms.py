"""Read JSON files that may hold anything: an object of the expected form, or a clear refusal."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from affectkit.files.atomic import write_atomically

MAX_BYTES = 256 << 20
"""Larger files are refused unread: no card, manifest, result or report comes near."""

NUMBER = (int, float)
"""Form of a finite number; true and false are none."""

Integer = Annotated[int, Field(ge=-(1 << 63), lt=1 << 63)]
"""Form of a whole number that NumPy and other readers of JSON take; true and false are none."""

Number = Annotated[float, Field(allow_inf_nan=False, gt=-1e300, lt=1e300)]
"""Form of a finite number, whole or not."""

OPEN = ConfigDict(extra="allow", strict=True)
"""Of a form, a `typing_extensions.TypedDict`, as `__pydantic_config__`: more keys may follow."""

_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


@dataclass(frozen=True)
class Each:
    """Form of an object with any keys, whose values have one form."""

    form: object


@dataclass(frozen=True)
class Maybe:
    """Form of a value whose key may be absent."""

    form: object


def read_json(path: str | Path, what: str, remedy: str, form: object = dict) -> dict[str, object]:
    """Read a JSON file that holds an object.

    Parameters
    ----------
    path : str or Path
    what : str
        What the file should be, for messages: "a benchmark's JSON file".
    remedy : str
        What the user can do if it is not.
    form : object
        See `check_form`.

    Returns
    -------
    dict
        Its content.

    Raises
    ------
    OSError
        If it can't be read.
    ValueError
        If it is no JSON in UTF-8, holds text that is no Unicode, or has another form.
    """
    path = Path(path)
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise ValueError(f"{path} is not {what}: it has {size} bytes; {remedy}")
    return parse_json(path.read_bytes(), path, what, remedy, form)


def parse_json(
    data: bytes, path: str | Path, what: str, remedy: str, form: object = dict
) -> dict[str, object]:
    """Parse what was read from a file; arguments and errors are those of `read_json`."""
    try:
        text = data.decode("utf-8")
        content = json.loads(text)
        if _SURROGATE.search(text):  # half a pair can't be written or printed
            json.dumps(content, ensure_ascii=False).encode("utf-8")
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is not {what} ({_short(str(error))}); {remedy}") from error
    problem = find_misfit(content, dict) or find_misfit(content, form)
    if problem:
        raise ValueError(f"{path} is not {what}: {problem}; {remedy}")
    return content


def find_misfit(value: object, form: object, place: str = "") -> str | None:
    """Say where a value differs from a form; None if it does not.

    Parameters
    ----------
    value : object
        From `json.loads`.
    form : object
        A type or a tuple of types, None among them meaning null: where numbers are asked for, true,
        false, NaN, infinity and whole numbers of more than 64 bits are none. A list of one form: a
        list of such values. A dict: an object with these keys (unless `Maybe`) and perhaps others.
        `Each`: an object of such values.
    place : str
        Where the value stands, for the message.

    Returns
    -------
    str or None
        For example "networks.0.name is 3, expected str".

    Examples
    --------
    >>> find_misfit({"rows": [1, True]}, {"rows": [int]})
    'rows.1 is True, expected int'
    """
    if not isinstance(form, (dict, list, tuple, Each, Maybe)) and form is not dict:
        return _pydantic_misfit(value, form, place)
    inner: list[tuple[object, object, object]] = []
    if isinstance(form, dict):
        kinds = (dict,)
        if isinstance(value, dict):
            needed = [key for key, one in form.items() if not isinstance(one, Maybe)]
            if absent := [key for key in needed if key not in value]:
                return f"{place or 'it'} has no {', '.join(absent)}"
            inner = [
                (key, value[key], one.form if isinstance(one, Maybe) else one)
                for key, one in form.items()
                if key in value
            ]
    elif isinstance(form, Each):
        kinds = (dict,)
        if isinstance(value, dict):
            inner = [(key, one, form.form) for key, one in value.items()]
    elif isinstance(form, list):
        kinds = (list,)
        if isinstance(value, list):
            inner = [(position, one, form[0]) for position, one in enumerate(value)]
    else:
        kinds = form if isinstance(form, tuple) else (form,)
    if not _is_of(value, kinds):
        names = " or ".join("null" if kind is None else kind.__name__ for kind in kinds)
        return f"{place or 'it'} is {_short(repr(value))}, expected {names}"
    for key, one, part in inner:
        if found := find_misfit(one, part, f"{place}.{_short(str(key))}" if place else str(key)):
            return found
    return None


@cache
def _adapter(form: type) -> TypeAdapter:
    return TypeAdapter(form)


def _pydantic_misfit(value: object, form: type, place: str) -> str | None:
    """Say where a value differs from a form of pydantic, in our words."""
    try:
        _adapter(form).validate_python(value, strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        parts = (*([place] if place else []), *first["loc"])
        where = ".".join(_short(str(part)) for part in parts)
        if first["type"] == "missing":
            parent, _, key = where.rpartition(".")
            return f"{parent or 'it'} has no {key}"
        return f"{where or 'it'} is {_short(repr(first['input']))}: {first['msg'].lower()}"
    return None


def _is_of(value: object, kinds: tuple[type | None, ...]) -> bool:
    if value is None:
        return None in kinds
    if isinstance(value, bool):
        return bool in kinds or object in kinds
    if isinstance(value, NUMBER):
        usable = abs(value) < 1 << 63 if isinstance(value, int) else math.isfinite(value)
        if not usable:
            return object in kinds
    return isinstance(value, tuple(kind for kind in kinds if kind is not None))


def _short(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:77]}..."


def write_json(content: dict[str, object], path: str | Path) -> Path:
    """Write an object as JSON in one step, so that readers never see half of it.

    Parameters
    ----------
    content : dict
        Of what `json_ready` takes.
    path : str or Path
        An older file is replaced, folders above are made.

    Returns
    -------
    Path
        Of the file: UTF-8, indented by two.

    Raises
    ------
    OSError
        If it can't be written.
    TypeError
        If JSON has no such values.
    """
    text = json.dumps(json_ready(content), indent=2, ensure_ascii=False, allow_nan=False)
    return write_atomically(path, text + "\n")


def json_ready(value: object) -> object:
    """Turn NumPy's values into plain ones and NaN or infinity into None, all the way down."""
    if isinstance(value, dict):
        return {str(key): json_ready(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [json_ready(item) for item in value]
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if isinstance(value, (int, np.integer)):
        return int(value)
    if isinstance(value, (float, np.floating)):
        return float(value) if math.isfinite(value) else None
    return value
