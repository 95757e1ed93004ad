"""What a model that has not looked at the image would score: read every metric beside these."""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.dummy import DummyClassifier

from affectkit.labels import NUM_EXPRESSIONS, VALENCE_AROUSAL

DUMMY_STRATEGIES = ("most_frequent", "prior", "stratified")


def dummy_probabilities(
    train_labels: np.ndarray,
    rows: int,
    strategy: str,
    seed: int = 0,
    classes: int = NUM_EXPRESSIONS,
) -> np.ndarray:
    """Give the output of a scikit-learn `DummyClassifier` fitted on the training labels.

    Parameters
    ----------
    train_labels : array-like of int
        Codes 0..classes-1, at least one.
    rows : int
        Number of predictions n.
    strategy : str
        most_frequent: always this class; prior: the class shares as probabilities; stratified: a
        class drawn by these shares.
    seed : int
        Of the draw.
    classes : int
        Number of columns.

    Returns
    -------
    numpy.ndarray
        float64, shape (n, classes); 0 for classes absent from training.
    """
    train_labels = np.asarray(train_labels, int)
    if not len(train_labels):
        raise ValueError("expected at least one labelled training row for the dummy, got none")
    dummy = DummyClassifier(strategy=strategy, random_state=seed)
    dummy.fit(np.zeros((len(train_labels), 1)), train_labels)
    probabilities = np.zeros((rows, classes))
    probabilities[:, dummy.classes_] = dummy.predict_proba(np.zeros((rows, 1)))
    return probabilities


def constant_predictions(train_table: pd.DataFrame, rows: int) -> np.ndarray:
    """Predict the training rows' mean valence and arousal everywhere.

    Parameters
    ----------
    train_table : pandas.DataFrame
        With the columns valence and arousal, in [-1, 1] or NaN.
    rows : int
        Number of predictions n.

    Returns
    -------
    numpy.ndarray
        float64, shape (n, 2): the same valence and arousal in each row.
    """
    return np.tile(train_table[["valence", "arousal"]].mean().to_numpy(float), (rows, 1))


def affectnet_constant_predictions(rows: int) -> np.ndarray:
    """Predict the mean valence and arousal of AffectNet's 8 balanced classes; shape (rows, 2)."""
    means = [(stats.valence, stats.arousal) for stats in VALENCE_AROUSAL.values()]
    return np.tile(np.mean(means, axis=0), (rows, 1))


def class_mean_predictions(train_table: pd.DataFrame, table: pd.DataFrame) -> np.ndarray:
    """Predict the training mean of the row's true expression, shape (n, 2): knows only the class.

    A regressor that does not beat it has learned no more than expressions. Rows without an
    expression, or with one that training lacks, get the overall mean.
    """
    means = train_table.groupby("expression")[["valence", "arousal"]].mean()
    predictions = means.reindex(table["expression"]).to_numpy(float)
    return np.where(
        np.isnan(predictions), constant_predictions(train_table, len(table)), predictions
    )
