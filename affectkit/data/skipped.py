"""Rows that a loader or reader had to leave out: collected, counted, and listed in a file."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

from affectkit.files.atomic import write_atomically
from affectkit.files.safe_text import spreadsheet_name

if TYPE_CHECKING:
    import pandas as pd  # predicting imports this module, and needs no pandas

_MOST_KINDS = 8


@dataclass(frozen=True)
class SkippedRow:
    """One row that was left out, and why.

    `row` tells where in `file` it is: a line number as an editor shows it, an image id, or "".
    `reason` tells what was expected and what came, `remedy` what the user can do.
    """

    file: str
    row: str
    reason: str
    remedy: str


class SkippedRows:
    """A list of skipped rows that loaders add to and users read, count and save.

    Examples
    --------
    >>> skipped = SkippedRows()
    >>> skipped.add("labels.csv", 3, "expression 12 is not 0..10", "correct the label")
    >>> len(skipped), skipped.counts()
    (1, {'expression 12 is not 0..10': 1})
    """

    def __init__(self) -> None:
        self._rows: list[SkippedRow] = []

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[SkippedRow]:
        return iter(self._rows)

    def add(self, file: str | Path, row: object, reason: str, remedy: str) -> None:
        """Note one row that is left out; the arguments are those of `SkippedRow`."""
        texts = (str(file), str(row), reason, remedy)
        # a file's name may be no Unicode, and could then not be written to skipped_rows.csv
        self._rows.append(SkippedRow(*(t.encode("utf-8", "replace").decode() for t in texts)))

    def counts(self) -> dict[str, int]:
        """Give how many rows were skipped for each reason, most frequent first."""
        return dict(Counter(row.reason for row in self._rows).most_common())

    def summary(self) -> str:
        """Give "left out: 3 .heic (install ...), 12 in dev/ (...)"; "" if there is nothing."""
        return left_out(self.to_frame())

    def to_frame(self) -> pd.DataFrame:
        """Give the rows as a DataFrame with columns file, row, reason and remedy."""
        import pandas as pd

        columns = [field.name for field in fields(SkippedRow)]
        return pd.DataFrame([asdict(row) for row in self._rows], columns=columns)

    def as_csv(self) -> str:
        """Give the rows as CSV in which no spreadsheet takes a name for a formula."""
        frame = self.to_frame()
        names = ["file", "row", "reason"]  # a reason may begin with the name of a file
        frame[names] = frame[names].map(spreadsheet_name)
        return frame.to_csv(index=False)

    def to_csv(self, path: str | Path) -> Path:
        """Write the rows to a CSV file (made with its folders) and return its path."""
        return write_atomically(path, self.as_csv())

    def warn(self, total: int, since: int = 0) -> None:
        """Warn once about the rows skipped after the first `since`, out of `total` read."""
        new = self._rows[since:]
        if not new:
            return
        examples = "; ".join(f"{row.file} row {row.row}: {row.reason}" for row in new[:3])
        warnings.warn(
            f"skipped {len(new)} of {total} rows ({examples}). {new[0].remedy}.",
            UserWarning,
            stacklevel=3,
        )


def left_out(rows: pd.DataFrame) -> str:
    """Count skipped rows by kind, most frequent first, for the last line of a command.

    Values in quotes do not make a kind of their own.
    """
    if rows.empty:
        return ""
    kinds = rows["reason"].str.replace(r"'[^']*'|\"[^\"]*\"", "...", regex=True)
    counts = Counter(zip(kinds, rows["remedy"], strict=True)).most_common()
    shown = [f"{count:,} {kind[:120]} ({remedy})" for (kind, remedy), count in counts[:_MOST_KINDS]]
    rest = sum(count for _, count in counts[_MOST_KINDS:])
    return "left out: " + ", ".join([*shown, *([f"{rest:,} for other reasons"] if rest else [])])


def merge_skipped_files(merged_file: Path, file: Path) -> pd.DataFrame:
    """Put the rows of two files that `SkippedRows.to_csv` wrote into both, each row once.

    Gives them, none if neither file is there; a ValueError if one holds something else.
    """
    import pandas as pd

    tables = [read_skipped(path) for path in (merged_file, file) if path.is_file()]
    if not tables:
        return pd.DataFrame()
    merged = pd.concat(tables, ignore_index=True).drop_duplicates(ignore_index=True)
    for path in (merged_file, file):
        write_atomically(path, merged.to_csv(index=False))
    return merged


def read_skipped(path: Path) -> pd.DataFrame:
    """Read what `SkippedRows.to_csv` wrote, nothing if there is no such file; else a ValueError."""
    import pandas as pd

    names = [field.name for field in fields(SkippedRow)]
    if not path.is_file():
        return pd.DataFrame(columns=names)
    try:
        rows = pd.read_csv(path, dtype=str, keep_default_na=False, usecols=names, index_col=False)
        return rows[names].fillna("")
    except (ValueError, OverflowError) as error:
        raise ValueError(
            f"{path} does not list skipped rows ({str(error)[:200]}); move it away"
        ) from error
