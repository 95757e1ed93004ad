"""Divide a table into splits and draw subsets of it: stratified, seeded, subjects kept whole."""

from __future__ import annotations

import hashlib

import numpy as np
import pandas as pd

TEST_FRACTION = VALIDATION_FRACTION = 0.15
"""Shares of a folder that gives no splits itself; the rest is for training."""


def stratified_order(table: pd.DataFrame, seed: int) -> np.ndarray:
    """Give every row a place in (0, 1), random but even within each expression.

    The rows below p are a share p of each expression, and those of a smaller p are among them: a
    place is (rank in the expression - 1/2) / rows of the expression.
    """
    random = np.random.default_rng(seed).permutation(len(table))
    expression = table["expression"].astype(float).fillna(-1).to_numpy()
    groups = pd.Series(random).groupby(expression)
    rank, size = groups.rank(method="first"), groups.transform("size")
    return ((rank - 0.5) / size).to_numpy()


def subject_order(subjects: pd.Series, seed: int) -> np.ndarray:
    """Give every row the place of its subject in (0, 1), so that subjects stay together.

    Subjects are ordered by a hash of seed and name: adding rows does not reshuffle the others.
    """
    numbers, names = pd.factorize(subjects, use_na_sentinel=False)
    digests = {
        subject: hashlib.sha256(f"{seed}/{subject}".encode()).hexdigest() for subject in names
    }
    ordered = sorted(digests, key=lambda subject: (digests[subject], subject))
    places = {subject: (rank + 0.5) / len(ordered) for rank, subject in enumerate(ordered)}
    return np.array([places[subject] for subject in names], float)[numbers]


def _order(table: pd.DataFrame, seed: int, rows: np.ndarray | slice = slice(None)) -> np.ndarray:
    if "subject" not in table or table["subject"][rows].isna().all():
        return stratified_order(table.loc[rows, ["expression"]], seed)
    subjects = table.loc[rows, "subject"]
    unknown, subjects = subjects.isna(), "subject " + subjects
    if unknown.any():
        subjects = subjects.mask(unknown, "image " + table.loc[rows, "image_id"])
    return subject_order(subjects, seed)


def _first(place: np.ndarray, fraction: float) -> np.ndarray:
    """Tell which places lie below a fraction; at least the first of several."""
    if np.unique(place).size < 2:
        return np.zeros(len(place), bool)
    return (place < fraction) | (place == place.min())


def assign_splits(table: pd.DataFrame, seed: int) -> pd.Series:
    """Assign train, validation and test (70, 15, 15 %): by subject if known, else stratified."""
    place = _order(table, seed)
    test = _first(place, TEST_FRACTION)
    validation = ~test
    validation[~test] = _first(place[~test], TEST_FRACTION + VALIDATION_FRACTION)
    return pd.Series(np.select([test, validation], ["test", "validation"], "train"), table.index)


def hold_out_validation(table: pd.DataFrame, fraction: float, seed: int) -> pd.DataFrame:
    """Move a share of the training rows to a validation split, if the table has none.

    `fraction`, in (0, 1), is of the training rows, or of their subjects where those are known. At
    least one row or subject is moved, unless there is only one.
    """
    if not 0 < fraction < 1:
        raise ValueError(f"expected validation_fraction in (0, 1), got {fraction}")
    training = (table["split"] == "train").to_numpy()
    if (table["split"] == "validation").any() or not training.any():
        return table
    held = np.zeros(len(table), bool)
    held[training] = _first(_order(table, seed, training), fraction)
    return table.assign(split=table["split"].mask(held, "validation"))


def limit_rows(table: pd.DataFrame, limit: int, seed: int) -> pd.DataFrame:
    """Keep at most so many rows of each split, a like share of every expression, in order.

    If rows were dropped, the protocol in `attrs` gets the suffix " (subset of N)".
    """
    if limit < 1:
        raise ValueError(f"expected a limit of at least 1 row a split, got {limit}")
    keep = []
    for _, part in table.groupby("split", sort=False):
        order = np.argsort(stratified_order(part, seed), kind="stable")
        keep.append(part.index[order[:limit]])
    kept = table.index.isin(np.concatenate(keep) if keep else [])
    if kept.all():
        return table
    limited = table[kept].reset_index(drop=True)
    protocol = table.attrs.get("protocol", "")
    limited.attrs = {**table.attrs, "protocol": f"{protocol} (subset of {limit})"}
    return limited
