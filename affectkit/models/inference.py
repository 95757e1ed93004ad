"""Predict expressions, or valence and arousal, for the faces of a table."""

from __future__ import annotations

import numpy as np
import pandas as pd
import tensorflow as tf

from affectkit.data.batches import load_faces, make_batches
from affectkit.data.skipped import SkippedRows
from affectkit.models.opening import Model
from affectkit.models.runtimes import KerasNetwork
from affectkit.preprocess import scale_pixels


def predict_faces(
    loaded: Model,
    table: pd.DataFrame,
    faces: np.ndarray | None,
    batch_size: int = 128,
    flip: bool = False,
) -> np.ndarray:
    """Predict for faces that were already read.

    Parameters
    ----------
    loaded : Model
        For one task: see `Model.for_task`.
    table, faces
        What `load_faces(table, loaded.preprocessing)` returned.
    batch_size : int
        Faces a step.
    flip : bool
        Give the mean of the answers for each face and its mirror image (test-time augmentation):
        mostly a little better, in twice the time.

    Returns
    -------
    numpy.ndarray
        float32, shape (n, 8): probabilities before temperature scaling; or (n, 2): valence and
        arousal in [-1, 1].
    """
    if len(loaded.outputs) > 1:
        raise ValueError(
            f"{loaded.name} gives {' and '.join(loaded.outputs)}; choose one with .for_task(TASK)"
        )
    batches = make_batches(table, faces, loaded.preprocessing, batch_size=batch_size)
    scaled = batches.map(lambda pixels: scale_pixels(tf.cast(pixels, tf.float32)))
    answers = _predict(loaded, scaled)
    if flip:
        answers = (answers + _predict(loaded, scaled.map(lambda batch: batch[:, :, ::-1]))) / 2
    return answers


def _predict(model: Model, batches: tf.data.Dataset) -> np.ndarray:
    """Predict for batches with the only output; Keras in its own loop, with progress unseen."""
    (network,) = model.networks
    if isinstance(network, KerasNetwork):
        return network.model.predict(batches, verbose=0)
    (output,) = model.outputs
    return np.concatenate([network(np.asarray(batch, np.float32))[output] for batch in batches])


def predict_table(
    loaded: Model,
    table: pd.DataFrame,
    skipped: SkippedRows | None = None,
    flip: bool = False,
) -> tuple[np.ndarray, pd.DataFrame]:
    """Read the faces of a table as the model wants them, and predict.

    Parameters
    ----------
    loaded : Model
        For one task: see `Model.for_task`.
    table : pandas.DataFrame
        As documented in `affectkit.data.table`.
    skipped : SkippedRows, optional
        Where rows that can't be read are noted.
    flip : bool
        As in `predict_faces`.

    Returns
    -------
    predictions : numpy.ndarray
        As `predict_faces` gives them.
    table : pandas.DataFrame
        The rows that were read, in the order of the predictions.
    """
    faces, kept = load_faces(table, loaded.preprocessing, skipped)
    return predict_faces(loaded, kept, faces, flip=flip), kept
