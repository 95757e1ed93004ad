"""Read JSON files that may hold anything: an object of the expected form, or a clear refusal."""

from __future__ import annotations

import json
import math
import re
from functools import cache
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from affectkit.files.atomic import write_atomically

MAX_BYTES = 256 << 20
"""Larger files are refused unread: no card, manifest, result or report comes near."""

Integer = Annotated[int, Field(ge=-(1 << 63), lt=1 << 63)]
"""Form of a whole number that NumPy and other readers of JSON take; true and false are none."""

Number = Annotated[float, Field(allow_inf_nan=False, gt=-1e300, lt=1e300)]
"""Form of a finite number, whole or not."""

OPEN = ConfigDict(extra="allow", strict=True)
"""Of a form, a `typing_extensions.TypedDict`, as `__pydantic_config__`: more keys may follow."""

_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


def read_json(path: str | Path, what: str, remedy: str, form: type = dict) -> dict[str, object]:
    """Read a JSON file that holds an object.

    Parameters
    ----------
    path : str or Path
    what : str
        What the file should be, for messages: "a benchmark's JSON file".
    remedy : str
        What the user can do if it is not.
    form : type
        What pydantic can check, an object: a `typing_extensions.TypedDict` with `OPEN`. The
        content is given back as it was read.

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
    data: bytes, path: str | Path, what: str, remedy: str, form: type = dict
) -> dict[str, object]:
    """Parse what was read from a file; arguments and errors are those of `read_json`."""
    try:
        text = data.decode("utf-8")
        content = json.loads(text)
        if _SURROGATE.search(text):  # half a pair can't be written or printed
            json.dumps(content, ensure_ascii=False).encode("utf-8")
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is not {what} ({_short(str(error))}); {remedy}") from error
    if problem := find_misfit(content, form):
        raise ValueError(f"{path} is not {what}: {problem}; {remedy}")
    return content


def find_misfit(value: object, form: type, place: str = "") -> str | None:
    """Say where a value of `json.loads` differs from a form; None if it does not.

    True and false are no numbers, 1.0 is no whole number. `place` says where the value stands.

    Examples
    --------
    >>> find_misfit({"rows": [1, True]}, dict[str, list[int]])
    'rows.1 is True: input should be a valid integer'
    """
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


@cache
def _adapter(form: type) -> TypeAdapter:
    return TypeAdapter(form)


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
