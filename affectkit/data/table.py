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
"""

from __future__ import annotations

import warnings
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from affectkit.labels import EXPRESSIONS, NO_FACE, NUM_EXPRESSIONS, VALENCE_AROUSAL

if TYPE_CHECKING:
    import pandera.pandas


SPLITS: tuple[str, ...] = ("train", "validation", "test")
SOFT_LABEL_COLUMNS: tuple[str, ...] = tuple(f"soft_{name.lower()}" for name in EXPRESSIONS)
BOX_COLUMNS: tuple[str, ...] = ("face_x", "face_y", "face_width", "face_height")
MOST_PIXELS = 1e9
"""No number of a face box is larger."""

CLASS_MEANS = np.array([VALENCE_AROUSAL[name][:2] for name in EXPRESSIONS])
"""float64, shape (8, 2): mean valence and arousal of each expression in AffectNet."""

_DTYPES = {
    "image_id": "str",
    "path": "str",
    "row": "Int64",
    "expression": "Int64",
    **dict.fromkeys(("valence", "arousal", *SOFT_LABEL_COLUMNS, *BOX_COLUMNS), float),
    "split": "str",
    "subject": "str",
    "derived_valence_arousal": bool,
}
_DEFAULTS = {
    **dict.fromkeys(_DTYPES, np.nan),
    **{"path": "", "row": pd.NA, "expression": pd.NA, "subject": pd.NA},
    "derived_valence_arousal": False,
}
STANDARD_COLUMNS: tuple[str, ...] = tuple(_DTYPES)


@cache
def table_schema() -> pandera.pandas.DataFrameSchema:
    """Build the schema of `STANDARD_COLUMNS`, further columns are free; imports pandera late."""
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
    given = pd.DataFrame(columns).reset_index(drop=True)
    missing = {"image_id", "split"} - set(given)
    if missing:
        raise ValueError(f"expected at least the columns image_id and split, missing {missing}")
    absent = {name: _DEFAULTS[name] for name in STANDARD_COLUMNS if name not in given}
    further = [name for name in given if name not in STANDARD_COLUMNS]
    table = given.assign(**absent)[[*STANDARD_COLUMNS, *further]].astype(_DTYPES)
    table.attrs = {"dataset": dataset, "protocol": protocol}
    return validate_table(table)


def validate_table(table: pd.DataFrame) -> pd.DataFrame:
    """Give a table back that meets the schema.

    A ValueError names columns, failed checks and up to five offending values of one that does not.
    """
    import pandera.errors

    try:
        return table_schema().validate(table, lazy=True)
    except pandera.errors.SchemaErrors as error:
        cases = error.failure_cases[["column", "check", "failure_case", "index"]].head(5)
        raise ValueError(
            f"the table of {table.attrs.get('dataset', 'this data set')!r} breaks its schema:\n"
            f"{cases.to_string(index=False)}\nSee affectkit.data.table for what each column holds."
        ) from error


def slice_columns(table: pd.DataFrame) -> list[str]:
    """Give the names of the columns to slice by: all that are neither standard nor `image`.

    Parameters
    ----------
    table : pandas.DataFrame
        The documented table.

    Returns
    -------
    list of str
        In the order of the table.
    """
    return [name for name in table.columns if name not in (*STANDARD_COLUMNS, "image")]


def soft_labels(table: pd.DataFrame) -> np.ndarray:
    """Give the label distribution of every row, one-hot where only `expression` is known.

    Parameters
    ----------
    table : pandas.DataFrame
        The documented table.

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
    """Tell which rows have the target of a task.

    Parameters
    ----------
    table : pandas.DataFrame
        The documented table.
    task : {"classification", "regression"}
        An expression 0..7, or valence and arousal.

    Returns
    -------
    numpy.ndarray
        bool, shape (n,).
    """
    if task == "regression":
        return table[["valence", "arousal"]].notna().all(axis=1).to_numpy()
    return table["expression"].between(0, NUM_EXPRESSIONS - 1).fillna(False).to_numpy(bool)


def expected_valence_arousal(soft_labels: np.ndarray) -> np.ndarray:
    """Give the mean of AffectNet's class means (n, 2), weighted by label distributions (n, 8)."""
    return np.asarray(soft_labels, float) @ CLASS_MEANS


def derive_valence_arousal(table: pd.DataFrame) -> pd.DataFrame:
    """Fill in valence and arousal from the expressions where a table has none at all.

    A warning says so, and `derived_valence_arousal` marks the rows that have an expression 0..7 or
    a soft label: the values let a regressor learn, but nothing that a person rated.
    """
    if table[["valence", "arousal"]].notna().any(axis=None):
        return table
    soft = table[list(SOFT_LABEL_COLUMNS)].to_numpy(float, copy=True)
    codes = table["expression"].to_numpy(float, na_value=np.nan)
    hard = np.isnan(soft).any(axis=1) & (codes < NUM_EXPRESSIONS)
    soft[hard] = np.eye(NUM_EXPRESSIONS)[codes[hard].astype(int)]
    valence, arousal = expected_valence_arousal(soft).T
    known = ~np.isnan(valence)
    table = table.assign(valence=valence, arousal=arousal, derived_valence_arousal=known)
    warnings.warn(
        f"{table.attrs.get('dataset') or 'this data set'} has no valence and arousal: they are "
        "derived from the expressions, so a regressor only learns the expression in other words",
        UserWarning,
        stacklevel=2,
    )
    return table
