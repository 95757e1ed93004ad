"""Evaluate predicted expressions. The result's schema is in `affectkit.evaluation`."""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from affectkit.evaluation.metrics import baselines, calibration
from affectkit.evaluation.metrics.bootstrap import bootstrap_intervals, clusters_of
from affectkit.evaluation.metrics.classification import (
    classification_metrics,
    resampled_classification_metrics,
)
from affectkit.evaluation.noise_ceiling import noise_ceiling
from affectkit.evaluation.parts import bootstrap_settings, check_rows, header, metric
from affectkit.evaluation.probabilities import protocol_probabilities
from affectkit.evaluation.results import json_ready
from affectkit.evaluation.slices import slice_entries, slice_groups, slice_masks
from affectkit.labels import EXPRESSIONS, NUM_EXPRESSIONS

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
        From `affectkit.calibration.fit_temperature` on the validation split. The metrics are
        those of the probabilities as given; `calibration.after` uses it.
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
    codes = table["expression"].to_numpy(float, na_value=np.nan)
    known = (codes >= 0) & (codes < NUM_EXPRESSIONS)
    result = header("classification", name, table, protocol, known)
    table, labels = table[known], codes[known].astype(int)
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
    train_labels = _expression_codes(train_table, len(classes))
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
    ceiling = noise_ceiling(table, predictions)
    return json_ready(result | ({} if ceiling is None else {"noise_ceiling": ceiling}))


def _expression_codes(table: pd.DataFrame | None, classes: int) -> np.ndarray:
    """Give the codes 0..classes-1 among a table's expressions."""
    if table is None:
        return np.array([], int)
    codes = table["expression"].to_numpy(float, na_value=np.nan)
    return codes[(codes >= 0) & (codes < classes)].astype(int)


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
