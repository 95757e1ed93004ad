"""Read label files (CSV) as text, with the line number of every row and clear errors."""

from __future__ import annotations

import codecs
import csv
import difflib
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from affectkit.data.skipped import SkippedRows

LINE = "line in the file"
"""Column with the line number of a row in its file, as an editor shows it."""

MOST_COLUMNS = 2000
"""A header with more is no header, and would take a table for every one of them."""

_FIELD_LIMIT = 1_000_000
_CHUNK = 1 << 20


def read_label_csv(
    path: str | Path,
    required: Sequence[str],
    skipped: SkippedRows,
    wanted: Callable[[str], bool] | None = None,
    documented: Sequence[str] = (),
) -> pd.DataFrame:
    """Read a comma-separated UTF-8 file with a header; every field stays text.

    Gives a str column each, "" where the file has nothing, and `LINE`. Names of `required` columns,
    which must be there, and of other `documented` ones are compared without case and outer blanks,
    and a name that is spelled nearly so is warned about; of others, those that `wanted` takes are
    read (all without it). Blank lines are left out, rows with more fields than the header
    too, which `skipped` notes. A FileNotFoundError if there is no such file, a ValueError if it is
    empty, not UTF-8, not CSV, or lacks a column.
    """
    path = Path(path)
    lines_are_rows, most_commas = _check_text(path)
    header = _read_header(path)
    names = _column_names(path, header, required, documented)
    keep = [name for name in names if name in required or wanted is None or wanted(name)]
    simple = lines_are_rows and most_commas < len(names)
    frame = _read_fast(path, names, keep) if simple else None
    if frame is None:
        frame = _read_carefully(path, names, keep, skipped)
    return frame[(frame[keep] != "").any(axis=1)].reset_index(drop=True)


