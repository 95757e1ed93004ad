"""Evaluate predicted valence and arousal."""

from __future__ import annotations

import numpy as np
import pandas as pd

from affectkit.evaluation.metrics import baselines
from affectkit.evaluation.metrics.bootstrap import bootstrap_intervals, clusters_of
from affectkit.evaluation.metrics.regression import AXES, regression_metrics
from affectkit.evaluation.parts import bootstrap_settings, check_rows, header, metric
from affectkit.evaluation.slices import slice_entries, slice_groups, slice_masks
from affectkit.files.json_forms import json_ready
from affectkit.labels import EXPRESSIONS


def evaluate_regression(
    predictions: np.ndarray,
    table: pd.DataFrame,
    *,
    protocol: str | None = None,
    bootstrap: int = 1000,
    seed: int = 0,
    train_table: pd.DataFrame | None = None,
    name: str = "model",
) -> dict:
    """Evaluate predicted valence and arousal.

    Parameters
    ----------
    predictions : array-like
        Shape (n, 2): valence, arousal in [-1, 1], one row a table row.
    table : pandas.DataFrame
        As in `affectkit.data.table`. Rows without valence or arousal are ignored and counted.
    protocol : str, optional
        Default: `table.attrs["protocol"]`.
    bootstrap : int
        Number of resamples behind each 95 % interval; 0 gives none.
    seed : int
        Of the resamples.
    train_table : pandas.DataFrame, optional
        The training split, to fit the baselines on; default: the evaluated rows.
    name : str
        What `compare` calls this result.

    Returns
    -------
    dict
        See `affectkit.evaluation`.

    Raises
    ------
    ValueError
        If the shape is wrong, a prediction is not a number or no row has valence and arousal.
    """
    predictions = check_rows(predictions, table, 2)
    if not np.isfinite(predictions).all():
        row = int((~np.isfinite(predictions)).any(axis=1).argmax())
        raise ValueError(
            f"expected finite valence and arousal, got {predictions[row]} in row {row}; "
            "training has diverged: lower the learning rate"
        )
    known = table[list(AXES)].notna().all(axis=1).to_numpy()
    result = header("regression", name, table, protocol, known)
    table, predictions = table[known], predictions[known]
    truth = table[list(AXES)].to_numpy(float)
    groups, skipped = slice_groups(table)
    masks = slice_masks(_expression_group(table) | groups)
    clusters = clusters_of(table)

    def statistic(weights: np.ndarray) -> dict:
        values = regression_metrics(truth, predictions, weights)
        for key, mask in masks.items():
            group = regression_metrics(truth[mask], predictions[mask], weights[:, mask])
            values |= {(key, name): group[name] for name in _SLICE_METRICS}
        return values

    intervals = bootstrap_intervals(statistic, len(table), bootstrap, seed, clusters)
    fitted_on = _labelled(train_table)

    def evaluate_slice(key: tuple[str, str], mask: np.ndarray) -> dict:
        values = regression_metrics(truth[mask], predictions[mask])
        return {name: metric(values[name], intervals.get((key, name))) for name in _SLICE_METRICS}

    train = table if fitted_on is None else fitted_on
    references = {
        "constant_mean": baselines.constant_predictions(train, len(table)),
        "constant_affectnet": baselines.affectnet_constant_predictions(len(table)),
        "class_mean_oracle": baselines.class_mean_predictions(train, table),
    }
    return json_ready(
        result
        | {
            "derived_rows": int(table["derived_valence_arousal"].sum()),
            "metrics": {
                key: metric(value, intervals.get(key))
                for key, value in regression_metrics(truth, predictions).items()
            },
            "baselines": {
                key: regression_metrics(truth, values) for key, values in references.items()
            },
            "baselines_fitted_on": "evaluated rows" if fitted_on is None else "train",
            "slices": slice_entries(masks, evaluate_slice),
            "slices_skipped": skipped,
            "bootstrap": bootstrap_settings(bootstrap, seed, clusters, len(table)),
        }
    )


_SLICE_METRICS = ("valence_ccc", "arousal_ccc", "valence_rmse", "arousal_rmse")


def _labelled(train_table: pd.DataFrame | None) -> pd.DataFrame | None:
    """Give the training table if it has any valence and arousal."""
    usable = train_table is not None and train_table[list(AXES)].notna().all(axis=1).any()
    return train_table if usable else None


def _expression_group(table: pd.DataFrame) -> dict[str, pd.Series]:
    """Group by true expression, where at least two are known."""
    codes = table["expression"].to_numpy(float, na_value=np.nan)
    names = [
        EXPRESSIONS[int(code)] if 0 <= code < len(EXPRESSIONS) else "none or unknown"
        for code in np.nan_to_num(codes, nan=-1)
    ]
    present = [name for name in (*EXPRESSIONS, "none or unknown") if name in set(names)]
    column = pd.Series(names, table.index, dtype=pd.CategoricalDtype(present, ordered=True))
    return {"expression": column} if len(present) > 1 else {}
