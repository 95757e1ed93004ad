"""AffectNet+ (arXiv 2410.22506): one image and one JSON file with a soft label a face."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from affectkit.data.label_files import LINE
from affectkit.data.row_checks import RowChecks, affectnet_code, slice_values
from affectkit.data.sets.affectnet_reduced import (
    note_absent_annotations,
    paired_names,
    read_all,
)
from affectkit.data.skipped import SkippedRows
from affectkit.data.table import SOFT_LABEL_COLUMNS
from affectkit.files.json_forms import read_json

SPLIT_FOLDERS = {"train_set": "train", "validation_set": "test"}
SUBSETS = {"0": "easy", "1": "challenging", "2": "difficult"}
_SLICES = ("age", "gender", "race", "pose", "subset")


def _parts(root: Path) -> dict[str, str]:
    found = {}
    for prefix in ("human_annotated/", ""):
        for name, split in SPLIT_FOLDERS.items():
            annotations = root / f"{prefix}{name}" / "annotations"
            if annotations.is_dir() and next(annotations.glob("*.json"), None):
                found.setdefault(split, f"{prefix}{name}")
    return {folder: split for split, folder in found.items()}


def is_plus_layout(root: Path) -> bool:
    """Tell whether a folder holds AffectNet+'s JSON annotations."""
    return bool(_parts(root))


def read_plus(root: Path, skipped: SkippedRows, follow_links: bool = False) -> pd.DataFrame:
    """Read the annotations, and what there is of age, gender, race, pose and subset."""
    found = _parts(root)
    prefix = "human_annotated/" if next(iter(found)).startswith("human_annotated/") else ""
    note_absent_annotations(root, [f"{prefix}{name}" for name in SPLIT_FOLDERS], skipped)
    parts = [
        _read_part(root, folder, split, skipped, follow_links) for folder, split in found.items()
    ]
    table = pd.concat(parts, ignore_index=True)
    for name in [name for name in table if name.split("_")[0] in _SLICES]:
        table[name] = slice_values(table[name].fillna(""))
    return table


def read_annotation(path: Path) -> dict[str, object]:
    """Read one JSON annotation: labels and slices as text, soft_label as it is.

    A ValueError if it is not a JSON object or has no human label.
    """
    try:
        content = read_json(path, "readable JSON", "restore the file")
    except OSError as error:
        raise ValueError(f"{path.name} is not readable JSON ({error})") from None
    except ValueError as error:
        raise ValueError(str(error).replace(str(path), path.name)) from None
    keys = {"".join(c for c in key.lower() if c.isalnum()): value for key, value in content.items()}
    if "humanlabel" not in keys:
        raise ValueError(f"{path.name} has no human-label, only {', '.join(content)[:80]}")
    values = {
        "expression": _text(keys["humanlabel"]),
        "valence": _text(keys.get("valence")),
        "arousal": _text(keys.get("arousal")),
        "soft_label": keys.get("softlabel"),
    }
    for name in _SLICES:
        value = keys.get(name)
        if isinstance(value, list):
            value = {str(position): item for position, item in enumerate(value)}
        if isinstance(value, dict):
            values |= {f"{name}_{key}": _text(item) for key, item in value.items()}
        else:
            values[name] = _text(value)
    values["subset"] = SUBSETS.get(str(values.get("subset", "")).removesuffix(".0"), "")
    return values


def _text(value: object) -> str:
    """Give a JSON scalar (or a list of one) as text; "" for null, lists and objects."""
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if value is None or isinstance(value, (list, dict)):
        return ""
    return "" if isinstance(value, int) and abs(value) > 10**18 else str(value).strip()


def _soft_label(value: object) -> np.ndarray | None:
    """Give a soft label that sums to 1; None if it is not 8 shares."""
    try:
        soft = np.asarray(value, float)
    except (TypeError, ValueError, OverflowError):
        return None
    if soft.shape != (len(SOFT_LABEL_COLUMNS),) or not np.isfinite(soft).all() or (soft < 0).any():
        return None
    return soft / soft.sum() if soft.sum() > 0 else None


def _read_part(
    root: Path, folder: str, split: str, skipped: SkippedRows, follow_links: bool
) -> pd.DataFrame:
    numbers, images = paired_names(root, folder, ".json", skipped, follow_links)
    base = root / folder / "annotations"
    rows, problems = read_all(
        lambda number: read_annotation(base / f"{number}.json"), numbers, f"reading {folder}"
    )
    frame = pd.DataFrame([row or {} for row in rows], index=range(len(numbers)))
    needed = [name for name in ("expression", "valence", "arousal") if name not in frame]
    frame[needed] = ""
    raw = frame.pop("soft_label") if "soft_label" in frame else pd.Series(None, frame.index)
    frame = frame.fillna("").astype("str")
    frame[LINE] = numbers
    checks = RowChecks(base, frame, skipped)
    bad = np.isin(np.arange(len(frame)), list(problems))
    checks.reject(bad, problems.__getitem__, "restore the file from the release")
    checks.expression("expression", affectnet_code)
    checks.valence_arousal()
    soft = [_soft_label(value) for value in raw]
    given = np.array([value is not None and value == value for value in raw], bool)
    checks.reject(
        given & np.array([value is None for value in soft], bool),
        lambda row: f"soft label {str(raw.iloc[row])[:60]} is not 8 shares of at least 0",
        "restore the file from the release",
    )
    absent = np.full(len(SOFT_LABEL_COLUMNS), np.nan)
    shares = np.array([absent if value is None else value for value in soft]).reshape(-1, 8)
    ids = f"{folder}/images/" + pd.Series([images[number] for number in numbers], dtype="str")
    slices = {name: frame[name] for name in frame if name.split("_")[0] in _SLICES}
    return checks.table(
        image_id=ids,
        path=str(root) + "/" + ids,
        split=split,
        **dict(zip(SOFT_LABEL_COLUMNS, shares.T, strict=True)),
        **slices,
    )
