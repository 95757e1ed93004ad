"""Predict expressions, or valence and arousal, for the faces of a table."""

from __future__ import annotations

import numpy as np
import pandas as pd
import tensorflow as tf

from affectkit.data.skipped import SkippedRows
from affectkit.input_pipeline import load_faces, make_batches
from affectkit.model_files import LoadedModel
from affectkit.preprocess import scale_pixels


def predict_faces(
    loaded: LoadedModel, table: pd.DataFrame, faces: np.ndarray | None, batch_size: int = 128
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

    Returns
    -------
    numpy.ndarray
        float32, shape (n, 8): probabilities before temperature scaling; or (n, 2): valence and
        arousal in [-1, 1].
    """
    batches = make_batches(table, faces, loaded.preprocessing, batch_size=batch_size)
    scaled = batches.map(lambda pixels: scale_pixels(tf.cast(pixels, tf.float32)))
    return loaded.model.predict(scaled, verbose=0)


def predict_table(
    loaded: LoadedModel, table: pd.DataFrame, skipped: SkippedRows | None = None
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

    Returns
    -------
    predictions : numpy.ndarray
        As `predict_faces` gives them.
    table : pandas.DataFrame
        The rows that were read, in the order of the predictions.
    """
    faces, kept = load_faces(table, loaded.preprocessing, skipped)
    return predict_faces(loaded, kept, faces), kept
