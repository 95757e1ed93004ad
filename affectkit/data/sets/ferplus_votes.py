"""What the ten raters' votes of FER+ become: expression, soft label, derived valence/arousal.

The expression follows the "majority" mode of Microsoft's code (github.com/microsoft/FERPlus,
src/ferplus.py), which the published accuracies rest on: single votes are removed as outliers, then
the category with more than half of the votes left wins. So a tie never wins; such a row is
"uncertain" (9), as is one whose majority is "unknown"; a majority of "not a face" gives 10.
The soft label is the share of each expression among all votes for the eight expressions.
"""

from __future__ import annotations

import numpy as np

from affectkit.data.derived import expected_valence_arousal
from affectkit.data.table import SOFT_LABEL_COLUMNS
from affectkit.labels import EXPRESSIONS, FERPLUS_TO_AFFECTNET, NO_FACE, UNCERTAIN


def majority_expression(votes: np.ndarray) -> np.ndarray:
    """Give the expression of Microsoft's "majority" mode.

    Parameters
    ----------
    votes : numpy.ndarray
        Counts, shape (n, 10), order of `FERPLUS_VOTE_COLUMNS`.

    Returns
    -------
    numpy.ndarray
        int, shape (n,): AffectNet's code 0..7; 9 for no majority or "unknown", 10 for no face.

    Examples
    --------
    >>> clear, tie = [6, 1, 1, 2, 0, 0, 0, 0, 0, 0], [5, 5, 0, 0, 0, 0, 0, 0, 0, 0]
    >>> majority_expression(np.array([clear, tie])).tolist()
    [0, 9]
    """
    counts = np.where(votes > 1, votes, 0).astype(float)
    codes = np.array([*(FERPLUS_TO_AFFECTNET[i] for i in range(8)), UNCERTAIN, NO_FACE])
    wins = counts.max(axis=1) > 0.5 * counts.sum(axis=1)
    return np.where(wins, codes[counts.argmax(axis=1)], UNCERTAIN)


def vote_columns(votes: np.ndarray) -> dict[str, np.ndarray]:
    """Derive a table's columns from votes.

    Parameters
    ----------
    votes : numpy.ndarray
        Counts, shape (n, 10), order of `FERPLUS_VOTE_COLUMNS`.

    Returns
    -------
    dict of str to numpy.ndarray
        expression, valence, arousal, the soft labels, agreement and derived_valence_arousal. Soft
        labels, valence and arousal are NaN where nobody voted for an expression.
    """
    votes = np.asarray(votes, float)
    soft = np.zeros((len(votes), len(EXPRESSIONS)))
    for position, code in FERPLUS_TO_AFFECTNET.items():
        soft[:, code] = votes[:, position]
    with np.errstate(invalid="ignore", divide="ignore"):
        soft /= soft.sum(axis=1, keepdims=True)
        agreement = votes.max(axis=1) / votes.sum(axis=1)
    valence, arousal = expected_valence_arousal(soft).T
    return {
        "expression": majority_expression(votes),
        "valence": valence,
        "arousal": arousal,
        **dict(zip(SOFT_LABEL_COLUMNS, soft.T, strict=True)),
        "agreement": agreement,
        "derived_valence_arousal": np.ones(len(votes), bool),
    }
