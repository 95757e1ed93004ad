"""AffectNet's original layout: CSV label files beside `Manually_Annotated_Images`."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from affectkit.data.image_files import check_image_files, relative_names
from affectkit.data.label_files import read_label_csv
from affectkit.data.row_checks import RowChecks, affectnet_code
from affectkit.data.skipped import SkippedRows
from affectkit.data.table import BOX_COLUMNS

NAME_COLUMN = "subDirectory_filePath"
COLUMNS = (NAME_COLUMN, *BOX_COLUMNS, "expression", "valence", "arousal")
SPLIT_FILES = {"training.csv": "train", "validation.csv": "test"}
_LABEL_FOLDERS = ("", "Manually_Annotated_file_lists", "Automatically_annotated_file_list")
_MANUAL = ("Manually_Annotated_Images", "Manually_Annotated/Manually_Annotated_Images")
_AUTOMATIC = (
    "Automatically_Annotated_Images",
    "Automatically_Annotated/Automatically_Annotated_Images",
)


def find_label_file(root: Path, name: str) -> Path | None:
    """Find a label file in the root or in the folders that AffectNet's archives unpack to."""
    candidates = (root / folder / name for folder in _LABEL_FOLDERS)
    return next((path for path in candidates if path.is_file()), None)


def is_original_layout(root: Path) -> bool:
    """Tell whether a folder holds `training.csv` or `validation.csv`."""
    return any(find_label_file(root, name) for name in SPLIT_FILES)


def read_original(
    root: Path,
    skipped: SkippedRows,
    split_files: dict[str, str] = SPLIT_FILES,
    automatic: bool = False,
) -> pd.DataFrame:
    """Read the label files of the original layout; images are only listed.

    Parameters
    ----------
    root : Path
    skipped : SkippedRows
    split_files : dict of str to str
        Label file name to the split of its rows.
    automatic : bool
        Also read `automatically_annotated.csv` into the training split, and tell the two apart in
        a column `annotation` ("manual", "automatic").

    Returns
    -------
    pandas.DataFrame
        Columns of the documented table, every class, boxes in pixels; landmarks are not read.

    Raises
    ------
    FileNotFoundError
        If a needed file or the image folder is missing.
    ValueError
        If a label file can't be read or lacks a column.
    """
    parts = [
        _read_part(path, _image_folder(root, _MANUAL), split, skipped)
        for name, split in split_files.items()
        if (path := find_label_file(root, name)) is not None
    ]
    if automatic:
        name = "automatically_annotated.csv"
        path = find_label_file(root, name)
        if path is None:
            raise FileNotFoundError(f"expected {name} in {root} as automatic=True, found none")
        for part in parts:
            part["annotation"] = "manual"
        part = _read_part(path, _image_folder(root, _AUTOMATIC), "train", skipped)
        parts.append(part.assign(annotation="automatic"))
    return pd.concat(parts, ignore_index=True)


def _image_folder(root: Path, names: tuple[str, ...]) -> Path:
    for name in names:
        if (root / name).is_dir():
            return root / name
    raise FileNotFoundError(
        f"expected the images of {root} in {' or '.join(names)}, found neither; unpack AffectNet's "
        "image archives there"
    )


def _read_part(file: Path, images: Path, split: str, skipped: SkippedRows) -> pd.DataFrame:
    frame = read_label_csv(file, COLUMNS, skipped, lambda _: False)
    checks = RowChecks(file, frame, skipped)
    names = relative_names(frame.pop(NAME_COLUMN))
    checks.expression("expression", affectnet_code)
    checks.valence_arousal()
    paths = check_image_files(checks, names, images)
    checks.unique(names)
    checks.boxes()
    return checks.table(image_id=names, path=paths, split=split)
