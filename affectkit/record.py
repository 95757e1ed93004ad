"""Keep values in an executed notebook, so that tests and reports read them instead of the text."""

from __future__ import annotations

import json
from pathlib import Path

from typing_extensions import TypedDict

from affectkit.files.json_forms import OPEN, find_misfit, json_ready

RECORD_TYPE = "application/vnd.affectkit.record+json"
"""Mimetype of the cell output that holds one name and its value."""


class _Record(TypedDict):
    """What such an output holds."""

    __pydantic_config__ = OPEN | {"extra": "forbid"}

    name: str
    value: object


def record(name: str, value: object) -> None:
    """Store a value in the output of the cell, unseen; outside of IPython only check it.

    Parameters
    ----------
    name : str
        What `read_records` calls it; use each name once in a notebook.
    value : object
        Numbers, text, lists, dicts with text keys, NumPy values; NaN and infinity become null.

    Raises
    ------
    ValueError
        If the name is empty or the value can't be written as JSON.
    """
    if not isinstance(name, str) or not name:
        raise ValueError(f"expected a name for the record, got {name!r}")
    try:
        value = json.loads(json.dumps(json_ready(value), allow_nan=False))
    except TypeError as error:
        raise ValueError(
            f"expected a JSON-able value to record as {name!r}, got {type(value).__name__} "
            f"({error}); convert it to numbers, text, lists or dicts first"
        ) from error
    from IPython import get_ipython
    from IPython.display import display

    if get_ipython() is not None:
        content = {RECORD_TYPE: {"name": name, "value": value}, "text/html": "", "text/plain": ""}
        display(content, raw=True)


def read_records(notebook_path: str | Path) -> dict[str, object]:
    """Read every recorded value of an executed notebook.

    Parameters
    ----------
    notebook_path : str or Path
        An `.ipynb` file.

    Returns
    -------
    dict
        Name to value, in the order of the cells; empty for a notebook that was not executed.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is not a notebook, a record is damaged, or a name was recorded twice with
        different values.
    """
    notebook = read_notebook(notebook_path)
    records: dict[str, object] = {}
    for number, cell in enumerate(notebook["cells"], start=1):
        for output in cell.get("outputs", []):
            content = output.get("data", {}).get(RECORD_TYPE)
            if content is None:
                continue
            if find_misfit(content, _Record):
                raise ValueError(
                    f"cell {number} of {notebook_path} holds a damaged record; run it again"
                )
            name, value = content["name"], content["value"]
            if name in records and records[name] != value:
                raise ValueError(
                    f"{name!r} was recorded twice with different values in {notebook_path} (again "
                    f"in cell {number}); give each record its own name"
                )
            records[name] = value
    return records


def read_notebook(notebook_path: str | Path) -> dict:
    """Read a notebook of format 4 as it is in the file: text can be a list of lines.

    Parameters
    ----------
    notebook_path : str or Path
        An `.ipynb` file.

    Returns
    -------
    dict
        The notebook.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is not a notebook.
    """
    import nbformat

    try:
        notebook = json.loads(Path(notebook_path).read_text("utf-8"))
        if notebook["nbformat"] != 4:
            raise ValueError(f"format {notebook['nbformat']!r:.40}, expected 4")
        nbformat.validate(notebook)
    except (
        *(ValueError, AttributeError, LookupError, TypeError, RecursionError, AssertionError),
        nbformat.ValidationError,
    ) as error:
        reason = str(error) or type(error).__name__
        raise ValueError(f"{notebook_path} is not a notebook ({reason}); run it again") from error
    return notebook
