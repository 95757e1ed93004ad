"""The rows that predictions are written as: one a face, and one a picture without a face."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

from affectkit.files.atomic import atomic_path
from affectkit.files.safe_text import readable_name, spreadsheet_name
from affectkit.labels import EXPRESSIONS
from affectkit.pipeline.answers import FaceAffect

PROBABILITY_COLUMNS = tuple(f"probability_{name.lower()}" for name in EXPRESSIONS)

COLUMNS = (
    *("file", "frame", "seconds", "face", "track", "x", "y", "width", "height", "score"),
    *("expression", *PROBABILITY_COLUMNS, "valence", "arousal", "plausible"),
)
"""Names of the columns.

file: as it was named on the command line; in a `.csv` behind "./" if a spreadsheet would take it
for a formula. frame: its number in a video, from 0; nothing for a picture. seconds: since the first
frame. face: its number in the frame, from 0, the largest first; nothing where there is none. track:
its number in the video. x, y, width, height: its square in pixels; may reach beyond the picture.
score: of the detector, 0..1. probability_...: calibrated, sum to 1. valence, arousal: in [-1, 1].
plausible: expressions between semicolons, as `FaceAffect.plausible`.
"""

WHOLE, TEXT = ("frame", "face", "track"), ("file", "expression", "plausible")
"""Columns of whole numbers and of text; the others are of floating-point numbers."""

FORMATS = (".csv", ".parquet", ".jsonl")
"""How the name of a file of rows can end."""

_ROWS_A_GROUP = 50_000

Row = dict[str, str | int | float | None]


def face_rows(
    file: str, faces: Iterable[FaceAffect], frame: int | None = None, seconds: float | None = None
) -> list[Row]:
    """Give the rows of a picture or frame; one without a face is a row without a face.

    Keys as in `COLUMNS`; None where there is no value. Pixels are rounded to hundredths, times to
    microseconds, the rest to millionths.
    """
    place = {"file": file, "frame": frame, "seconds": _rounded(seconds, 6)}
    rows: list[Row] = []
    for number, face in enumerate(faces):
        box = dict(zip(("x", "y", "width", "height"), face.box, strict=True))
        probabilities = [face.probabilities.get(name) for name in EXPRESSIONS]
        rows.append(
            place
            | {"face": number, "track": face.track}
            | {name: _rounded(value, 2) for name, value in box.items()}
            | {"score": _rounded(face.score, 6), "expression": face.expression}
            | {
                name: _rounded(value, 6)
                for name, value in zip(PROBABILITY_COLUMNS, probabilities, strict=True)
            }
            | {"valence": _rounded(face.valence, 6), "arousal": _rounded(face.arousal, 6)}
            | {"plausible": ";".join(face.plausible) or None}
        )
    return rows or [dict.fromkeys(COLUMNS) | place]


def check_format(path: str | Path) -> Path:
    """Give a path back if its name ends like one of `FORMATS`; ValueError otherwise."""
    path = Path(path).expanduser()
    if path.suffix.lower() not in FORMATS:
        raise ValueError(
            f"expected the name of the output to end in {', '.join(FORMATS)}, got {str(path)!r}"
        )
    return path


def write_table(rows: Iterable[tuple], path: Path) -> None:
    r"""Write rows, values in the order of `COLUMNS`, in one step and in flat memory.

    Nothing is an empty field of a `.csv`, and null in a `.jsonl`. All is UTF-8: in names of files
    that are not, the other bytes are spelt out, as `\xe9`.
    """
    suffix = path.suffix.lower()
    rows = ((readable_name(name), *values) for name, *values in rows)
    with atomic_path(path) as partial:
        if suffix == ".parquet":
            _write_parquet(rows, partial)
            return
        with partial.open("w", encoding="utf-8", newline="") as file:
            if suffix == ".jsonl":
                for row in rows:
                    line = dict(zip(COLUMNS, row, strict=True))
                    file.write(json.dumps(line, ensure_ascii=False) + "\n")
            else:
                writer = csv.writer(file, lineterminator="\n")
                writer.writerow(COLUMNS)
                writer.writerows((spreadsheet_name(name), *values) for name, *values in rows)


def _write_parquet(rows: Iterator[tuple], path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    types = dict.fromkeys(COLUMNS, pa.float64())
    types |= dict.fromkeys(WHOLE, pa.int64()) | dict.fromkeys(TEXT, pa.string())
    with pq.ParquetWriter(path, schema := pa.schema(types)) as writer:
        while group := list(islice(rows, _ROWS_A_GROUP)):
            columns = dict(zip(COLUMNS, zip(*group, strict=True), strict=True))
            writer.write_table(pa.table(columns, schema=schema))


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(float(value), digits)
