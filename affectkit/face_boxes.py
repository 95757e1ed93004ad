"""Find the faces of a table's images that have no face box yet."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from affectkit.data.images import ImageReadError, read_table_image
from affectkit.data.table import BOX_COLUMNS
from affectkit.detectors import load_detector
from affectkit.face_frame import Face


def add_face_boxes(
    table: pd.DataFrame, detect: Callable[[np.ndarray], list[Face]] | None = None
) -> pd.DataFrame:
    """Fill in the missing face boxes of a table: the largest face of each image.

    Parameters
    ----------
    table : pandas.DataFrame
        As documented in `affectkit.data.table`; rows with a box are left alone.
    detect : callable, optional
        From an image, uint8, shape (height, width, 3), RGB, to its faces, the largest first.
        Default: `affectkit.detectors.NearThenFar`.

    Returns
    -------
    pandas.DataFrame
        A copy. Rows in whose image no face was found, or that can't be read, still have no box;
        a warning counts them.
    """
    table = table.copy()
    missing = np.flatnonzero(table[list(BOX_COLUMNS)].isna().any(axis=1))
    if not len(missing):
        return table
    detect = detect or load_detector("blazeface")
    boxes = table[list(BOX_COLUMNS)].to_numpy(float, copy=True)
    records = table.iloc[missing].itertuples(index=False)
    progress = tqdm(records, total=len(missing), desc="finding faces", leave=False)
    for position, record in zip(missing, progress, strict=True):
        try:
            faces = detect(read_table_image(record))
        except ImageReadError:
            continue  # whoever reads the faces reports it
        if faces:
            boxes[position] = faces[0].box
    table[list(BOX_COLUMNS)] = boxes
    without = int(np.isnan(boxes).any(axis=1).sum())
    if without:
        warnings.warn(
            f"no face was found in {without} of {len(missing)} images, so these are taken as faces "
            "as they are; crop them, or give face boxes in labels.csv",
            UserWarning,
            stacklevel=2,
        )
    return table
