"""Evaluate predicted expressions, and find the worst mistakes among them."""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.metrics import (
    cohen_kappa_score,
    confusion_matrix,
    precision_recall_fscore_support,
)

from affectkit.evaluation.metrics import baselines, calibration
from affectkit.evaluation.metrics.bootstrap import bootstrap_intervals, clusters_of
from affectkit.evaluation.metrics.classification import (
    classification_metrics,
    resampled_classification_metrics,
)
from affectkit.evaluation.parts import bootstrap_settings, check_rows, header, metric, protocol_of
from affectkit.evaluation.probabilities import protocol_probabilities
from affectkit.evaluation.slices import slice_entries, slice_groups, slice_masks
from affectkit.files.json_forms import json_ready
from affectkit.labels import EXPRESSIONS, NUM_EXPRESSIONS, expression_code
from affectkit.models.temperature import plausible_expressions

_LOSSES = {"nll": calibration.negative_log_likelihoods, "brier": calibration.brier_scores}


def evaluate_classification(
    probabilities: np.ndarray,
    table: pd.DataFrame,
    *,
    protocol: str | None = None,
    bootstrap: int = 1000,
    seed: int = 0,
    train_table: pd.DataFrame | None = None,
    temperature: float | None = None,
    plausible_share: float | None = None,
    name: str = "model",
) -> dict:
    """Evaluate predicted expressions.

    Parameters
    ----------
    probabilities : array-like
        Shape (n, 8), one row a table row, in the order of `EXPRESSIONS`, sum 1.
    table : pandas.DataFrame
        As in `affectkit.data.table`. Rows without an expression 0..7 are ignored and counted.
    protocol : str, optional
        Default: `table.attrs["protocol"]`.
    bootstrap : int
        Number of resamples behind each 95 % interval; 0 gives none.
    seed : int
        Of the resamples and the stratified dummy.
    train_table : pandas.DataFrame, optional
        The training split, to fit the baselines on; default: the evaluated rows.
    temperature : float, optional
        From `affectkit.evaluation.fit_temperature` on the validation split. The metrics are
        those of the probabilities as given; `calibration.after` uses it.
    plausible_share : float, optional
        From `affectkit.evaluation.fit_plausible_share`: gives `plausible`.
    name : str
        What `compare` calls this result.

    Returns
    -------
    dict
        See `affectkit.evaluation`.

    Raises
    ------
    ValueError
        If shapes or probabilities are wrong, no row has an expression, or a 7-class protocol
        meets a true Contempt.
    """
    probabilities = check_rows(probabilities, table, NUM_EXPRESSIONS)
    labels = _expression_codes(table, NUM_EXPRESSIONS)
    known = labels >= 0
    result = header("classification", name, table, protocol, known)
    table, labels = table[known], labels[known]
    probabilities = protocol_probabilities(probabilities[known], result["protocol"])
    classes = EXPRESSIONS[: probabilities.shape[1]]
    if labels.max() >= len(classes):
        raise ValueError(
            f"expected no Contempt under the protocol {result['protocol']!r}, got "
            f"{(labels >= len(classes)).sum()} such rows; load the table with this protocol"
        )
    predictions = probabilities.argmax(axis=1)
    correct = (predictions == labels).astype(float)
    stages = {"before": probabilities}
    if temperature is not None:
        stages["after"] = calibration.apply_temperature(probabilities, temperature)
    losses = {
        (stage, name): loss(labels, values)
        for stage, values in stages.items()
        for name, loss in _LOSSES.items()
    }
    if plausible_share is not None:
        sets = plausible_expressions(probabilities, plausible_share)
        losses["plausible", "coverage"] = sets[np.arange(len(sets)), labels].astype(float)
        losses["plausible", "size"] = sets.sum(axis=1).astype(float)
    groups, skipped = slice_groups(table)
    masks = slice_masks(groups)
    slice_vectors = {key: (correct * mask, mask.astype(float)) for key, mask in masks.items()}
    clusters = clusters_of(table)

    def statistic(weights: np.ndarray) -> dict:
        values = resampled_classification_metrics(labels, probabilities, weights)
        values |= {key: weights @ loss / weights.sum(axis=1) for key, loss in losses.items()}
        with np.errstate(invalid="ignore"):
            for key, (hits, members) in slice_vectors.items():
                values[key] = (weights @ hits) / (weights @ members)
        return values

    intervals = bootstrap_intervals(statistic, len(table), bootstrap, seed, clusters)
    train_labels = np.array([], int)
    if train_table is not None:
        train_labels = _expression_codes(train_table, len(classes))
        train_labels = train_labels[train_labels >= 0]
    fitted_on_train = len(train_labels) > 0
    result |= {
        "metrics": {
            key: metric(value, intervals.get(key))
            for key, value in classification_metrics(labels, probabilities).items()
        },
        "classes": classes,
        "macro_classes": [classes[code] for code in np.unique(labels)],
        "confusion_matrix": confusion_matrix(labels, predictions, labels=range(len(classes))),
        "per_class": _per_class(labels, predictions, classes),
        "baselines": _baselines(
            labels, train_labels if fitted_on_train else labels, len(classes), seed
        ),
        "baselines_fitted_on": "train" if fitted_on_train else "evaluated rows",
        "calibration": {"bins": calibration.BINS, "temperature": temperature, "after": None}
        | {
            stage: {
                "ece": metric(calibration.expected_calibration_error(labels, values)),
                **{
                    name: metric(losses[stage, name].mean(), intervals.get((stage, name)))
                    for name in _LOSSES
                },
                "table": calibration.reliability_table(labels, values).to_dict("records"),
            }
            for stage, values in stages.items()
        },
        "slices": slice_entries(
            masks,
            lambda key, mask: {"accuracy": metric(correct[mask].mean(), intervals.get(key))},
        ),
        "slices_skipped": skipped,
        "bootstrap": bootstrap_settings(bootstrap, seed, clusters, len(table)),
    }
    if plausible_share is not None:
        result["plausible"] = {"share": plausible_share} | {
            name: metric(losses["plausible", name].mean(), intervals.get(("plausible", name)))
            for name in ("coverage", "size")
        }
    if ceiling := _noise_ceiling(table, labels, predictions):
        result["noise_ceiling"] = ceiling
    return json_ready(result)


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
    labels = _expression_codes(table, values.shape[1])
    predicted = values.argmax(axis=1)
    confidence = values.max(axis=1)
    wrong = np.flatnonzero((labels >= 0) & (predicted != labels))
    worst = wrong[np.argsort(-confidence[wrong], kind="stable")][:count]
    return table.iloc[worst].assign(
        true=[EXPRESSIONS[code] for code in labels[worst]],
        predicted=[EXPRESSIONS[code] for code in predicted[worst]],
        confidence=confidence[worst],
        true_probability=values[worst, labels[worst]],
    )


