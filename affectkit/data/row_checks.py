"""Check the rows of a label file column by column; bad ones are skipped, good ones kept."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from affectkit.data.label_files import LINE
from affectkit.data.skipped import SkippedRows
from affectkit.data.table import BOX_COLUMNS, MOST_PIXELS
from affectkit.files.pictures import DAMAGED, picture_size
from affectkit.labels import (
    LABEL_ORDERS,
    NO_FACE,
    NOT_ANNOTATED,
    expression_code,
    label_number,
    order_text,
)

NO_NUMBER = frozenset({"", "na", "n/a", "nan", "null", "none", "unknown", "?", "-"})
"""What people write, in capitals or not, where they know no number."""


class RowChecks:
    """The rows of one label file, and which of them are still good.

    `frame` has text columns and `LINE`, as from `read_label_csv`; a column that is read is taken
    out. Rows that fail go to `skipped`, each once. Python code runs per distinct or bad value.
    """

    def __init__(self, file: str | Path, frame: pd.DataFrame, skipped: SkippedRows) -> None:
        self.file, self.frame, self.skipped = Path(file), frame, skipped
        self.good = np.ones(len(frame), bool)
        self.values: dict[str, np.ndarray | pd.Series] = {}

    def reject(self, bad: np.ndarray, reason: Callable[[int], str], remedy: str) -> None:
        """Skip rows; `reason` gives the text for a row position."""
        lines = self.frame[LINE].to_numpy()
        for position in np.flatnonzero(np.asarray(bad) & self.good):
            self.skipped.add(self.file, lines[position], reason(position), remedy)
        self.good &= ~np.asarray(bad)

    def expression(self, column: str, read: Callable[[object], int | None]) -> None:
        """Read the expression by `read`, which raises ValueError for text that is none."""
        text = self.frame.pop(column)
        codes, problems = {}, {}
        for value in pd.unique(text):
            try:
                codes[value] = read(value)
            except ValueError as error:
                problems[value] = str(error)
        self.values["expression"] = text.map(codes).astype("Int64")
        self.reject(
            text.isin(list(problems)).to_numpy() if problems else np.zeros(len(text), bool),
            lambda row: f"{column} {text.iloc[row][:40]!r} is not a known expression",
            "write an AffectNet code or a name of affectkit.labels.EXPRESSIONS",
        )

    def numbers(self, column: str) -> np.ndarray:
        """Give a column as float64, NaN where it is empty; other text and inf are rejected."""
        return self._numbers(column, self.frame.pop(column))

    def _numbers(self, column: str, text: pd.Series) -> np.ndarray:
        values = _as_float(text)
        self.reject(
            ~np.isfinite(values) & _is_written(text, ~np.isfinite(values)),
            lambda row: f"{column} {text.iloc[row][:40]!r} is not a finite number",
            "write a number, or leave the field empty if it is not known",
        )
        return np.where(np.isfinite(values), values, np.nan)

    def valence_arousal(self) -> None:
        """Read valence and arousal: -2 or nothing is "not annotated", else [-1, 1] is required."""
        for column in ("valence", "arousal"):
            text = self.frame.pop(column)
            values = self._numbers(column, text)
            values = np.where(values == NOT_ANNOTATED, np.nan, values)
            self.reject(
                np.abs(values) > 1,
                lambda row, column=column, text=text: (
                    f"{column} {text.iloc[row][:40]} is outside [-1, 1]"
                ),
                "scale valence and arousal to [-1, 1]; -2 or nothing means not annotated",
            )
            self.values[column] = values

    def boxes(self, paths: pd.Series) -> None:
        """Read face boxes; one that can't be used is dropped, with a warning that counts them.

        A box is unusable if a number is missing, not finite or beyond `MOST_PIXELS`, if it is no
        more than a pixel wide or high (AffectNet has face_width < 0), or if all of it lies left of
        or above the image. Where all are in 0..1, they are fractions of the pictures in `paths`,
        whose sizes are then read.
        """
        box = np.stack([_as_float(self.frame[name]) for name in BOX_COLUMNS])
        if _are_fractions(box[:, self.good]):
            warnings.warn(
                f"{self.file}: the face boxes are read as fractions of the pictures, as all are in "
                "0..1",
                UserWarning,
                stacklevel=2,
            )
            sizes = [_size(path) if good else None
                     for path, good in zip(paths, self.good, strict=True)]  # fmt: skip
            width, height = np.array([size or (np.nan, np.nan) for size in sizes]).reshape(-1, 2).T
            box *= np.stack([width, height, width, height])
        x, y, width, height = box
        usable = (np.abs(box) <= MOST_PIXELS).all(axis=0) & (width > 1) & (height > 1)
        usable &= (x + width > 0) & (y + height > 0)
        bad = ~usable & self.good
        unusable = np.any([_is_written(self.frame[name], bad) for name in BOX_COLUMNS], axis=0)
        if unusable.any():
            example = self.frame[unusable].iloc[0]
            numbers = ", ".join(f"{name} {example[name]}" for name in BOX_COLUMNS)
            warnings.warn(
                f"{self.file}: {unusable.sum()} of {len(self.frame)} face boxes can't be used "
                f"(first: line {example[LINE]}: {numbers}); the whole image is used for them. "
                "Correct the boxes if these faces matter: in pixels, or all in fractions, 0..1",
                UserWarning,
                stacklevel=2,
            )
        box[:, ~usable] = np.nan
        for name, numbers in zip(BOX_COLUMNS, box, strict=True):
            self.values[name] = numbers
            del self.frame[name]

    def unique(self, names: pd.Series, paths: pd.Series | None = None) -> None:
        """Skip rows that name an image again, or another form of its path; the first one counts."""
        paths = names if paths is None else paths
        again = paths.where(self.good).duplicated().to_numpy() & self.good
        if not again.any():
            return
        lines = pd.Series(self.frame[LINE].to_numpy()[self.good], paths[self.good])
        first = lines[~lines.index.duplicated()]
        self.reject(
            again,
            lambda row: f"{names.iloc[row]!r} is listed again (first: {first[paths.iloc[row]]})",
            "keep one row an image",
        )

    def table(self, /, **columns: object) -> pd.DataFrame:
        """Give the good rows of the values read and of `columns` (whole or scalar)."""
        frame = pd.DataFrame(self.values | columns, index=self.frame.index)
        return frame[self.good].reset_index(drop=True)


def check_numbers(labels: Iterable[object], order: str | None, place: str | Path) -> None:
    """Check that numbers among labels can be codes of the order (None: AffectNet's).

    A ValueError refuses numbers that count from 1, as RAF-DB's do, where the order counts from 0,
    and the other way round. Without an order, a warning tells what numbers were read as that are
    not all of 0..7.
    """
    numbers = {label_number(label) for label in labels} - {None}
    shown = ", ".join(map(str, sorted(numbers)[:12]))
    others = " or ".join(f"--labels {name}" for name in LABEL_ORDERS if name != "affectnet")
    remedy = (
        f'Give the order with {others} (in Python labels="rafdb"), or --labels affectnet if they '
        "are AffectNet's codes"
    )
    if order is not None:
        if 0 in numbers and 0 not in LABEL_ORDERS[order]:
            raise ValueError(
                f"{place}: the numbers {shown} count from 0, those of --labels {order} do not "
                f"({order_text(order)}). Give another order"
            )
    elif 0 not in numbers and numbers & {7, 8}:  # 1..7 or 1..8
        raise ValueError(
            f"{place}: the numbers {shown} can't be AffectNet's codes ({order_text('affectnet')}): "
            f"there is no 0. RAF-DB's, for one, are {order_text('rafdb')}. {remedy}"
        )
    elif numbers and not numbers >= set(LABEL_ORDERS["affectnet"]):
        warnings.warn(
            f"{place}: the numbers {shown} are read as AffectNet's codes "
            f"({order_text('affectnet')}), although not all of these are there. {remedy}",
            UserWarning,
            stacklevel=3,
        )


def _are_fractions(box: np.ndarray) -> bool:
    """Tell whether all boxes that have numbers, shape (4, n), are in 0..1."""
    box = box[:, np.isfinite(box).all(axis=0)]
    positive = (box[2:] > 0).all(axis=0)
    return bool(positive.any()) and bool(((box >= 0) & (box <= 1)).all())


def _size(path: str) -> tuple[int, int] | None:
    """Give width and height of a picture as it is seen; None if it can't be read."""
    try:
        return picture_size(path)
    except DAMAGED:
        return None


def _as_float(text: pd.Series) -> np.ndarray:
    """Give text as float64, NaN where it is no number."""
    try:
        return text.to_numpy(object).astype(float)  # ten times as fast, if all are numbers
    except ValueError:
        return pd.to_numeric(text.str.strip(), errors="coerce").to_numpy(float)


def _is_written(text: pd.Series, where: np.ndarray) -> np.ndarray:
    """Tell for some rows whether there is any text; False for the others."""
    written = np.zeros(len(text), bool)
    written[where] = text[where].str.strip() != ""
    return written


def affectnet_code(value: object) -> int:
    """Read an AffectNet code 0..10 from text such as "3" or "3.0"; else raise ValueError."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = -1.0
    if number.is_integer() and 0 <= number <= NO_FACE:
        return int(number)
    raise ValueError(f"expected an AffectNet code 0..{NO_FACE}, got {value!r}")


def expression_or_nothing(value: object, order: str = "affectnet") -> int | None:
    """Read an expression as a name or a code of the order, "" as None; else raise ValueError."""
    return None if value == "" else expression_code(value, order)


def slice_values(text: pd.Series) -> pd.Series:
    """Give a further column as numbers if all its values are, else as text; "" becomes NA.

    Beside numbers, the words of `NO_NUMBER` become NaN too; beside text they are values.
    """
    text = text.str.strip()
    is_value = ~text.str.lower().isin(NO_NUMBER)
    numbers = pd.to_numeric(text.where(is_value, None), errors="coerce").astype(float)
    if np.isfinite(numbers).sum() == is_value.sum() > 0:
        return numbers
    return text.where(text != "", None)
