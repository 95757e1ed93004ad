"""How good a classifier can get against noisy labels, where a table holds several annotations."""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.metrics import cohen_kappa_score

from affectkit.labels import expression_code

CLEAN_COLUMN, SECOND_COLUMN = "expression_clean", "expression_second"


def noise_ceiling(table: pd.DataFrame, predictions: np.ndarray) -> dict[str, float] | None:
    """Compare the label that is evaluated with a second annotator's and with the clean one.

    Parameters
    ----------
    table : pandas.DataFrame
        With `expression` 0..7 in every row, and `expression_second` (another annotator) or
        `expression_clean` (what the face was made to show), as codes or names.
    predictions : array-like of int
        Shape (n,), codes.

    Returns
    -------
    dict or None
        With the second annotator: `annotator_agreement` (share of equal labels) and
        `annotator_kappa`. With the clean label: `label_accuracy` (how often the evaluated label
        is the clean one, the accuracy of a perfect model) and `accuracy_against_clean` of the
        predictions. None where the table has neither column.
    """
    labels = table["expression"].to_numpy(int)
    result: dict[str, float] = {}
    if SECOND_COLUMN in table:
        second, known = _codes(table[SECOND_COLUMN])
        if known.any():
            result["annotator_agreement"] = float((labels == second)[known].mean())
            if len(np.union1d(labels[known], second[known])) > 1:
                result["annotator_kappa"] = float(cohen_kappa_score(labels[known], second[known]))
    if CLEAN_COLUMN in table:
        clean, known = _codes(table[CLEAN_COLUMN])
        if known.any():
            result["label_accuracy"] = float((labels == clean)[known].mean())
            result["accuracy_against_clean"] = float((predictions == clean)[known].mean())
    return result or None


def _codes(column: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    """Read codes or names; give codes (-1 = missing) and a mask of the known ones."""
    codes = np.array([-1 if pd.isna(value) else expression_code(value) for value in column])
    return codes, codes >= 0
