"""Predict expressions, or valence and arousal, for the faces of a table."""

from __future__ import annotations

import numpy as np
import pandas as pd
import tensorflow as tf

from affectkit.data.batches import load_faces, make_batches
from affectkit.data.skipped import SkippedRows
from affectkit.models.keras_models import LoadedModel
from affectkit.preprocess import scale_pixels


def predict_faces(
    loaded: LoadedModel,
    table: pd.DataFrame,
    faces: np.ndarray | None,
    batch_size: int = 128,
    flip: bool = False,
) -> np.ndarray:
    """Predict for faces that were already read.

    Parameters
    ----------
    loaded : LoadedModel
        From `load_model`.
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
    batches = make_batches(table, faces, loaded.preprocessing, batch_size=batch_size)
    scaled = batches.map(lambda pixels: scale_pixels(tf.cast(pixels, tf.float32)))
    answers = loaded.model.predict(scaled, verbose=0)
    if flip:
        mirrored = loaded.model.predict(scaled.map(lambda batch: batch[:, :, ::-1]), verbose=0)
        answers = (answers + mirrored) / 2
    return answers


def predict_table(
    loaded: LoadedModel,
    table: pd.DataFrame,
    skipped: SkippedRows | None = None,
    flip: bool = False,
) -> tuple[np.ndarray, pd.DataFrame]:
    """Read the faces of a table as the model wants them, and predict.

    Parameters
    ----------
    loaded : LoadedModel
        From `load_model`.
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