def _expression_codes(table: pd.DataFrame, classes: int) -> np.ndarray:
    """Give the expressions as codes 0..classes-1, and -1 for all others; int, shape (n,)."""
    codes = table["expression"].to_numpy(float, na_value=np.nan)
    return np.where((codes >= 0) & (codes < classes), codes, -1).astype(int)


def _per_class(labels: np.ndarray, predictions: np.ndarray, classes: tuple[str, ...]) -> dict:
    precision, recall, f1, rows = precision_recall_fscore_support(
        labels, predictions, labels=range(len(classes)), zero_division=0
    )
    return {
        expression: {"precision": precision[k], "recall": recall[k], "f1": f1[k], "n": rows[k]}
        for k, expression in enumerate(classes)
    }


def _baselines(labels: np.ndarray, train_labels: np.ndarray, classes: int, seed: int) -> dict:
    """Give the metrics of each dummy, with its calibration losses."""
    result = {}
    for strategy in baselines.DUMMY_STRATEGIES:
        values = baselines.dummy_probabilities(train_labels, len(labels), strategy, seed, classes)
        result[f"dummy_{strategy}"] = classification_metrics(labels, values) | {
            "ece": calibration.expected_calibration_error(labels, values),
            **{name: loss(labels, values).mean() for name, loss in _LOSSES.items()},
        }
    return result


def _noise_ceiling(table: pd.DataFrame, labels: np.ndarray, predictions: np.ndarray) -> dict:
    """Compare labels and predictions with what other annotations a table has."""
    result = {}
    second, known = _annotations(table, "expression_second")
    if known.any():
        result["annotator_agreement"] = (labels == second)[known].mean()
        if len(np.union1d(labels[known], second[known])) > 1:
            result["annotator_kappa"] = cohen_kappa_score(labels[known], second[known])
    clean, known = _annotations(table, "expression_clean")
    if known.any():
        result["label_accuracy"] = (labels == clean)[known].mean()
        result["accuracy_against_clean"] = (predictions == clean)[known].mean()
    return result


def _annotations(table: pd.DataFrame, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Read a column of codes or names, if it is there: codes, and a mask of the known ones."""
    values = table.get(name, [None] * len(table))
    codes = np.array([-1 if pd.isna(value) else expression_code(value) for value in values])
    return codes, codes >= 0
