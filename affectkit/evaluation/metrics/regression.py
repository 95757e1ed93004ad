"""Metrics of the valence and arousal regressor: RMSE, CORR, SAGR and CCC an axis.

The list is that of Mollahosseini et al. (2017, doi:10.1109/TAFFC.2017.2740923). All four are
functions of weighted moments, so that one implementation serves single values (weights of 1) and
the bootstrap.
"""

from __future__ import annotations

import numpy as np

AXES = ("valence", "arousal")
AXIS_METRICS = ("ccc", "corr", "sagr", "rmse")
REGRESSION_METRICS = (*(f"{axis}_{name}" for axis in AXES for name in AXIS_METRICS), "mean_ccc")
_CONSTANT_VARIANCE = 1e-12


def axis_metrics(
    truth: np.ndarray, predictions: np.ndarray, weights: np.ndarray | None = None
) -> dict[str, np.ndarray]:
    """Compute the metrics of one axis (n,), for one or many weightings (resamples, n) of the rows.

    Rows where truth or prediction is NaN do not count. A constant prediction has ccc and corr 0, a
    constant truth has neither (NaN); without a row, all are NaN. No case warns.
    """
    truth, predictions = (np.asarray(values, float).ravel() for values in (truth, predictions))
    if truth.shape != predictions.shape:
        raise ValueError(
            f"expected as many predictions as true values, got {len(predictions)} and {len(truth)}"
        )
    known = np.isfinite(truth) & np.isfinite(predictions)
    single = weights is None
    weights = np.ones((1, known.sum())) if single else np.asarray(weights, float)[:, known]
    truth, predictions = truth[known], predictions[known]
    centre = truth.mean() if len(truth) else 0.0
    x, y = truth - centre, predictions - centre
    agree = np.sign(truth) == np.sign(predictions)
    moments = weights @ np.stack([x, y, x * x, y * y, x * y, (x - y) ** 2, agree], axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        moments /= weights.sum(axis=1, keepdims=True)
        mean_x, mean_y, xx, yy, xy, squared_error, sagr = moments.T
        variance_x, variance_y = xx - mean_x**2, yy - mean_y**2
        covariance = xy - mean_x * mean_y
        ccc = 2 * covariance / (variance_x + variance_y + (mean_x - mean_y) ** 2)
        corr = covariance / np.sqrt(variance_x * variance_y)
    no_truth = ~(variance_x > _CONSTANT_VARIANCE)
    no_prediction = ~(variance_y > _CONSTANT_VARIANCE)
    ccc = np.where(no_truth, np.nan, np.where(no_prediction, 0.0, ccc))
    corr = np.where(no_truth, np.nan, np.where(no_prediction, 0.0, np.clip(corr, -1, 1)))
    values = dict(zip(AXIS_METRICS, (ccc, corr, sagr, np.sqrt(squared_error)), strict=True))
    return {name: float(value[0]) for name, value in values.items()} if single else values


def regression_metrics(
    truth: np.ndarray, predictions: np.ndarray, weights: np.ndarray | None = None
) -> dict[str, np.ndarray]:
    """Compute the metrics of both axes and the mean of their CCC.

    Parameters
    ----------
    truth, predictions : array-like
        Shape (n, 2): valence, arousal, in [-1, 1]; NaN = not known, ignored an axis.
    weights : numpy.ndarray, optional
        Shape (resamples, n): how often each row counts; default: every row once.

    Returns
    -------
    dict of str to float, or to numpy.ndarray of shape (resamples,) if weights are given
        Of each axis, `valence_ccc` and so on. ``ccc``: concordance
        2 cov / (var + var + (difference of means)^2) with population variances (Lin, 1989,
        doi:10.2307/2532051); 0 for a constant prediction, NaN for a constant truth. ``corr``:
        Pearson, likewise. ``sagr``: share of rows of equal sign, where sign(0) = 0, so that a true
        0 agrees with a predicted 0 alone, as in the paper's formula. ``rmse``: root mean squared
        error. And `mean_ccc` of both.

    Raises
    ------
    ValueError
        If a shape is not (n, 2) or the two differ.
    """
    truth, predictions = np.asarray(truth, float), np.asarray(predictions, float)
    if truth.ndim != 2 or truth.shape[1] != 2 or truth.shape != predictions.shape:
        raise ValueError(
            "expected valence and arousal as two arrays of one shape (n, 2), got truth "
            f"{truth.shape} and predictions {predictions.shape}"
        )
    result = {}
    for position, axis in enumerate(AXES):
        values = axis_metrics(truth[:, position], predictions[:, position], weights)
        result |= {f"{axis}_{name}": value for name, value in values.items()}
    return result | {"mean_ccc": (result["valence_ccc"] + result["arousal_ccc"]) / 2}
