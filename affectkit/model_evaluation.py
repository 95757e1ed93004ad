"""Evaluate a saved model on a data set and write metrics, predictions and plots to a folder."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from affectkit import plots
from affectkit.atomic_files import atomic_path, remove_partials, write_atomically
from affectkit.data.datasets import load_table
from affectkit.data.skipped import SkippedRows
from affectkit.evaluation import evaluate_classification, evaluate_regression, write_metrics
from affectkit.face_boxes import add_face_boxes
from affectkit.inference import predict_table
from affectkit.labels import EXPRESSIONS
from affectkit.model_files import LoadedModel
from affectkit.safe_text import spreadsheet_name
from affectkit.training_targets import annotated_rows


class NoLabelsError(ValueError):
    """No row of the data has what the model predicts."""


def evaluate_run(
    loaded: LoadedModel,
    name: str,
    dataset: str,
    output: str | Path,
    root: str | Path | None = None,
    split: str | None = None,
    protocol: str | None = None,
    limit: int | None = None,
    seed: int = 0,
    bootstrap: int = 1000,
    flip: bool = False,
    find_faces: bool | None = None,
) -> dict:
    """Evaluate a loaded model.

    Parameters
    ----------
    loaded : LoadedModel
        From `affectkit.model_loading.load_any_models`.
    name : str
        What the result is called.
    dataset, root, protocol, limit, seed
        As in `affectkit.data.datasets.load_table`.
    output : str or Path
        Folder; gets metrics.json, predictions.csv, skipped_rows.csv and plots/*.png.
    split : str, optional
        train, validation, test or all; default: all of a folder, test of other data sets.
    bootstrap : int
        Resamples behind each interval.
    flip : bool
        As in `affectkit.inference.predict_faces`.
    find_faces : bool, optional
        Where a row has no face box, cut out the largest face that BlazeFace finds; otherwise the
        whole image is the face. Default: only of a folder.

    Returns
    -------
    dict
        The result, as in `affectkit.evaluation`.

    Raises
    ------
    ValueError
        If the data set lacks what the model predicts, or a setting is impossible.
    FileNotFoundError
        If the data set is missing.
    """
    split = split or ("all" if dataset == "folder" else "test")
    skipped = SkippedRows()
    try:
        table, train = _load(dataset, root, split, protocol, skipped, limit, seed)
        _check_labels(table, loaded.task)
        _warn_if_seen(loaded, table, split)
        if dataset == "folder" if find_faces is None else find_faces:
            table = add_face_boxes(table)
        predictions, table = predict_table(loaded, table, skipped, flip)
    finally:
        skipped.to_csv(Path(output) / "skipped_rows.csv")
    settings = {"bootstrap": bootstrap, "seed": seed, "train_table": train}
    settings["name"] = name
    if loaded.task == "classification":
        temperature = None if loaded.temperature == 1 else loaded.temperature
        result = evaluate_classification(predictions, table, temperature=temperature, **settings)
    else:
        result = evaluate_regression(predictions, table, **settings)
    folder = Path(output)
    for place in (folder, folder / "plots"):
        remove_partials(place)
    write_metrics(result, folder / "metrics.json")
    rows = predictions_table(predictions, table)
    rows["image_id"] = rows["image_id"].map(spreadsheet_name)
    write_atomically(folder / "predictions.csv", rows.to_csv(index=False))
    for name, figure in result_figures(result, predictions, table).items():
        with atomic_path(folder / "plots" / f"{name}.png") as partial:
            figure.savefig(partial, dpi=150)
    return result


def predictions_table(predictions: np.ndarray, table: pd.DataFrame) -> pd.DataFrame:
    """Put predictions beside the labels.

    Parameters
    ----------
    predictions : numpy.ndarray
        Shape (n, 8): probabilities; or (n, 2): valence and arousal.
    table : pandas.DataFrame
        The same rows.

    Returns
    -------
    pandas.DataFrame
        image_id, split, and for a classifier: expression (name, empty if unknown), predicted,
        and the probability of each expression; for a regressor: valence, arousal,
        predicted_valence and predicted_arousal.
    """
    columns = table[["image_id", "split"]].copy()
    if predictions.shape[1] == 2:
        columns[["valence", "arousal"]] = table[["valence", "arousal"]]
        columns["predicted_valence"], columns["predicted_arousal"] = predictions.T
        return columns
    names = dict(enumerate(EXPRESSIONS))
    columns["expression"] = table["expression"].map(names)
    columns["predicted"] = [names[code] for code in predictions.argmax(axis=1)]
    columns[[f"probability_{name.lower()}" for name in EXPRESSIONS]] = predictions
    return columns


def result_figures(result: dict, predictions: np.ndarray, table: pd.DataFrame) -> dict[str, Figure]:
    """Draw what there is to draw of a result; name of the plot to figure."""
    figures = {"metrics": plots.plot_metric_intervals(result)}
    if result["slices"]:
        figures["slices"] = plots.plot_slices(result)
    if result["task"] == "classification":
        figures["confusion_matrix"] = plots.plot_confusion_matrix(result)
        figures["reliability"] = plots.plot_reliability(result)
    else:
        truth = table[["valence", "arousal"]].to_numpy(float)
        figures["valence_arousal"] = plots.plot_valence_arousal_predictions(truth, predictions)
    return figures


def _load(
    dataset: str,
    root: str | Path | None,
    split: str,
    protocol: str | None,
    skipped: SkippedRows,
    limit: int | None,
    seed: int,
) -> tuple[pd.DataFrame, pd.DataFrame | None]:
    """Load the rows to evaluate, and the training rows that baselines are fitted on."""
    if split == "all":
        table = load_table(dataset, root, split, protocol, skipped, limit, seed)
        return table, None
    table = load_table(dataset, root, split, protocol, skipped, limit, seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # the same rows were reported just now
        everything = load_table(dataset, root, "all", protocol, limit=limit, seed=seed)
    train = everything[everything["split"] == "train"]
    return table, None if train.empty else train


def _check_labels(table: pd.DataFrame, task: str) -> None:
    if not annotated_rows(table, task).any():
        needed = "expressions 0..7" if task == "classification" else "valence and arousal"
        other = "classifier" if task == "regression" else "regressor"
        raise NoLabelsError(
            f"this model is for {task}, but none of the {len(table)} rows of "
            f"{table.attrs['dataset']!r} has {needed}; evaluate a {other}, choose another "
            "protocol, or add the labels"
        )


def _warn_if_seen(loaded: LoadedModel, table: pd.DataFrame, split: str) -> None:
    """Warn where a model is judged on what it may have learned from."""
    training = dict(loaded.card.get("training") or {})
    if split != "test" and training.get("dataset") == table.attrs["dataset"]:
        warnings.warn(
            f"the model was trained on {training['dataset']!r}, so it may have seen the "
            f"{'rows' if split == 'all' else split + ' rows'} that it is evaluated on: such "
            "numbers are too good. Use --split test for an honest one",
            UserWarning,
            stacklevel=3,
        )
