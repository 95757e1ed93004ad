"""Handle long columns in blocks of rows and without copies, so that a table takes little memory.

Text is kept by Arrow, in about 8 bytes and the characters a value; the same values as Python's
strings take five times as much. So no function here has more than `BLOCK_ROWS` of those at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import pandas as pd

BLOCK_ROWS = 1 << 12
"""Rows that are looked at at a time."""

_TEXT_IN_ARROW = hasattr(pd.Series([""], dtype="str").array, "__arrow_array__")
"""Whether this pandas keeps text so; it needs pyarrow for that."""


def row_blocks(rows: int, size: int = BLOCK_ROWS) -> Iterator[slice]:
    """Give the slices that divide so many rows into blocks; one empty slice if there are none."""
    for start in range(0, max(rows, 1), size):
        yield slice(start, min(start + size, rows))


class TextColumn:
    """A column of text that grows by blocks; its characters are laid out once, in one piece."""

    def __init__(self) -> None:
        self._characters, self._lengths = bytearray(), [np.zeros(1, np.int64)]
        self._parts: list[pd.Series] = []

    def extend(self, values: list[str]) -> None:
        """Add values at the end."""
        if not _TEXT_IN_ARROW:
            self._parts.append(pd.Series(values, dtype="str"))
            return
        joined = "".join(values)
        encoded = values if joined.isascii() else [value.encode() for value in values]
        self._lengths.append(np.fromiter(map(len, encoded), np.int32, len(values)))
        self._characters += joined.encode()

    def finish(self, empty_is_missing: bool = False) -> pd.Series:
        """Give the column as str, index 0..n-1; afterwards it can't grow."""
        if not _TEXT_IN_ARROW:
            whole = pd.concat([pd.Series(dtype="str"), *self._parts], ignore_index=True)
            return whole.mask(whole == "") if empty_is_missing else whole
        import pyarrow as pa

        ends = np.cumsum(np.concatenate(self._lengths), dtype=np.int64)
        known = np.packbits(np.diff(ends) > 0, bitorder="little") if empty_is_missing else None
        text = pa.LargeStringArray.from_buffers(
            len(ends) - 1,
            pa.py_buffer(ends),
            pa.py_buffer(self._characters),
            None if known is None else pa.py_buffer(known),
        )
        return pd.Series(text, dtype="str")


def map_text(text: pd.Series, change: Callable[[list[str]], list[str]]) -> pd.Series:
    """Change text by a function from list to list.

    Returns
    -------
    pandas.Series
        str, with the index of `text`; `text` itself if nothing changes.
    """
    blocks = (text.iloc[block].tolist() for block in row_blocks(len(text)))
    if text.dtype == "str" and all(change(block) == block for block in blocks):
        return text
    changed = TextColumn()
    for block in row_blocks(len(text)):
        changed.extend(change(text.iloc[block].tolist()))
    whole = changed.finish()
    whole.index = text.index
    return whole


def look_up(text: pd.Series, known: Mapping[str, object], dtype: str | None = None) -> pd.Series:
    """Give what stands for each text, missing where it is not known."""
    numbers, values = pd.factorize(text)
    found = pd.Series([known.get(value) for value in values], dtype=dtype).take(numbers)
    found.index = text.index
    return found


def join_chunks(text: pd.Series) -> pd.Series:
    """Lay out a column in one piece, if Arrow keeps it in several: choosing rows is quick then."""
    to_arrow = getattr(text.array, "__arrow_array__", None)
    if to_arrow is None or not isinstance(text.dtype, pd.StringDtype):
        return text
    chunks = to_arrow()
    if getattr(chunks, "num_chunks", 1) == 1:
        return text
    return pd.Series(chunks.combine_chunks(), text.index, dtype=text.dtype, name=text.name)


def return_memory() -> None:
    """Give back to the system what Arrow has freed: it keeps it for a while, and asks for more."""
    if _TEXT_IN_ARROW:
        import pyarrow as pa

        pa.default_memory_pool().release_unused()


def may_repeat(columns: pd.Series | pd.DataFrame) -> bool:
    """Tell whether rows may be there twice: True if they are, and once in many billions else."""
    hashes = np.empty(len(columns), np.uint64)
    for block in row_blocks(len(columns)):
        part = columns.iloc[block]
        hashes[block] = pd.util.hash_pandas_object(part, index=False, categorize=False)
    hashes.sort()
    return bool((hashes[1:] == hashes[:-1]).any())


def keep_rows(
    table: pd.DataFrame, keep: np.ndarray | pd.Series, release: bool = False
) -> pd.DataFrame:
    """Keep some rows; columns that share their memory do so again, and all rows are no copy.

    Parameters
    ----------
    table : pandas.DataFrame
    keep : array-like of bool
        One a row.
    release : bool
        Take the columns out of `table` one by one, so that none is held twice.

    Returns
    -------
    pandas.DataFrame
        Index 0..n-1, same columns and `attrs`. As always in pandas, changing it leaves `table` as
        it was.
    """
    (kept,) = divide_rows(table, [keep], release)
    return kept


def divide_rows(
    table: pd.DataFrame, parts: Sequence[np.ndarray | pd.Series], release: bool = False
) -> list[pd.DataFrame]:
    """Do as `keep_rows` for several choices of rows."""
    rows = [np.asarray(keep, bool) for keep in parts]
    divided = [pd.DataFrame(index=pd.RangeIndex(int(keep.sum()))) for keep in rows]
    shared: dict[int, str] = {}
    for name in list(table.columns):
        column = table.pop(name) if release else table[name]
        place = _memory_of(column)
        known = name if place is None else shared.setdefault(place, name)
        for part, keep in zip(divided, rows, strict=True):
            if known != name:
                part[name] = part[known]
            else:
                chosen = column if keep.all() else column[keep]
                part[name] = chosen.reset_index(drop=True)
        del column
        if release:
            return_memory()
    for part in divided:
        part.attrs = dict(table.attrs)
    return divided


def _memory_of(column: pd.Series) -> int | None:
    """Give where the memory of a column of floats begins; None for other columns."""
    if column.dtype != np.float64 or column.empty:
        return None
    place = column.to_numpy().__array_interface__
    return place["data"][0] if place["strides"] is None else None
