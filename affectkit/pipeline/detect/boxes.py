"""Find the faces of a table's images that have no face box yet, and write them down."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from affectkit.data.image_files import relative_names
from affectkit.data.images import read_table_image
from affectkit.data.label_files import LINE, read_label_csv
from affectkit.data.sets.folder import LABEL_COLUMNS, find_labels, load_folder
from affectkit.data.skipped import SkippedRows
from affectkit.data.table import BOX_COLUMNS
from affectkit.files.atomic import remove_partials, write_atomically
from affectkit.files.pictures import ImageReadError
from affectkit.labels import EXPRESSIONS
from affectkit.pipeline.detect.detectors import load_detector
from affectkit.pipeline.detect.face import Face

KEPT_LABELS = "labels_before_boxes.csv"
"""Where `write_face_boxes` keeps the labels.csv that it found."""


def add_face_boxes(
    table: pd.DataFrame, detect: Callable[[np.ndarray], list[Face]] | None = None
) -> pd.DataFrame:
    """Give a copy of a table with the missing face boxes: the largest face of each image.

    Rows in whose image no face was found, or that can't be read, still have none; a warning counts
    them. `detect` is the detector "blazeface" by default.
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


def write_face_boxes(
    root: str | Path,
    detect: Callable[[np.ndarray], list[Face]] | None = None,
    labels: str = "",
    follow_links: bool = False,
) -> tuple[Path, int, int]:
    """Find the faces of a folder's images once and for all: write their boxes to its labels.csv.

    Parameters
    ----------
    root : str or Path
        Of the data set `folder`: with a labels.csv, or with a sub-folder an expression.
    detect : callable, optional
        From an image, uint8, shape (height, width, 3), RGB, to its `Face`s, the largest first. By
        default `load_detector("blazeface")`.
    labels, follow_links : str and bool
        As in `affectkit.data.load_table`.

    Returns
    -------
    tuple of (Path, int, int)
        The labels.csv, how many of its images have a box now, and how many there are. An old
        labels.csv is kept as labels_before_boxes.csv; its columns, rows and boxes stay as they are.

    Raises
    ------
    FileNotFoundError, ValueError
        If the folder is none of the two kinds; or if labels.csv has to be changed and
        labels_before_boxes.csv exists already.
    """
    file = find_labels(Path(root)) or Path(root) / "labels.csv"
    remove_partials(root)
    skipped = SkippedRows()
    table = load_folder(root, skipped, labels, follow_links)
    for name in {*BOX_COLUMNS, "row"} - set(table):
        table[name] = np.nan
    found = add_face_boxes(table, detect)
    boxes = found.set_index("image_id")[list(BOX_COLUMNS)]
    with_box = int(boxes.notna().all(axis=1).sum())
    if file.is_file():
        if with_box == table[list(BOX_COLUMNS)].notna().all(axis=1).sum():
            return file, with_box, len(table)  # there is nothing to add
        kept = file.with_name(KEPT_LABELS)
        if kept.exists() and kept.read_bytes() != file.read_bytes():  # equal after a kill
            raise ValueError(f"{kept} exists and would be lost; move it away, then try again")
        written = read_label_csv(
            file, ["file", "expression"], skipped, documented=LABEL_COLUMNS
        ).drop(columns=LINE)
        names = relative_names(written["file"], root)
        write_atomically(kept, file.read_bytes())
    else:
        written = pd.DataFrame({"file": found["image_id"]})
        written["expression"] = found["expression"].map(dict(enumerate(EXPRESSIONS)))
        if (found["split"] != "").any():
            written["split"] = found["split"]
        if "subject" in found:
            written["subject"] = found["subject"]
        names = written["file"]
    rounded = boxes.round(2).reindex(names).to_numpy()
    written[list(BOX_COLUMNS)] = rounded
    write_atomically(file, written.to_csv(index=False))
    return file, with_box, len(table)
