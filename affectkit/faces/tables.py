"""Tables of a data set: AffectNet's columns, the extra columns, and hashes."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from affectkit.faces.schedule import SPLITS
from affectkit.files.atomic import write_atomically
from affectkit.files.hashes import file_hash
from affectkit.labels import EXPRESSIONS

IMAGE_ROOT = "Manually_Annotated_Images"
AFFECTNET_COLUMNS = ("subDirectory_filePath", "face_x", "face_y", "face_width", "face_height",
                     "facial_landmarks", "expression", "valence", "arousal")  # fmt: skip
EXTRA_COLUMNS = (
    "subDirectory_filePath", "split", "subject", "expression_clean", "expression_second",
    "intensity", "action_units", "age", "femininity", "gender", "ethnicity_african",
    "ethnicity_asian", "ethnicity_caucasian", "skin_tone_ita", "skin_tone", "yaw", "pitch",
    "roll", "light_azimuth", "light_elevation", "light_strength", "occluder", "glasses", "blur",
    "hair",
)  # fmt: skip
_SHARES = ("valence", "arousal", "intensity", "age", "femininity", "light_strength", "blur")
_DEGREES = ("skin_tone_ita", "yaw", "pitch", "roll", "light_azimuth", "light_elevation")
_COPIED = ("gender", "skin_tone", "occluder", "glasses", "hair")
_SMALLEST_UNIT = 0.01


def face_row(truth: dict, path: str, split: str, subject: str) -> dict:
    """Flatten the ground truth of `render.render_face` to one row of all columns."""
    x, y, width, height = truth["face_box"]
    units = {
        name: [round(side, 2) for side in sides]
        for name, sides in sorted(truth["action_units"].items())
        if max(sides) >= _SMALLEST_UNIT
    }
    row = {
        "subDirectory_filePath": path,
        "face_x": round(x),
        "face_y": round(y),
        "face_width": int(width),
        "face_height": int(height),
        "facial_landmarks": ";".join(f"{value:.1f}" for value in truth["landmarks"].ravel()),
        "split": split,
        "subject": subject,
        "action_units": json.dumps(units, separators=(",", ":")),
    }
    for name in ("expression", "expression_clean", "expression_second"):
        row[name] = EXPRESSIONS.index(truth[name])
    for name, share in zip(("african", "asian", "caucasian"), truth["ethnicity"], strict=True):
        row[f"ethnicity_{name}"] = round(float(share), 3)
    row |= {name: round(float(truth[name]), 3) for name in _SHARES}
    row |= {name: round(float(truth[name]), 1) for name in _DEGREES}
    return row | {name: truth[name] for name in _COPIED}


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[dict]) -> None:
    """Write rows with Unix line ends, the columns in the given order, others left out."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_atomically(path, text.getvalue())


def write_tables(output: Path, split: str, rows: list[dict]) -> None:
    """Write ``<split>.csv`` and put the split's rows into ``extras.csv`` beside the others."""
    write_csv(output / f"{split}.csv", AFFECTNET_COLUMNS, rows)
    extras = output / "extras.csv"
    others = []
    if extras.is_file():
        with extras.open(encoding="utf-8", newline="") as file:
            others = [row for row in csv.DictReader(file) if row["split"] != split]
    everything = sorted(others + rows, key=lambda row: SPLITS.index(row["split"]))
    write_csv(extras, EXTRA_COLUMNS, everything)


def tree_hash(output: Path, rows: list[dict]) -> str:
    """Give the sha256 over the sorted image paths of the rows and the sha256 of each file."""
    total = hashlib.sha256()
    for path in sorted(row["subDirectory_filePath"] for row in rows):
        total.update(f"{path} {file_hash(output / IMAGE_ROOT / path)}\n".encode())
    return total.hexdigest()
