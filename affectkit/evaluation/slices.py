"""Groups of rows that share a value of a slice column, and metrics for each of them."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pandas as pd

from affectkit.data.table import slice_columns

MAXIMUM_CATEGORIES = 12
SMALL_GROUP = 20
_ANNOTATION_PREFIX = "expression_"


def slice_groups(table: pd.DataFrame) -> tuple[dict[str, pd.Series], dict[str, str]]:
    """Give every row's group in each slice column (ordered categories), and why others are none.

    Text, categories and booleans group as they are, numbers by tercile of the rows at hand (or as
    they are, if at most three values occur); NA becomes "missing".
    """
    groups, skipped = {}, {}
    for name in slice_columns(table):
        if name.startswith(_ANNOTATION_PREFIX):
            skipped[name] = "an annotation"
            continue
        column = table[name]
        try:
            distinct = column.nunique()
        except TypeError:
            skipped[name] = "values are not single words or numbers"
            continue
        numeric = pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)
        if distinct < 2:
            skipped[name] = "fewer than 2 values"
        elif numeric:
            groups[name] = _terciles(column) if distinct > 3 else _categories(column)
        elif column.dropna().astype(str).str.match(r"\s*[\[{]").any():
            skipped[name] = "holds JSON"
        elif distinct > MAXIMUM_CATEGORIES:
            skipped[name] = f"{distinct} categories, more than {MAXIMUM_CATEGORIES}"
        else:
            groups[name] = _categories(column)
    return groups, skipped


def _categories(column: pd.Series) -> pd.Series:
    known = column.dropna()
    declared = isinstance(column.dtype, pd.CategoricalDtype) and column.dtype.ordered
    values = [v for v in column.cat.categories if (known == v).any()] if declared else None
    names = list(map(_text, sorted(known.unique()) if values is None else values))
    return _with_missing(pd.Series([_text(value) for value in column], column.index), names)


def _terciles(column: pd.Series) -> pd.Series:
    values = column.astype(float)
    edges = np.unique(values.quantile([1 / 3, 2 / 3]).to_numpy())
    edges = edges[edges < values.max()]
    shown = [f"{edge:.3g}" for edge in edges]
    names = [f"<= {shown[0]}"] if shown else ["all"]
    names += [f"{low} to {high}" for low, high in pairwise(shown)]
    names += [f"> {shown[-1]}"] if shown else []
    position = np.searchsorted(edges, values.to_numpy(), side="left")
    text = [None if np.isnan(v) else names[p] for v, p in zip(values, position, strict=True)]
    return _with_missing(pd.Series(text, column.index, dtype=object), names)


def _text(value: object) -> str | None:
    if pd.isna(value):
        return None
    return f"{value:g}" if isinstance(value, float) else str(value)


def _with_missing(column: pd.Series, names: list[str]) -> pd.Series:
    column = column.astype(object).where(column.notna(), "missing")
    names = list(dict.fromkeys([*names, *(["missing"] if (column == "missing").any() else [])]))
    return column.astype(pd.CategoricalDtype(names, ordered=True))


def slice_masks(groups: dict[str, pd.Series]) -> dict[tuple[str, str], np.ndarray]:
    """Give the rows of every group that has any: {(column, group): bool mask (n,)}."""
    masks = {
        (name, group): (column == group).to_numpy()
        for name, column in groups.items()
        for group in column.cat.categories
    }
    return {key: mask for key, mask in masks.items() if mask.any()}


def slice_entries(
    masks: dict[tuple[str, str], np.ndarray],
    evaluate: Callable[[tuple[str, str], np.ndarray], dict],
) -> dict[str, list[dict]]:
    """Give a list a column, of a dict a group: group, rows, small, and what `evaluate` gives.

    `small` marks fewer than 20 rows, which are to be read with care.
    """
    result: dict[str, list[dict]] = {}
    for (column, group), mask in masks.items():
        rows = int(mask.sum())
        entry = {"group": group, "rows": rows, "small": rows < SMALL_GROUP}
        result.setdefault(column, []).append(entry | evaluate((column, group), mask))
    return result
