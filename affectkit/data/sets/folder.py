"""A folder of images: with a `labels.csv`, or with one sub-folder an expression."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from affectkit.data.image_files import IMAGE_SUFFIXES, check_image_files, list_files, relative_names
from affectkit.data.label_files import LINE, read_label_csv
from affectkit.data.row_checks import RowChecks, expression_or_nothing, slice_values
from affectkit.data.skipped import SkippedRows
from affectkit.data.table import BOX_COLUMNS, SOFT_LABEL_COLUMNS, SPLITS
from affectkit.labels import EXPRESSIONS, expression_code

LAYOUT = (
    "labels.csv with the columns file,expression[,valence,arousal,subject,split,face_x,face_y,"
    "face_width,face_height, and any others to slice by], or sub-folders named by expression "
    f"({', '.join(EXPRESSIONS)} or codes 0..7), perhaps below train/, validation/ and test/"
)
_SPLIT_NAMES = {"train": "train", "training": "train", "validation": "validation",
                "valid": "validation", "val": "validation", "test": "test"}  # fmt: skip
_RESERVED = frozenset({"image_id", "path", "row", "image", "derived_valence_arousal",
                       *SOFT_LABEL_COLUMNS})  # fmt: skip


def load_folder(root: str | Path, skipped: SkippedRows) -> pd.DataFrame:
    """Load a folder of labelled images; no image is read.

    Expressions are names or AffectNet's codes, 0..7. A row must have an expression, or valence and
    arousal. `split` is "" throughout if the folder gives none, see `affectkit.data.datasets`.
    """
    root = Path(root)
    if (root / "labels.csv").is_file():
        return _read_labels(root, skipped)
    return _read_tree(root, skipped)


def _read_labels(root: Path, skipped: SkippedRows) -> pd.DataFrame:
    file = root / "labels.csv"
    frame = read_label_csv(file, ["file", "expression"], skipped)
    checks = RowChecks(file, frame, skipped)
    names = relative_names(frame.pop("file"))
    frame["expression"] = frame["expression"].str.strip()
    checks.expression("expression", expression_or_nothing)
    columns: dict[str, object] = {"split": ""}
    if {"valence", "arousal"} & set(frame):
        for name in {"valence", "arousal"} - set(frame):
            frame[name] = ""
        checks.valence_arousal()
    missing = np.full(len(frame), np.nan)
    pair = [checks.values.get(name, missing) for name in ("valence", "arousal")]
    unlabelled = checks.values["expression"].isna().to_numpy() & np.isnan(pair).any(axis=0)
    checks.reject(
        unlabelled,
        lambda row: "there is neither an expression nor valence and arousal",
        "label the image or remove its row",
    )
    if "split" in frame:
        columns["split"] = _read_splits(checks)
        del frame["split"]
    paths = check_image_files(checks, names, root)
    checks.unique(names)
    if set(BOX_COLUMNS) <= set(frame):
        checks.boxes()
    if "subject" in frame:
        subject = frame.pop("subject").str.strip()
        columns["subject"] = subject.where(subject != "", None)
    for name in frame.columns:
        if name not in {LINE, *BOX_COLUMNS, *_RESERVED}:
            columns[name] = slice_values(frame[name])
    return checks.table(image_id=names, path=paths, **columns)


def _read_splits(checks: RowChecks) -> pd.Series:
    text = checks.frame["split"].str.strip().str.lower()
    splits = text.map(_SPLIT_NAMES)
    if (text == "").all():
        return text
    checks.reject(
        splits.isna().to_numpy(),
        lambda row: f"split {text.iloc[row][:40]!r} is not one of {', '.join(SPLITS)}",
        "write one of these in every row, or drop the column",
    )
    return splits


def _expression_folders(base: Path, prefix: str) -> tuple[dict[str, int], list[str]]:
    """Give the sub-folders named by an expression, with its code, and the names of the others."""
    known, other = {}, []
    for path in sorted(base.iterdir()):
        if not path.is_dir() or path.name.startswith("."):
            continue
        try:
            known[prefix + path.name] = expression_code(path.name)
        except ValueError:
            other.append(prefix + path.name)
    return known, other


def _read_tree(root: Path, skipped: SkippedRows) -> pd.DataFrame:
    folders, other = _expression_folders(root, "")
    splits = dict.fromkeys(folders, "")
    if not folders:
        other = []
        for path in sorted(root.iterdir()):
            split = _SPLIT_NAMES.get(path.name.lower())
            if split is not None and path.is_dir():
                known, unknown = _expression_folders(path, f"{path.name}/")
                folders |= known
                splits |= dict.fromkeys(known, split)
                other += unknown
    if not folders:
        found = ", ".join(sorted(path.name for path in root.iterdir())[:8]) or "nothing"
        raise FileNotFoundError(f"expected {LAYOUT} in {root}; found {found}")
    for name in other:
        skipped.add(root / name, "", "the folder's name is not an expression", "rename the folder")
    parts = [_tree_part(root, name, code, splits[name]) for name, code in folders.items()]
    return pd.concat(parts, ignore_index=True)


def _tree_part(root: Path, folder: str, expression: int, split: str) -> pd.DataFrame:
    files = sorted(list_files(root, folder))
    images = [name for name in files if Path(name).suffix.lower() in IMAGE_SUFFIXES]
    names = pd.Series(images, dtype="str")
    part = pd.DataFrame({"image_id": f"{folder}/" + names, "path": f"{root / folder}/" + names})
    part["expression"] = np.full(len(part), expression)
    return part.assign(split=split)
