"""How far predicted probabilities can be trusted: ECE, NLL, Brier score and temperature scaling."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from scipy.optimize import minimize, minimize_scalar
from scipy.special import logsumexp

from affectkit.models.temperature import SMALLEST_PROBABILITY, apply_temperature

BINS = 15
_TEMPERATURE_BOUNDS = (0.05, 20.0)


def _confidence(labels: np.ndarray, probabilities: np.ndarray) -> tuple[np.ndarray, ...]:
    """Give confidence, correctness and bin number (0..14) of every row."""
    probabilities = np.asarray(probabilities, float)
    confidence = probabilities.max(axis=1)
    correct = probabilities.argmax(axis=1) == np.asarray(labels, int)
    # bins are (low, high]; a confidence of 0 cannot occur
    bins = np.clip(np.ceil(confidence * BINS - 1e-12).astype(int) - 1, 0, BINS - 1)
    return confidence, correct, bins


def reliability_table(labels: np.ndarray, probabilities: np.ndarray) -> pd.DataFrame:
    """Tabulate accuracy against confidence in 15 bins of equal width.

    Parameters
    ----------
    labels : array-like of int
        Shape (n,), codes 0..k-1.
    probabilities : array-like
        Shape (n, k), rows sum to 1.

    Returns
    -------
    pandas.DataFrame
        A row a bin (low, high]: `low`, `high`, `rows`, mean `confidence` and `accuracy` (NaN in
        an empty bin).
    """
    confidence, correct, bins = _confidence(labels, probabilities)
    rows = np.bincount(bins, minlength=BINS)
    with np.errstate(invalid="ignore"):
        mean_confidence = np.bincount(bins, confidence, BINS) / rows
        accuracy = np.bincount(bins, correct, BINS) / rows
    edges = np.linspace(0, 1, BINS + 1)
    return pd.DataFrame(
        {
            "low": edges[:-1],
            "high": edges[1:],
            "rows": rows,
            "confidence": mean_confidence,
            "accuracy": accuracy,
        }
    )


def expected_calibration_error(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """Give the ECE of the predicted class with 15 bins of equal width (Guo et al., 2017).

    Parameters
    ----------
    labels, probabilities
        As in `reliability_table`.

    Returns
    -------
    float
        In [0, 1]: the mean over rows of |accuracy - confidence| of their bin (arXiv:1706.04599,
        eq. 3); 0 without a row.
    """
    table = reliability_table(labels, probabilities)
    gaps = (table["accuracy"] - table["confidence"]).abs().fillna(0)
    return float((gaps * table["rows"]).sum() / max(table["rows"].sum(), 1))


def negative_log_likelihoods(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Give -ln(probability of the true class) a row, shape (n,); floored at 1e-7 inside."""
    probabilities = np.asarray(probabilities, float)
    chosen = probabilities[np.arange(len(probabilities)), np.asarray(labels, int)]
    return -np.log(np.maximum(chosen, SMALLEST_PROBABILITY))


def brier_scores(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Give the squared distance to the one-hot truth a row, (n,) in [0, 2] (Brier, 1950)."""
    probabilities = np.asarray(probabilities, float)
    truth = np.eye(probabilities.shape[1])[np.asarray(labels, int)]
    return ((probabilities - truth) ** 2).sum(axis=1)


def fit_temperature(
    labels: np.ndarray, probabilities: np.ndarray, weights: np.ndarray | None = None
) -> float:
    """Find the temperature with the lowest NLL (Guo et al., 2017). Never fit it on the test split.

    Parameters
    ----------
    labels : array-like of int
        Shape (n,): the validation split's codes 0..k-1.
    probabilities : array-like
        Shape (n, k): the model's output for the same rows.
    weights : array-like, optional
        Shape (n,): how much each row counts; all alike if omitted.

    Returns
    -------
    float
        In [0.05, 20]; above 1 means that the model was too sure.

    Raises
    ------
    ValueError
        If there is no row.
    """
    if not len(labels):
        raise ValueError("expected at least one validation row to fit a temperature on, got none")

    def loss(log_temperature: float) -> float:
        scaled = apply_temperature(probabilities, float(np.exp(log_temperature)))
        return float(np.average(negative_log_likelihoods(labels, scaled), weights=weights))

    bounds = tuple(np.log(_TEMPERATURE_BOUNDS))
    return float(np.exp(minimize_scalar(loss, bounds=bounds, method="bounded").x))


def fit_plausible_share(labels: np.ndarray, probabilities: np.ndarray, level: float = 0.9) -> float:
    """Find how probable an expression must be, compared with the first, to be plausible.

    So that the plausible ones hold the label in `level` of all cases. Split conformal prediction
    (Angelopoulos & Bates, 2021, arXiv:2107.07511, section 1) with the ratio of the label's
    probability to the greatest as score. It holds on average, for faces like those given; never fit
    it on the test split.

    Parameters
    ----------
    labels, probabilities
        As in `fit_temperature`.
    level : float
        Above 0 and below 1.

    Returns
    -------
    float
        For `affectkit.models.plausible_expressions`; at most 1.

    Raises
    ------
    ValueError
        If there are too few rows for the level: 9 for 0.9.
    """
    rank = math.floor((len(labels) + 1) * (1 - level) + 1e-9)
    if rank < 1:
        raise ValueError(
            f"expected at least {math.ceil(1 / (1 - level) - 1 - 1e-9)} rows for a level of "
            f"{level:g}, got {len(labels)}"
        )
    floored = np.maximum(np.asarray(probabilities, float), SMALLEST_PROBABILITY)
    chosen = floored[np.arange(len(floored)), np.asarray(labels, int)]
    return float(np.sort(chosen / floored.max(axis=1))[rank - 1])


def fit_corrected_temperature(
    labels: np.ndarray, probabilities: np.ndarray
) -> tuple[float, np.ndarray]:
    """Find the temperature and the bias (k,), of mean 0, of each class with the lowest NLL.

    Calibrated are softmax(ln p / temperature + biases) (Alexandari et al., 2020, arXiv:1901.06852):
    for networks whose training had other shares of the classes. Never fit it on the test split.
    """
    labels = np.asarray(labels, int)
    logits = np.log(np.maximum(np.asarray(probabilities, float), SMALLEST_PROBABILITY))
    classes = logits.shape[1]
    missing = sorted(set(range(classes)) - set(labels.tolist()))
    if missing:
        raise ValueError(
            f"expected validation rows of all {classes} classes to fit biases on, got none of "
            f"{missing}; give more rows, or fit a temperature alone"
        )
    truth = np.eye(classes)[labels]

    def loss(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        scaled = logits / np.exp(parameters[0])
        shifted = scaled + parameters[1:]
        normaliser = logsumexp(shifted, axis=1, keepdims=True)
        excess = np.exp(shifted - normaliser) - truth
        slope = [-(excess * scaled).sum(axis=1).mean(), *excess.mean(axis=0)]
        return float((normaliser[:, 0] - (shifted * truth).sum(axis=1)).mean()), np.array(slope)

    log_temperature, *biases = minimize(loss, np.zeros(classes + 1), jac=True).x
    return float(np.exp(log_temperature)), np.array(biases) - np.mean(biases)
