"""Parts that the evaluations of classifier and regressor share. Use `affectkit.evaluation`."""

from __future__ import annotations

import hashlib

import numpy as np
import pandas as pd

from affectkit.evaluation.metrics.bootstrap import CONFIDENCE
from affectkit.evaluation.results import SCHEMA_VERSION


def check_rows(values: np.ndarray, table: pd.DataFrame, columns: int) -> np.ndarray:
    """Give predictions as float64 of shape (rows of the table, columns), or raise ValueError."""
    array = np.asarray(values, float)
    if array.shape != (len(table), columns):
        raise ValueError(
            f"expected predictions of shape ({len(table)}, {columns}), got {array.shape}; "
            "give one row a table row, in the table's order"
        )
    return array


def header(
    task: str, name: str, table: pd.DataFrame, protocol: str | None, known: np.ndarray
) -> dict:
    """Describe what is evaluated; `known` (bool, shape (n,)) marks the rows that have a label."""
    if not known.any():
        raise ValueError(
            f"expected at least one row with a label for {task}, got {len(table)} rows without; "
            "check the data set's labels or choose another protocol"
        )
    ids = table.loc[known, "image_id"]
    if ids.duplicated().any():
        raise ValueError(
            f"expected each image once, got {ids[ids.duplicated()].iloc[0]!r} several times; "
            "evaluate one split at a time"
        )
    return {
        "schema_version": SCHEMA_VERSION,
        "name": name,
        "task": task,
        "dataset": table.attrs.get("dataset", ""),
        "protocol": protocol_of(table, protocol),
        "split": "+".join(sorted(table.loc[known, "split"].unique())),
        "rows": int(known.sum()),
        "rows_ignored": int((~known).sum()),
        "rows_digest": hashlib.sha256("\n".join(sorted(ids)).encode()).hexdigest(),
    }


def protocol_of(table: pd.DataFrame, protocol: str | None) -> str:
    """Give the protocol that was asked for, else the table's."""
    return table.attrs.get("protocol", "") if protocol is None else protocol


def metric(value: float, interval: tuple[float, float] | None = None) -> dict[str, float | None]:
    """Give one entry: value, low, high."""
    low, high = (None, None) if interval is None else interval
    return {"value": float(value), "low": low, "high": high}


def bootstrap_settings(resamples: int, seed: int, clusters: np.ndarray | None, rows: int) -> dict:
    """Describe how the intervals were made."""
    return {
        "method": "percentile",
        "confidence": CONFIDENCE,
        "resamples": resamples,
        "seed": seed,
        "unit": "row" if clusters is None else "subject",
        "clusters": rows if clusters is None else int(clusters.max()) + 1,
    }
