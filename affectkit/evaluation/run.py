"""Evaluate a saved model on a data set and write metrics and predictions to a folder."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from affectkit.data.datasets import load_table
from affectkit.data.skipped import SkippedRows
from affectkit.data.table import annotated_rows
from affectkit.evaluation.classification import evaluate_classification
from affectkit.evaluation.regression import evaluate_regression
from affectkit.evaluation.results import write_metrics
from affectkit.files.atomic import remove_partials, write_atomically
from affectkit.files.safe_text import spreadsheet_name
from affectkit.labels import EXPRESSIONS
from affectkit.models.inference import predict_table
from affectkit.models.opening import Model
from affectkit.pipeline.detect.boxes import add_face_boxes


class NoLabelsError(ValueError):
    """No row of the data has what the model predicts."""


@dataclass(frozen=True)
class EvaluationSettings:
    """What a model is evaluated on, and how.

    Attributes
    ----------
    dataset, root, protocol, limit, seed, labels, follow_links
        As in `affectkit.data.load_table`.
    split : str, optional
        train, validation, test or all; default: all of a folder, test of other data sets.
    bootstrap : int
        Resamples behind each interval; 0 for none.
    flip : bool
        Average the answers for each face and its mirror image.
    find_faces : bool, optional
        Where a row has no face box, cut out the largest face that BlazeFace finds; otherwise the
        whole image is the face. Default: only of a folder.
    """

    dataset: str
    root: str | Path | None = None
    split: str | None = None
    protocol: str | None = None
    limit: int | None = None
    seed: int = 0
    bootstrap: int = 1000
    flip: bool = False
    find_faces: bool | None = None
    labels: str = ""
    follow_links: bool = False


@dataclass(frozen=True)
class EvaluationRun:
    """A result and what it was computed from.

    Attributes
    ----------
    result : dict
        As in `affectkit.evaluation`.
    predictions : numpy.ndarray
        float32, shape (n, 8): probabilities; or (n, 2): valence and arousal.
    table : pandas.DataFrame
        The rows that were evaluated, in the order of the predictions.
    left_out : str
        What was left out, counted by kind; "" if nothing was.
    """

    result: dict
    predictions: np.ndarray
    table: pd.DataFrame
    left_out: str = ""


def evaluate_run(
    loaded: Model, name: str, output: str | Path, settings: EvaluationSettings
) -> EvaluationRun:
    """Evaluate a loaded model.

    Parameters
    ----------
    loaded : Model
        For one task: see `affectkit.models.Model.for_task`.
    name : str
        What the result is called.
    output : str or Path
        Folder; gets metrics.json, predictions.csv and skipped_rows.csv.
    settings : EvaluationSettings
        The data, and how it is evaluated.

    Returns
    -------
    EvaluationRun
        The result and what it was computed from.

    Raises
    ------
    NoLabelsError
        If no row of the data has what the model predicts.
    ValueError
        If a setting is impossible.
    FileNotFoundError
        If the data set is missing.
    """
    folder, is_folder = Path(output), settings.dataset == "folder"
    split = settings.split or ("all" if is_folder else "test")
    skipped = SkippedRows()
    try:
        table, train = _load(settings, split, skipped)
        _check_labels(table, loaded.task)
        _warn_if_seen(loaded, table, split)
        if is_folder if settings.find_faces is None else settings.find_faces:
            table = add_face_boxes(table)
        predictions, table = predict_table(loaded, table, skipped, settings.flip)
    finally:
        skipped.to_csv(folder / "skipped_rows.csv")
    common = {"bootstrap": settings.bootstrap, "seed": settings.seed, "train_table": train}
    if loaded.task == "classification":
        temperature = loaded.temperature_for(table.attrs["protocol"])
        result = evaluate_classification(
            predictions,
            table,
            temperature=None if temperature == 1 else temperature,
            plausible_share=loaded.confidence.get("plausible_share"),
            name=name,
            **common,
        )
    else:
        result = evaluate_regression(predictions, table, name=name, **common)
    remove_partials(folder)
    write_metrics(result, folder / "metrics.json")
    rows = _predictions_table(predictions, table)
    rows["image_id"] = rows["image_id"].map(spreadsheet_name)
    write_atomically(folder / "predictions.csv", rows.to_csv(index=False))
    return EvaluationRun(result, predictions, table, skipped.summary())


def _predictions_table(predictions: np.ndarray, table: pd.DataFrame) -> pd.DataFrame:
    """Put predictions, (n, 8) or (n, 2), beside the labels of the same rows."""
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


def _load(
    settings: EvaluationSettings, split: str, skipped: SkippedRows
) -> tuple[pd.DataFrame, pd.DataFrame | None]:
    """Load the rows to evaluate, and the training rows that baselines are fitted on."""
    names = ("dataset", "root", "protocol", "limit", "seed", "labels", "follow_links")
    source = {name: getattr(settings, name) for name in names}
    table = load_table(split=split, skipped=skipped, **source)
    if split == "all":
        return table, None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # the same rows were reported just now
        everything = load_table(split="all", **source)
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


def _warn_if_seen(loaded: Model, table: pd.DataFrame, split: str) -> None:
    """Warn where a model is judged on what it may have learned from."""
    training = loaded.training
    if split != "test" and training.get("dataset") == table.attrs["dataset"]:
        warnings.warn(
            f"the model was trained on {training['dataset']!r}, so it may have seen the "
            f"{'rows' if split == 'all' else split + ' rows'} that it is evaluated on: such "
            "numbers are too good. Use --split test for an honest one",
            UserWarning,
            stacklevel=3,
        )
