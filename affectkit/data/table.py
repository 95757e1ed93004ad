"""The one table that every loader returns, with its schema and small helpers.

One row is one annotated face. Nothing here reads an image: a row only says where it is.

=====================  =========  ================================================================
column                 dtype      meaning
=====================  =========  ================================================================
image_id               str        unique within a split: a relative path or a name
path                   str        file that holds the image; "" when `image` holds it
row                    Int64      row inside a container file (.npz, FER2013 .csv); NA otherwise
image                  object     optional column: uint8 array (H, W) or (H, W, 3) RGB, or None
expression             Int64      AffectNet code 0..10; NA = not annotated
valence, arousal       float64    in [-1, 1]; NaN = not annotated
soft_neutral ...       float64    8 columns: share of each expression, sum 1, or all NaN
face_x, face_y,        float64    face box in pixels of the stored image (left, top, size);
face_width,                       all NaN = the whole image is the face
face_height
split                  str        train, validation or test
subject                str        who is shown; NA = unknown
derived_valence_       bool       True where valence and arousal were computed from expression
arousal                           labels or votes instead of being annotated
=====================  =========  ================================================================

Every other column is a slice column (`gender`, `age`, `skin_tone` ...): metrics are also given per
group of it. `table.attrs` holds two short strings, `dataset` and `protocol`.

Columns without any value share one array in memory, until one of them is changed: of the numbers in
`memory_usage` that of a column of nothing but NaN counts once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import copy
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from affectkit.labels import EXPRESSIONS, NO_FACE, NUM_EXPRESSIONS

if TYPE_CHECKING:
    import pandera.pandas


SPLITS: tuple[str, ...] = ("train", "validation", "test")
SOFT_LABEL_COLUMNS: tuple[str, ...] = tuple(f"soft_{name.lower()}" for name in EXPRESSIONS)
BOX_COLUMNS: tuple[str, ...] = ("face_x", "face_y", "face_width", "face_height")
MOST_PIXELS = 1e9
"""No number of a face box is larger."""

STANDARD_COLUMNS: tuple[str, ...] = (
    "image_id",
    "path",
    "row",
    "expression",
    "valence",
    "arousal",
    *SOFT_LABEL_COLUMNS,
    *BOX_COLUMNS,
    "split",
    "subject",
    "derived_valence_arousal",
)
_VALIDATED_ROWS = 1 << 16
_DTYPES = {
    **dict.fromkeys(("image_id", "path", "split", "subject"), "str"),
    **dict.fromkeys(("row", "expression"), "Int64"),
    **dict.fromkeys(("valence", "arousal", *SOFT_LABEL_COLUMNS, *BOX_COLUMNS), float),
    "derived_valence_arousal": bool,
}


@cache
def table_schema() -> pandera.pandas.DataFrameSchema:
    """Build the pandera schema of the table (pandera is imported on the first call only).

    Returns
    -------
    pandera.pandas.DataFrameSchema
        Checks every column of `STANDARD_COLUMNS`; further (slice) columns are free.
    """
    import pandera.pandas as pa

    unit = pa.Check.in_range(-1, 1)
    soft = pa.Check.in_range(0, 1)
    columns = {
        "image_id": pa.Column(str),
        "path": pa.Column(str),
        "row": pa.Column("Int64", pa.Check.ge(0), nullable=True),
        "expression": pa.Column("Int64", pa.Check.in_range(0, NO_FACE), nullable=True),
        "valence": pa.Column(float, unit, nullable=True),
        "arousal": pa.Column(float, unit, nullable=True),
        **{name: pa.Column(float, soft, nullable=True) for name in SOFT_LABEL_COLUMNS},
        **{name: pa.Column(float, nullable=True) for name in BOX_COLUMNS},
        "split": pa.Column(str, pa.Check.isin(SPLITS)),
        "subject": pa.Column(str, nullable=True),
        "derived_valence_arousal": pa.Column(bool),
    }
    return pa.DataFrameSchema(
        columns,
        checks=[
            pa.Check(_soft_labels_sum_to_one, error="soft labels sum to 1 or are all missing"),
            pa.Check(_boxes_are_whole, error="a face box has four numbers and a positive size"),
        ],
        unique=["split", "image_id"],
    )


@cache
def _row_schema() -> pandera.pandas.DataFrameSchema:
    """Build what each row must meet on its own."""
    schema = copy(table_schema())
    schema.unique = None
    return schema


def _soft_labels_sum_to_one(table: pd.DataFrame) -> pd.Series:
    soft = table[list(SOFT_LABEL_COLUMNS)]
    complete = soft.notna().all(axis=1) & np.isclose(soft.sum(axis=1), 1.0, atol=1e-6)
    return complete | soft.isna().all(axis=1)


def _boxes_are_whole(table: pd.DataFrame) -> pd.Series:
    box = table[list(BOX_COLUMNS)]
    positive = (table["face_width"] > 0) & (table["face_height"] > 0)
    return ((box.abs() <= MOST_PIXELS).all(axis=1) & positive) | box.isna().all(axis=1)


def make_table(
    columns: dict[str, object] | pd.DataFrame, dataset: str, protocol: str = ""
) -> pd.DataFrame:
    """Fill in absent standard columns, fix dtypes and check the result.

    Parameters
    ----------
    columns : dict of str to array-like, or DataFrame
        At least `image_id` and `split`; any of the columns above; and slice columns.
    dataset, protocol : str
        Kept in `attrs`.

    Returns
    -------
    pandas.DataFrame
        The table as documented at the top of this module, index 0..n-1.

    Raises
    ------
    ValueError
        If a column breaks the schema; the message names column, rows and values.
    """
    given = dict(pd.DataFrame(columns).reset_index(drop=True).items())
    return fill_table(given, dataset, protocol)


def fill_table(columns: dict[str, pd.Series], dataset: str, protocol: str = "") -> pd.DataFrame:
    """Make a table as `make_table` does, of columns that need not be held twice.

    Parameters
    ----------
    columns : dict of str to pandas.Series
        All with the index 0..n-1; each is taken out of the dict when its turn comes.
    dataset, protocol : str
        Kept in `attrs`.

    Returns
    -------
    pandas.DataFrame
        As `make_table`'s.

    Raises
    ------
    ValueError
        As `make_table` does.
    """
    missing = {"image_id", "split"} - set(columns)
    if missing:
        raise ValueError(f"expected at least the columns image_id and split, missing {missing}")
    table = pd.DataFrame(index=columns["split"].index)
    absent = pd.Series(np.nan, table.index)
    defaults = {"path": "", "row": pd.NA, "expression": pd.NA, "subject": pd.NA}
    for name in [*STANDARD_COLUMNS, *(name for name in columns if name not in STANDARD_COLUMNS)]:
        if name in columns:
            column = columns.pop(name)
        else:
            column = defaults.get(name, False if name.startswith("derived") else np.nan)
            column = pd.Series(column, table.index)
        if name in _DTYPES:
            column = column.astype(_DTYPES[name])
        if column.dtype == float and column.isna().all():
            column = absent
        table[name] = join_chunks(column)
    table.attrs = {"dataset": dataset, "protocol": protocol}
    return validate_table(table)


def validate_table(table: pd.DataFrame) -> pd.DataFrame:
    """Check a table against the schema and return it unchanged.

    Raises
    ------
    ValueError
        With column, failed check and up to five offending values.
    """
    import pandera.errors

    try:
        if not _is_valid_in_blocks(table):
            table_schema().validate(table, lazy=True)
    except pandera.errors.SchemaErrors as error:
        cases = error.failure_cases[["column", "check", "failure_case", "index"]].head(5)
        raise ValueError(
            f"the table of {table.attrs.get('dataset', 'this data set')!r} breaks its schema:\n"
            f"{cases.to_string(index=False)}\nSee affectkit.data.table for what each column holds."
        ) from error
    return table


def _is_valid_in_blocks(table: pd.DataFrame) -> bool:
    """Check rows in blocks, which takes less memory; perhaps False where all together are good."""
    import pandera.errors

    try:
        for block in row_blocks(len(table), _VALIDATED_ROWS):
            _row_schema().validate(table.iloc[block], lazy=True, inplace=True)
    except pandera.errors.SchemaErrors:
        return False
    return not may_repeat(table[["split", "image_id"]])


def slice_columns(table: pd.DataFrame) -> list[str]:
    """Give the names of the slice columns: all that are neither standard nor `image`."""
    return [name for name in table.columns if name not in (*STANDARD_COLUMNS, "image")]


def soft_labels(table: pd.DataFrame) -> np.ndarray:
    """Give the label distribution of every row, one-hot where only `expression` is known.

    Returns
    -------
    numpy.ndarray
        float32, shape (n, 8), rows sum to 1.

    Raises
    ------
    ValueError
        If a row has neither a soft label nor an expression 0..7.
    """
    soft = table[list(SOFT_LABEL_COLUMNS)].to_numpy(np.float32, copy=True)
    hard = table["expression"].to_numpy(dtype=float, na_value=np.nan)
    absent = np.isnan(soft).any(axis=1)
    usable = (hard >= 0) & (hard < len(EXPRESSIONS))
    if (absent & ~usable).any():
        example = table.loc[absent & ~usable, "image_id"].iloc[0]
        raise ValueError(
            f"expected an expression 0..7 or a soft label in every row; {example!r} has neither. "
            "Choose a protocol that drops such rows (see affectkit.data.protocols)"
        )
    soft[absent] = np.eye(len(EXPRESSIONS), dtype=np.float32)[hard[absent].astype(int)]
    return soft


def annotated_rows(table: pd.DataFrame, task: str) -> np.ndarray:
    """Give a bool mask, shape (n,): the rows that have the target of this task."""
    if task == "regression":
        return table[["valence", "arousal"]].notna().all(axis=1).to_numpy()
    return table["expression"].between(0, NUM_EXPRESSIONS - 1).fillna(False).to_numpy(bool)


# FOLD affectkit.data.lean_columns: """Handle long columns in blocks of rows and without copies, so that a table takes little memory.
#
# Text is kept by Arrow, in about 8 bytes and the characters a value; the same values as Python's
# strings take five times as much. So no function here has more than `BLOCK_ROWS` of those at a time.
# """
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
