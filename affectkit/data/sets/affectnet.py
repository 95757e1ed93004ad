"""AffectNet (Mollahosseini et al., 2017): three layouts, told apart by what the folder holds.

The original one, CSV label files beside `Manually_Annotated_Images`, is read here.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from affectkit.data.image_files import check_image_files, relative_names
from affectkit.data.label_files import read_label_csv
from affectkit.data.row_checks import RowChecks, affectnet_code
from affectkit.data.sets import affectnet_plus, affectnet_reduced
from affectkit.data.skipped import SkippedRows
from affectkit.data.table import BOX_COLUMNS

LAYOUT = (
    "one of AffectNet's layouts: training.csv and validation.csv with Manually_Annotated_Images/ "
    "(original); train_set/ and val_set/ with images/ and annotations/ (reduced, 2021); or "
    "human_annotated/train_set/ and human_annotated/validation_set/ (AffectNet+)"
)
NAME_COLUMN = "subDirectory_filePath"
COLUMNS = (NAME_COLUMN, *BOX_COLUMNS, "expression", "valence", "arousal")
SPLIT_FILES = {"training.csv": "train", "validation.csv": "test"}
_LABEL_FOLDERS = ("", "Manually_Annotated_file_lists", "Automatically_annotated_file_list")
_MANUAL = ("Manually_Annotated_Images", "Manually_Annotated/Manually_Annotated_Images")
_AUTOMATIC = (
    "Automatically_Annotated_Images",
    "Automatically_Annotated/Automatically_Annotated_Images",
)


def load_affectnet(
    root: str | Path, skipped: SkippedRows, automatic: bool = False, follow_links: bool = False
) -> pd.DataFrame:
    """Load every class of AffectNet; no image is read. Its validation split is called "test".

    `automatic`, of the original layout only, also reads automatically_annotated.csv into the
    training split. Links that leave the root are followed if `follow_links`.
    """
    root = Path(root)
    if is_original_layout(root):
        return read_original(root, skipped, automatic=automatic, follow_links=follow_links)
    if automatic:
        raise ValueError(f"automatic=True needs AffectNet's original layout; {root} has another")
    if affectnet_plus.is_plus_layout(root):
        return affectnet_plus.read_plus(root, skipped, follow_links)
    if affectnet_reduced.is_reduced_layout(root):
        return affectnet_reduced.read_reduced(root, skipped, follow_links)
    found = ", ".join(sorted(path.name for path in root.iterdir())[:8]) or "nothing"
    raise FileNotFoundError(f"expected {LAYOUT} in {root}; found {found}")


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
    follow_links: bool = False,
) -> pd.DataFrame:
    """Read the label files of the original layout: boxes in pixels, no landmarks.

    `split_files` gives the split of each file's rows. With `automatic`, a column `annotation` tells
    "manual" and "automatic" apart.
    """
    parts = [
        _read_part(path, _image_folder(root, _MANUAL), split, skipped, follow_links)
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
        images = _image_folder(root, _AUTOMATIC)
        part = _read_part(path, images, "train", skipped, follow_links)
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


def _read_part(
    file: Path, images: Path, split: str, skipped: SkippedRows, follow_links: bool
) -> pd.DataFrame:
    frame = read_label_csv(file, COLUMNS, skipped, lambda _: False)
    checks = RowChecks(file, frame, skipped)
    names = relative_names(frame.pop(NAME_COLUMN), images)
    checks.expression("expression", affectnet_code)
    checks.valence_arousal()
    paths = check_image_files(checks, names, images, follow_links)
    checks.unique(names, paths)
    checks.boxes(paths)
    return checks.table(image_id=names, path=paths, split=split)
