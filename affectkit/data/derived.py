"""Valence and arousal derived from expression labels, for data sets that were not annotated."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd

from affectkit.data.table import SOFT_LABEL_COLUMNS
from affectkit.labels import EXPRESSIONS, NUM_EXPRESSIONS, VALENCE_AROUSAL

CLASS_MEANS = np.array([VALENCE_AROUSAL[name][:2] for name in EXPRESSIONS])
"""float64, shape (8, 2): mean valence and arousal of each expression in AffectNet."""


def expected_valence_arousal(soft_labels: np.ndarray) -> np.ndarray:
    """Give the mean of AffectNet's class means, weighted by a label distribution.

    Parameters
    ----------
    soft_labels : numpy.ndarray
        Float, shape (n, 8), rows sum to 1; NaN rows give NaN.

    Returns
    -------
    numpy.ndarray
        float64, shape (n, 2): valence and arousal in [-1, 1].
    """
    return np.asarray(soft_labels, float) @ CLASS_MEANS


def derive_valence_arousal(table: pd.DataFrame) -> pd.DataFrame:
    """Fill in valence and arousal from the expressions where a table has none at all.

    Such values let the regressor notebooks run, and `derived_valence_arousal` marks them: they say
    in other words what the expression label says, and nothing that a person rated.

    Parameters
    ----------
    table : pandas.DataFrame
        As documented in `affectkit.data.table`.

    Returns
    -------
    pandas.DataFrame
        The table itself if any row is annotated; else a copy with values for every row that has an
        expression 0..7 or a soft label. A warning says so.
    """
    if table[["valence", "arousal"]].notna().any(axis=None):
        return table
    soft = table[list(SOFT_LABEL_COLUMNS)].to_numpy(float)
    codes = table["expression"].to_numpy(float, na_value=np.nan)
    hard = np.isnan(soft).any(axis=1) & (codes < NUM_EXPRESSIONS)
    soft[hard] = np.eye(NUM_EXPRESSIONS)[codes[hard].astype(int)]
    valence, arousal = expected_valence_arousal(soft).T
    known = ~np.isnan(valence)
    table = table.assign(valence=valence, arousal=arousal, derived_valence_arousal=known)
    warnings.warn(
        f"{table.attrs.get('dataset') or 'this data set'} has no valence and arousal: they are "
        "derived from the expressions, so a regressor only learns the expression in other words",
        UserWarning,
        stacklevel=2,
    )
    return table
