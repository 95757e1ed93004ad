"""Metrics of the expression classifier: the list of the AffectNet paper.

Mollahosseini et al. (2017, doi:10.1109/TAFFC.2017.2740923) report accuracy, F1, Cohen's kappa,
Krippendorff's alpha, area under the precision-recall curve and under the ROC curve. Single values
come from scikit-learn, alpha from its definition. For the bootstrap,
`resampled_classification_metrics` computes the same values for many weightings of the rows at once;
tests hold the two equal, and alpha equal to that of the package krippendorff.

Averages are macro (each class counts alike) over the classes that have a true row: all 8, or all
7 without contempt, in AffectNet's protocols. The paper also gives skew-normalised scores (of test
rows drawn to equal class sizes); on its published, balanced validation split they coincide with
the plain ones, so that they are not repeated here.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from sklearn import metrics as sklearn_metrics

CONFUSION_METRICS = ("accuracy", "macro_f1", "cohen_kappa", "krippendorff_alpha")
CLASSIFICATION_METRICS = (*CONFUSION_METRICS, "roc_auc", "auc_pr")


def confusion_metrics(matrix: np.ndarray, classes: np.ndarray | None = None) -> dict:
    """Give `CONFUSION_METRICS` of matrices (..., k, k), rows true: each of shape (...).

    Macro F1 averages over `classes`, else over those with a true row in some matrix. Kappa and
    alpha are NaN where truth and prediction hold one and the same class only.
    """
    matrix = np.asarray(matrix, float)
    total = matrix.sum(axis=(-2, -1))
    true, predicted = matrix.sum(axis=-1), matrix.sum(axis=-2)
    hits = np.diagonal(matrix, axis1=-2, axis2=-1)
    if classes is None:
        classes = np.flatnonzero(true.reshape(-1, true.shape[-1]).sum(axis=0))
    with np.errstate(divide="ignore", invalid="ignore"):
        accuracy = hits.sum(axis=-1) / total
        f1 = (2 * hits / (true + predicted))[..., classes]
        defined = ~np.isnan(f1)
        macro_f1 = np.where(defined, f1, 0).sum(axis=-1) / defined.sum(axis=-1)
        chance = (true * predicted).sum(axis=-1) / total**2
        kappa = (accuracy - chance) / (1 - chance)
        pooled = true + predicted
        pairs = 2 * total * (2 * total - 1)
        expected = 1 - (pooled * (pooled - 1)).sum(axis=-1) / pairs
        alpha = 1 - (1 - accuracy) / expected
    same = expected <= 1e-15
    values = (accuracy, macro_f1, np.where(same, np.nan, kappa), np.where(same, np.nan, alpha))
    return {
        name: value if np.ndim(value) else float(value)
        for name, value in zip(CONFUSION_METRICS, values, strict=True)
    }


def nominal_alpha(matrix: np.ndarray) -> float:
    """Give Krippendorff's alpha for nominal data from a confusion matrix of counts, shape (k, k).

    Truth and prediction are the two raters; chance is drawing two of the 2n pooled values without
    replacement (Krippendorff 2004, Content Analysis, ch. 11). NaN where all values are the same.
    """
    pairs = np.asarray(matrix, float) + np.transpose(matrix)
    values = pairs.sum(axis=0)
    by_chance = np.outer(values, values) / (values.sum() - 1)
    differ = ~np.eye(len(pairs), dtype=bool)
    expected = (by_chance * differ).sum()
    return float(1 - (pairs * differ).sum() / expected) if expected else float("nan")


def classification_metrics(labels: np.ndarray, probabilities: np.ndarray) -> dict[str, float]:
    """Compute the AffectNet list for one set of predictions.

    Parameters
    ----------
    labels : array-like of int
        Shape (n,), codes 0..k-1.
    probabilities : array-like
        Shape (n, k), rows sum to 1; the prediction is the largest, the first of equal ones.

    Returns
    -------
    dict of str to float
        accuracy, macro_f1, cohen_kappa, krippendorff_alpha, roc_auc (one-vs-rest) and auc_pr
        (average precision). NaN where undefined (one class only).
    """
    labels = np.asarray(labels, int)
    probabilities = np.asarray(probabilities, float)
    predictions = probabilities.argmax(axis=1)
    present = np.unique(labels)
    scored = [k for k in present if not (labels == k).all()]
    kappa = alpha = np.nan
    if len(np.union1d(labels, predictions)) > 1:
        kappa = sklearn_metrics.cohen_kappa_score(labels, predictions)
        alpha = nominal_alpha(sklearn_metrics.confusion_matrix(labels, predictions))
    return {
        "accuracy": float(sklearn_metrics.accuracy_score(labels, predictions)),
        "macro_f1": float(
            sklearn_metrics.f1_score(
                labels, predictions, labels=present, average="macro", zero_division=0
            )
        ),
        "cohen_kappa": float(kappa),
        "krippendorff_alpha": float(alpha),
        "roc_auc": _macro(sklearn_metrics.roc_auc_score, labels, probabilities, scored),
        "auc_pr": _macro(sklearn_metrics.average_precision_score, labels, probabilities, scored),
    }


def _macro(
    metric: Callable[..., float], labels: np.ndarray, probabilities: np.ndarray, classes: list[int]
) -> float:
    """Average a one-vs-rest ranking metric over classes; NaN without one."""
    values = [metric(labels == k, probabilities[:, k]) for k in classes]
    return float(np.mean(values)) if values else float("nan")


def resampled_classification_metrics(
    labels: np.ndarray, probabilities: np.ndarray, weights: np.ndarray
) -> dict[str, np.ndarray]:
    """Compute `classification_metrics` for weights (resamples, n) of the rows: (resamples,) each.

    A class that a resample missed is left out of its averages.
    """
    size = probabilities.shape[1]
    present = np.unique(labels)
    cells = labels * size + probabilities.argmax(axis=1)
    counts = [np.bincount(cells, row, size * size) for row in weights]
    matrices = np.reshape(counts, (-1, size, size))
    curves = [_areas(labels == k, probabilities[:, k], weights) for k in present]
    areas = np.ma.masked_invalid(curves).mean(axis=0).filled(np.nan)
    return confusion_metrics(matrices, present) | {"roc_auc": areas[0], "auc_pr": areas[1]}


def _areas(positive: np.ndarray, scores: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Give weighted ROC AUC and average precision, shape (2, resamples), ties handled.

    Both are sums over the positive rows: of the negatives ranked below (tied ones half), and of
    the precision when everything down to the row's score is selected.
    """
    order = np.argsort(-scores, kind="stable")
    ranked, is_positive = -scores[order], positive[order]
    places = np.flatnonzero(is_positive)
    first = np.searchsorted(ranked, ranked[places], side="left")
    last = np.searchsorted(ranked, ranked[places], side="right")
    hits_before = np.r_[0, is_positive.cumsum()]

    ranked_weights = np.take(weights, order, axis=1)
    own = ranked_weights[:, places]
    selected, hits = _running_sum(ranked_weights), _running_sum(own)
    total_hits = hits[:, -1]
    total_misses = selected[:, -1] - total_hits
    above, upto = np.take(selected, first, axis=1), np.take(selected, last, axis=1)
    hits_above, hits_upto = hits[:, hits_before[first]], hits[:, hits_before[last]]
    misses = (above - hits_above + upto - hits_upto) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        roc = 1 - (own * misses).sum(axis=1) / (total_hits * total_misses)
        precision = hits_upto / np.maximum(upto, 1e-300)
        average_precision = (own * precision).sum(axis=1) / total_hits
    average_precision[total_misses == 0] = np.nan
    return np.stack([roc, average_precision])


def _running_sum(values: np.ndarray) -> np.ndarray:
    """Give cumulative sums along the rows, starting with 0: shape (b, n) to (b, n + 1)."""
    sums = np.zeros((values.shape[0], values.shape[1] + 1))
    np.cumsum(values, axis=1, out=sums[:, 1:])
    return sums
