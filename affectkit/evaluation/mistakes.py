"""The rows that a classifier got wrong with the greatest confidence."""

from __future__ import annotations

import numpy as np
import pandas as pd

from affectkit.evaluation.parts import check_rows, protocol_of
from affectkit.evaluation.probabilities import protocol_probabilities
from affectkit.labels import EXPRESSIONS, NUM_EXPRESSIONS


def worst_mistakes(
    probabilities: np.ndarray,
    table: pd.DataFrame,
    count: int = 12,
    protocol: str | None = None,
) -> pd.DataFrame:
    """Find the rows where the model was surest of a wrong expression.

    Parameters
    ----------
    probabilities, table, protocol
        As in `evaluate_classification`.
    count : int
        At most so many rows.

    Returns
    -------
    pandas.DataFrame
        Those rows of the table with their index, worst first, and the columns `true`,
        `predicted` (names), `confidence` (probability of the predicted expression) and
        `true_probability`.
    """
    probabilities = check_rows(probabilities, table, NUM_EXPRESSIONS)
    values = protocol_probabilities(probabilities, protocol_of(table, protocol))
    codes = table["expression"].to_numpy(float, na_value=np.nan)
    known = (codes >= 0) & (codes < values.shape[1])
    labels = np.where(known, codes, 0).astype(int)
    predicted = values.argmax(axis=1)
    confidence = values.max(axis=1)
    wrong = np.flatnonzero(known & (predicted != labels))
    worst = wrong[np.argsort(-confidence[wrong], kind="stable")][:count]
    mistakes = table.iloc[worst].copy()
    mistakes["true"] = [EXPRESSIONS[code] for code in labels[worst]]
    mistakes["predicted"] = [EXPRESSIONS[code] for code in predicted[worst]]
    mistakes["confidence"] = confidence[worst]
    mistakes["true_probability"] = values[worst, labels[worst]]
    return mistakes
