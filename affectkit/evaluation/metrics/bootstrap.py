"""Percentile bootstrap: 95 % intervals of any metric over rows, or over subjects.

A resample is held as one weight a row (how often the row was drawn), so a metric that can be
written with weights is computed for many resamples at once. The resampling unit is the subject
where subjects are known: images of one person are not independent, and an interval over rows
would be too narrow. `scipy.stats.bootstrap` resamples no clusters; the tests use it as reference.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd

CONFIDENCE = 0.95
_CHUNK_ELEMENTS = 1_000_000


def clusters_of(table: pd.DataFrame) -> np.ndarray | None:
    """Give the resampling unit of every row: int64 (n,), one number 0..clusters-1 a subject.

    A row of unknown subject is a cluster of its own. None where no subject is shown twice.
    """
    subject = table["subject"]
    codes = pd.factorize(subject)[0].astype(np.int64)
    unknown = codes < 0
    codes[unknown] = codes.max(initial=-1) + 1 + np.arange(unknown.sum())
    return codes if len(codes) and codes.max() + 1 < len(codes) else None


def resample_weights(
    rows: int, resamples: int = 1000, seed: int = 0, clusters: np.ndarray | None = None
) -> Iterator[np.ndarray]:
    """Yield resamples as float64 (chunk, rows): how often each row, or whole cluster, was drawn.

    Chunks fit the cache; one seed gives the same weights.
    """
    units = rows if clusters is None else int(clusters.max()) + 1
    generator = np.random.default_rng(seed)
    chunk = max(1, min(resamples, _CHUNK_ELEMENTS // max(rows, 1)))
    for start in range(0, resamples, chunk):
        count = min(chunk, resamples - start)
        drawn = generator.integers(0, units, (count, units))
        drawn += units * np.arange(count)[:, None]
        weights = np.bincount(drawn.ravel(), minlength=count * units).reshape(count, units)
        yield (weights if clusters is None else weights[:, clusters]).astype(float)


def percentile_interval(values: np.ndarray) -> tuple[float, float]:
    """Give low and high end of the central 95 % of the defined values; NaN where none is."""
    values = np.asarray(values, float)
    values = values[np.isfinite(values)]
    if not len(values):
        return float("nan"), float("nan")
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(values, (tail, 1 - tail))
    return float(low), float(high)


def bootstrap_intervals(
    statistic: Callable[[np.ndarray], dict[str, np.ndarray]],
    rows: int,
    resamples: int = 1000,
    seed: int = 0,
    clusters: np.ndarray | None = None,
) -> dict[str, tuple[float, float]]:
    """Give low and high end of the 95 % interval of every value of a weighted statistic.

    It takes weights (chunk, n) and returns a dict of arrays (chunk,).
    """
    parts: dict[str, list[np.ndarray]] = {}
    for weights in resample_weights(rows, resamples, seed, clusters):
        for name, values in statistic(weights).items():
            parts.setdefault(name, []).append(np.asarray(values, float))
    return {name: percentile_interval(np.concatenate(values)) for name, values in parts.items()}


def bootstrap_metric(
    metric: Callable[..., float],
    *arrays: np.ndarray,
    resamples: int = 1000,
    seed: int = 0,
    clusters: np.ndarray | None = None,
) -> dict[str, float]:
    """Give the value and 95 % interval of any plain metric, one call a resample.

    Parameters
    ----------
    metric : callable
        Takes the arrays and returns a number, like those of `sklearn.metrics`.
    *arrays : numpy.ndarray
        Of equal length n; their rows are drawn together.
    resamples : int
        Their number.
    seed : int
        One seed gives one interval.
    clusters : numpy.ndarray, optional
        int, shape (n,): rows of one number 0..k-1 (one subject) are drawn together.

    Returns
    -------
    dict
        `value`, `low` and `high`.

    Raises
    ------
    ValueError
        If the arrays differ in length or are empty.
    """
    lengths = [len(array) for array in arrays]
    if len(set(lengths)) != 1 or not lengths[0]:
        raise ValueError(f"expected arrays of one length above 0, got lengths {lengths}")
    columns: list[Any] = [np.asarray(array) for array in arrays]

    def resampled(weights: np.ndarray) -> dict[str, np.ndarray]:
        picks = (np.repeat(np.arange(lengths[0]), counts.astype(int)) for counts in weights)
        return {"": np.array([metric(*(column[rows] for column in columns)) for rows in picks])}

    intervals = bootstrap_intervals(resampled, lengths[0], resamples, seed, clusters)
    low, high = intervals.get("", (float("nan"), float("nan")))
    return {"value": float(metric(*columns)), "low": low, "high": high}
