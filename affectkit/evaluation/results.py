"""Evaluation results: written, read back and compared. The schema is in `affectkit.evaluation`."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd

from affectkit.files.atomic import write_atomically
from affectkit.files.json_forms import NUMBER, Each, Maybe, json_ready, read_json

SCHEMA_VERSION = 1
_NUMBER = (*NUMBER, None)
RESULT_FORM = {
    **dict.fromkeys(("name", "task", "dataset", "protocol", "split", "rows_digest"), str),
    "rows": int,
    "metrics": Each({"value": _NUMBER, "low": _NUMBER, "high": _NUMBER}),
    "baselines": Maybe(Each(Each(_NUMBER))),
    "calibration": Maybe({"temperature": _NUMBER}),
}
"""What a result must hold to be used; see `affectkit.files.json_forms.find_misfit`."""


def write_metrics(result: dict, path: str | Path) -> Path:
    """Write a result as JSON; a crash leaves the old file or the new one, never half of one.

    Parameters
    ----------
    result : dict
        From `evaluate_classification` or `evaluate_regression`.
    path : str or Path
        Its folder is made if absent.

    Returns
    -------
    Path
        The file written.
    """
    return write_atomically(path, json.dumps(json_ready(result), indent=2, allow_nan=False) + "\n")


def read_metrics(path: str | Path) -> dict:
    """Read a result that `write_metrics` wrote.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is not JSON, lacks a required key or has another schema version.
    """
    what, remedy = "a metrics file of affectkit", "make it with `affectkit evaluate`"
    version = read_json(path, what, remedy, {"schema_version": object})["schema_version"]
    if version != SCHEMA_VERSION:
        raise ValueError(
            f"expected schema version {SCHEMA_VERSION} in {path}, got {version!r:.80}; evaluate "
            "the model again with this version"
        )
    return read_json(path, what, remedy, RESULT_FORM)


def compare(results: list[dict], baselines: bool = True) -> pd.DataFrame:
    """Put results of one task, protocol and set of rows side by side.

    Parameters
    ----------
    results : list of dict
        At least one.
    baselines : bool
        Also give the first result's baselines as rows.

    Returns
    -------
    pandas.DataFrame
        A row a result, indexed by its `name`; the columns `rows` and, for each metric, its value
        (``accuracy``) and interval (``accuracy_low``, ``accuracy_high``; NaN for baselines).

    Raises
    ------
    ValueError
        If tasks, data sets, splits or protocols differ, or the protocol is the same and the rows
        are not: such numbers say nothing about which model is better.
    """
    if not results:
        raise ValueError("expected at least one result to compare, got none")
    first = results[0]
    for other in results[1:]:
        for key in ("task", "protocol", "dataset", "split", "rows_digest"):
            if first[key] != other[key]:
                raise ValueError(
                    f"expected results of one {key.replace('_', ' ')}, got {first[key]!r} "
                    f"({first['name']}, {first['rows']} rows) and {other[key]!r} "
                    f"({other['name']}, {other['rows']} rows); evaluate both models on the same "
                    "rows under the same protocol"
                )
    lines = [_line(result) for result in results]
    names = [result["name"] for result in results]
    if baselines:
        for name, values in first.get("baselines", {}).items():
            lines.append({"rows": first["rows"]} | {k: values.get(k) for k in first["metrics"]})
            names.append(name)
    return pd.DataFrame(lines, index=pd.Index(names, name="name")).astype({"rows": int})


def _line(result: dict) -> dict:
    line = {"rows": result["rows"]}
    for name, metric in result["metrics"].items():
        line[name] = metric["value"]
        line |= {f"{name}_{end}": metric[end] for end in ("low", "high")}
    return line
