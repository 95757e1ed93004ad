"""The rows that predictions are written as: one a face, and one a picture without a face."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from itertools import islice
from pathlib import Path

from affectkit.files.atomic import atomic_path
from affectkit.files.safe_text import spreadsheet_name
from affectkit.labels import EXPRESSIONS
from affectkit.pipeline.pipeline import FaceAffect

PROBABILITY_COLUMNS = tuple(f"probability_{name.lower()}" for name in EXPRESSIONS)

COLUMNS = (
    *("file", "frame", "seconds", "face", "track", "x", "y", "width", "height", "score"),
    *("expression", *PROBABILITY_COLUMNS, "valence", "arousal"),
)
"""Names of the columns.

file: as it was named on the command line; in a `.csv` behind "./" if a spreadsheet would take it
for a formula. frame: its number in a video, from 0; nothing for a
picture. seconds: since the first frame. face: its number in the frame, from 0, the largest first;
nothing where there is none. track: its number in the video. x, y, width, height: its square in
pixels; may reach beyond the picture. score: of the detector, 0..1. probability_...: calibrated, sum
to 1. valence, arousal: in [-1, 1].
"""

FORMATS = (".csv", ".parquet", ".jsonl")
"""How the name of a file of rows can end."""

_WHOLE, _TEXT = ("frame", "face", "track"), ("file", "expression")
_ROWS_A_GROUP = 50_000

Row = dict[str, str | int | float | None]


def face_rows(
    file: str, faces: Iterable[FaceAffect], frame: int | None = None, seconds: float | None = None
) -> list[Row]:
    """Give the rows of a picture or frame; one without a face is a row without a face.

    Parameters
    ----------
    file : str
        Its name.
    faces : iterable of FaceAffect
        What the pipeline gave.
    frame : int, optional
        Number of a video's frame, from 0.
    seconds : float, optional
        Its time.

    Returns
    -------
    list of dict
        Keys as in `COLUMNS`; None where there is no value. Pixels are rounded to hundredths, times
        to microseconds, the rest to millionths.
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
        )
    return rows or [dict.fromkeys(COLUMNS) | place]


def check_format(path: str | Path) -> Path:
    """Give a path back if rows can be written there.

    Raises
    ------
    ValueError
        If its name does not end like one of `FORMATS`.
    ImportError
        If it is a `.parquet` and pyarrow is not installed.
    """
    path = Path(path).expanduser()
    if path.suffix.lower() not in FORMATS:
        raise ValueError(
            f"expected the name of the output to end in {', '.join(FORMATS)}, got {str(path)!r}"
        )
    if path.suffix.lower() == ".parquet" and find_spec("pyarrow") is None:
        raise ImportError(
            'a .parquet file needs pyarrow: pip install "affectkit[parquet]", or write a .csv'
        )
    return path


def encode_header(suffix: str) -> bytes:
    """Give what a file of rows starts with: `.csv` has a line of names, `.jsonl` nothing."""
    return _csv_lines([dict(zip(COLUMNS, COLUMNS, strict=True))]) if suffix == ".csv" else b""


def encode_rows(rows: Iterable[Row], suffix: str) -> bytes:
    """Give rows as lines of a `.csv` (nothing is an empty field) or `.jsonl` (null), in UTF-8."""
    if suffix == ".csv":
        return _csv_lines(rows)
    lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    return "".join(lines).encode("utf-8", "surrogateescape")


def write_parquet(lines: Path, path: Path) -> None:
    """Write the rows of a `.jsonl` file as Parquet, a group of them in memory at a time.

    Raises
    ------
    OSError
        If it can't be written; an older file of that name is then as it was.
    ValueError
        If `lines` holds something else.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    types = dict.fromkeys(COLUMNS, pa.float64())
    types |= dict.fromkeys(_WHOLE, pa.int64()) | dict.fromkeys(_TEXT, pa.string())
    schema = pa.schema(types)
    with atomic_path(path) as partial, pq.ParquetWriter(partial, schema) as writer:
        try:
            for group in _groups(lines):
                writer.write_table(pa.Table.from_pylist(group, schema))
        except (ValueError, TypeError, AttributeError, OverflowError, RecursionError) as error:
            raise ValueError(
                f"{lines} is damaged ({str(error)[:200]}): begin anew with --overwrite"
            ) from error


def _groups(lines: Path) -> Iterator[list[Row]]:
    with lines.open(encoding="utf-8", errors="replace") as file:
        while group := [json.loads(line) for line in islice(file, _ROWS_A_GROUP)]:
            yield group


def _csv_lines(rows: Iterable[Row]) -> bytes:
    text = io.StringIO(newline="")
    rows = (row | {"file": spreadsheet_name(row["file"])} for row in rows)
    csv.DictWriter(text, COLUMNS, lineterminator="\n").writerows(rows)
    return text.getvalue().encode("utf-8", "surrogateescape")


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(float(value), digits)
