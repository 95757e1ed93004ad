"""What a network learns from each row of a table, and how much each expression counts."""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.utils.class_weight import compute_class_weight

from affectkit.data.table import soft_labels
from affectkit.labels import NUM_EXPRESSIONS


def class_weights(table: pd.DataFrame, balance: float = 1.0) -> np.ndarray:
    """Give a loss weight for each expression, so that rare ones count.

    Parameters
    ----------
    table : pandas.DataFrame
        The training split, with expressions 0..7.
    balance : float
        Exponent of scikit-learn's "balanced" weights n / (classes * count): 0 gives ones.

    Returns
    -------
    numpy.ndarray
        float32, shape (8,); 1 for expressions that do not occur. The mean over rows is 1.
    """
    expressions = table["expression"].to_numpy(int)
    present = np.unique(expressions)
    weights = np.ones(NUM_EXPRESSIONS)
    weights[present] = compute_class_weight("balanced", classes=present, y=expressions) ** balance
    return (weights / weights[expressions].mean()).astype(np.float32)


def training_targets(table: pd.DataFrame, task: str) -> np.ndarray:
    """Give what a network of this task learns from each row.

    Parameters
    ----------
    table : pandas.DataFrame
        Any split.
    task : {"classification", "regression"}
        Of the model.

    Returns
    -------
    numpy.ndarray
        float32: (n, 8) label distributions, or (n, 2) valence and arousal.

    Raises
    ------
    ValueError
        If a row lacks the target.
    """
    if task == "classification":
        return soft_labels(table)
    targets = table[["valence", "arousal"]].to_numpy(np.float32)
    if np.isnan(targets).any():
        missing = int(np.isnan(targets).any(axis=1).sum())
        raise ValueError(
            f"{missing} of {len(table)} rows of {table.attrs.get('dataset', 'the table')!r} have "
            "no valence and arousal; drop them with `annotated_rows` or use data that has them"
        )
    return targets