def _check_text(path: Path) -> tuple[bool, int]:
    """Check that a file is UTF-8 text; tell whether each line is a row, and the most commas."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    blank, lines_are_rows, most, carry = True, True, 0, 0
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                end = file.tell()
                decoder.decode(chunk)
                if b"\0" in chunk:
                    line = _line_at(path, end - len(chunk) + chunk.index(b"\0"))
                    raise ValueError(f"{path} line {line} holds a zero byte; it is damaged")
                blank = blank and not chunk.strip()
                returns = b"\r" in chunk and chunk.count(b"\r") != chunk.count(b"\r\n")
                lines_are_rows = lines_are_rows and not returns and b'"' not in chunk
                counts = _commas_by_line(chunk, carry)
                most, carry = max(most, int(counts.max())), int(counts[-1])
        decoder.decode(b"", final=True)
    except FileNotFoundError:
        raise FileNotFoundError(f"expected a label file at {path}, found none") from None
    except OSError as error:
        raise ValueError(f"{path} can't be read ({error.strerror}); check the file") from None
    except UnicodeDecodeError as error:
        line = _line_at(path, end - len(error.object) + error.start)
        raise ValueError(
            f"{path} line {line} is not UTF-8 text (byte {error.object[error.start]:#04x}); save "
            "the file as CSV in UTF-8 encoding, or check that it is a CSV at all"
        ) from None
    if blank:
        raise ValueError(f"{path} is empty; expected a CSV with a header line. Restore the file")
    return lines_are_rows, most


def _commas_by_line(chunk: bytes, carry: int) -> np.ndarray:
    """Count the commas of each line; the first continues one with `carry`, the last is open."""
    content = np.frombuffer(chunk, np.uint8)
    commas, ends = np.flatnonzero(content == ord(",")), np.flatnonzero(content == ord("\n"))
    edges = np.append(np.searchsorted(commas, ends), len(commas))
    counts = np.diff(edges, prepend=0)
    counts[0] += carry
    return counts


def _line_at(path: Path, offset: int) -> int:
    """Give the line number of a byte position."""
    with path.open("rb") as file:
        return file.read(offset).count(b"\n") + 1


def _read_header(path: Path) -> list[str]:
    csv.field_size_limit(_FIELD_LIMIT)
    with path.open(encoding="utf-8-sig", newline="") as file:
        try:
            return next(csv.reader(file), [])
        except csv.Error as error:
            raise ValueError(f"{path} line 1 is not a CSV header ({error})") from None


def _column_names(
    path: Path, header: Sequence[str], required: Sequence[str], documented: Sequence[str]
) -> list[str]:
    if len(header) > MOST_COLUMNS:
        raise ValueError(
            f"{path} line 1 names {len(header)} columns; expected at most {MOST_COLUMNS}. Drop "
            "those that are not needed"
        )
    canonical = {name.lower(): name for name in (*required, *documented)}
    names = [canonical.get(name.strip().lower(), name.strip()) for name in header]
    missing = [name for name in required if name not in names]
    if missing:
        found = ", ".join(names)[:200]
        raise ValueError(
            f"{path} line 1: expected the columns {', '.join(required)}; missing "
            f"{', '.join(missing)}, found {found!r}. Add or rename the columns and separate them "
            "with commas"
        )
    names = [name or f"column {position + 1}" for position, name in enumerate(names)]
    duplicates = sorted(name for name, count in Counter([*names, LINE]).items() if count > 1)
    if duplicates:
        raise ValueError(
            f"{path} line 1: the column {', '.join(duplicates)[:200]} is there twice; rename one"
        )
    _warn_of_spelling(path, names, documented)
    return names


def _warn_of_spelling(path: Path, names: Sequence[str], documented: Sequence[str]) -> None:
    """Warn of columns that are nearly spelled as a documented one that is not there."""
    absent = {_letters(name): name for name in documented if name not in names}
    for name in names:
        if name in documented or not absent:
            continue
        close = difflib.get_close_matches(_letters(name), absent, 1, 0.8)
        if close:
            warnings.warn(
                f"{path} line 1: the column {name[:40]!r} is not read as {absent[close[0]]!r}; "
                "rename it if it is meant",
                UserWarning,
                stacklevel=4,
            )


def _letters(name: str) -> str:
    return "".join(filter(str.isalnum, name.lower()))


def _read_fast(path: Path, names: list[str], keep: list[str]) -> pd.DataFrame | None:
    """Read a file without quotes, where a row is a line; None if a row has too many fields."""
    try:
        frame = pd.read_csv(
            path,
            header=0,
            names=names,
            usecols=keep,
            index_col=False,
            dtype="str",
            na_filter=False,
            skip_blank_lines=False,
            encoding="utf-8-sig",
            quoting=csv.QUOTE_NONE,
        )
    except pd.errors.ParserError:
        return None
    frame = frame[keep].fillna("")  # where a row is short
    frame[LINE] = np.arange(2, len(frame) + 2)
    return frame


def _read_carefully(
    path: Path, names: list[str], keep: list[str], skipped: SkippedRows
) -> pd.DataFrame:
    """Read a file that has quotes or malformed rows, row by row."""
    rows, lines = [], []
    positions = [names.index(name) for name in keep]
    csv.field_size_limit(_FIELD_LIMIT)
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file)
        next(reader)
        try:
            start = reader.line_num + 1
            for fields in reader:
                if any(fields[len(names) :]):
                    skipped.add(
                        path,
                        start,
                        f"expected {len(names)} fields, got {len(fields)}",
                        "put quotes around a field that holds a comma",
                    )
                elif fields:
                    padded = fields + [""] * (len(names) - len(fields))
                    rows.append([padded[position] for position in positions])
                    lines.append(start)
                start = reader.line_num + 1
        except csv.Error as error:
            raise ValueError(f"{path} line {start} is not CSV ({error}); correct it") from None
    frame = pd.DataFrame(rows, columns=keep, dtype="str")
    frame[LINE] = np.array(lines, dtype=int)
    return frame
