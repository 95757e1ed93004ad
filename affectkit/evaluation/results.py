"""Evaluation results: written, read back, compared with one another and with published ones."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, NotRequired

import pandas as pd
from typing_extensions import TypedDict

from affectkit.files.json_forms import OPEN, Integer, Number, read_json, write_json

SCHEMA_VERSION = 1


class Metric(TypedDict):
    """Form of one metric; null where it is undefined."""

    __pydantic_config__ = OPEN
    value: Number | None
    low: Number | None
    high: Number | None


class CalibrationLosses(TypedDict):
    """Form of how far probabilities can be trusted."""

    __pydantic_config__ = OPEN
    ece: Metric
    nll: Metric
    brier: Metric


class Calibration(TypedDict):
    """Form of a classifier's calibration."""

    __pydantic_config__ = OPEN
    temperature: Number | None
    before: NotRequired[CalibrationLosses]
    after: NotRequired[CalibrationLosses | None]


class Group(TypedDict):
    """Form of the rows that share a value of a slice column."""

    __pydantic_config__ = OPEN
    small: bool


class Result(TypedDict):
    """Form of what a result must hold to be used; all of it is in `affectkit.evaluation`."""

    __pydantic_config__ = OPEN
    schema_version: Literal[1]
    name: str
    task: str
    dataset: str
    protocol: str
    split: str
    rows: Integer
    rows_digest: str
    metrics: dict[str, Metric]
    baselines: NotRequired[dict[str, dict[str, Number | None]]]
    calibration: NotRequired[Calibration]
    slices: NotRequired[dict[str, list[Group]]]


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
    return write_json(result, path)


def read_metrics(path: str | Path) -> dict:
    """Read a result that `write_metrics` wrote.

    Parameters
    ----------
    path : str or Path
        Of the JSON file.

    Returns
    -------
    dict
        See `affectkit.evaluation`.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is not JSON, lacks a required key or has another schema version.
    """
    what = f"a metrics file of affectkit (schema version {SCHEMA_VERSION})"
    return read_json(path, what, "make it anew with `affectkit evaluate`", Result)


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


_REPOSITORIES = "https://github.com/"
LEDGER = [
    ("", "RAF-DB", "ARM, arXiv:2103.10189", 0.9205,
     f".86 shuffled: {_REPOSITORIES}SimKarras/Amend-Representation-Module/issues/20; .86 to .92 by "
     f"batch size: {_REPOSITORIES}SimKarras/Amend-Representation-Module/issues/16"),
    ("", "RAF-DB", "PAtt-Lite, arXiv:2306.09626", 0.9505,
     f".88: {_REPOSITORIES}JLREx/PAtt-Lite/issues/10; attention over the batch: "
     f"{_REPOSITORIES}JLREx/PAtt-Lite/issues/13"),
    ("affectnet-4000", "AffectNet, 8 classes", "AlexNet, doi:10.1109/TAFFC.2017.2740923", 0.58,
     "not searched; two annotators agree on .607 (same paper)"),
    ("", "FER2013, its own labels", f"fer, {_REPOSITORIES}justinshenk/fer/issues/6", 0.66,
     f".71, its maintainer later: {_REPOSITORIES}justinshenk/fer/issues/50"),
    ("ferplus-majority", "FER+", "VGG13, majority labels (PrivateTest), arXiv:1608.01041", 0.8385,
     "none found"),
    ("ferplus-majority", "FER+", "VGG13, votes drawn (PrivateTest), arXiv:1608.01041", 0.8499,
     "none found"),
    ("ferplus-majority", "FER+", "SENet50, face start (PrivateTest), arXiv:1808.05561", 0.888,
     "none found"),
    ("", "FER+", "SCN (PrivateTest), arXiv:2002.10392", 0.8935,
     ".83 to .87, also with the authors' weights: "
     f"{_REPOSITORIES}kaiwang960112/Self-Cure-Network/issues/34"),
    ("", "FER+", "EAC, ResNet18 (PrivateTest), arXiv:2207.10299", 0.8964,
     f".858 on seven classes: {_REPOSITORIES}zyh-uaiaaaa/Erasing-Attention-Consistency/issues/22"),
    ("ferplus-majority", "FER+", "POSTER (PrivateTest), arXiv:2204.04083", 0.9162,
     f".86: {_REPOSITORIES}zczcwh/FER_POSTER/issues/6; about .05 lower: "
     f"{_REPOSITORIES}zczcwh/FER_POSTER/issues/5"),
]  # fmt: skip
"""Protocol ("" for rows of the authors' own), set, system, accuracy claimed, found by others.

Others are readers who ran the authors' code, or the same author at another time.
"""

CLASSIFIERS = [
    *((protocol, system, claimed) for protocol, _, system, claimed, _ in LEDGER if protocol),
    ("affectnet-4000", "two MobileNetV2 at 224 px, 28 MB (affectkit's predecessor)", 0.5992),
    ("affectnet-4000", "EmotiEffLib enet_b0_8_va_mtl, 16 MB", 0.6193),
    ("affectnet-4000", "EmotiEffLib enet_b2_8, 30 MB", 0.6303),
    ("affectnet-4000", "POSTER++, 44 M parameters", 0.6377),
    ("affectnet-4000", "DDAMFN++", 0.6469),
    ("affectnet-3500-7class", "EmotiEffLib mobilenet_7, 14 MB", 0.6471),
    ("affectnet-3500-7class", "EmotiEffLib enet_b0_8_va_mtl, 16 MB", 0.6497),
    ("affectnet-3500-7class", "POSTER++, 44 M parameters", 0.6749),
]
"""Protocol, system, accuracy."""

REGRESSORS = [
    ("affectnet-4500-va", "two MobileNetV2 at 224 px (affectkit's predecessor)", 0.5822, 0.4630),
    ("affectnet-4500-va", "EmotiEffLib enet_b0_8_va_mtl, 16 MB", 0.594, 0.549),
    ("affectnet-4500-va", "CAGE MaxViT (combined)", 0.716, 0.642),
]
"""Protocol, system, CCC of valence and of arousal."""


def published_results(protocol: str, task: str) -> pd.DataFrame:
    """Give what others report under a protocol.

    Parameters
    ----------
    protocol : str
        A name of `affectkit.data.protocols.PROTOCOLS`; a subset of it has no published results.
    task : {"classification", "regression"}
        Of the networks.

    Returns
    -------
    pandas.DataFrame
        A row a system, indexed by `name` like what `compare` gives: `accuracy`; or `valence_ccc`
        and `arousal_ccc`. Empty where nothing comparable is published. FER+'s numbers are of the
        PrivateTest images, which take the place of "test" when they are there.
    """
    known, columns = CLASSIFIERS, ["accuracy"]
    if task == "regression":
        known, columns = REGRESSORS, ["valence_ccc", "arousal_ccc"]
    found = [line[1:] for line in known if line[0] == protocol]
    return pd.DataFrame(found, columns=["name", *columns]).set_index("name").astype(float)
