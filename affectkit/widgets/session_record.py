"""The numbers of a camera's session, a row a face and frame; never pictures."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import numpy as np
import pandas as pd

from affectkit.labels import EXPRESSIONS
from affectkit.pipeline.pipeline import FaceAffect

COLUMNS = ("time", "frame", "face", "expression", *EXPRESSIONS, "valence", "arousal")
"""Of `SessionRecord.table`.

time: seconds since the stream began. frame: its number, from 0. face: the number of the face,
which it keeps from frame to frame where the pipeline follows faces; else 0 is the largest. One
column an expression: its probability. valence, arousal: in [-1, 1].
"""

KEPT_ROWS = 100_000
"""About an hour of one face; the oldest rows make room."""

_NUMBERS = tuple(name for name in COLUMNS if name != "expression")


class SessionRecord:
    """The last rows of numbers, in a ring of fixed size: 11 MB once it is full.

    Adding and reading are safe from any thread.
    """

    def __init__(self, limit: int = KEPT_ROWS) -> None:
        if limit < 1:
            raise ValueError(f"expected a limit of at least 1 row, got {limit}")
        self._rows = np.empty((limit, len(_NUMBERS)))  # pages of memory are taken when written
        self._count = 0
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return min(self._count, len(self._rows))

    def clear(self) -> None:
        """Forget all rows."""
        with self._lock:
            self._count = 0

    def add(self, time: float, frame: int, faces: Sequence[FaceAffect]) -> None:
        """Add a row for each face of the frame that was taken so many seconds after the start."""
        with self._lock:
            for position, face in enumerate(faces):
                number = position if face.track is None else face.track
                values = (face.probabilities.get(name) for name in EXPRESSIONS)
                row = (time, frame, number, *values, face.valence, face.arousal)
                self._rows[self._count % len(self._rows)] = [
                    np.nan if value is None else value for value in row
                ]
                self._count += 1

    def table(self) -> pd.DataFrame:
        """Give a copy of all rows, with the columns `COLUMNS`.

        Expression is a category, frame and face are int64, the rest float64, NaN where the pipeline
        has no such network.
        """
        with self._lock:
            order = np.arange(self._count - len(self), self._count) % len(self._rows)
            rows = self._rows[order]
        table = pd.DataFrame(rows, columns=list(_NUMBERS))
        probabilities = table[list(EXPRESSIONS)].to_numpy()
        known = ~np.isnan(probabilities).any(axis=1)
        codes = np.full(len(table), -1)
        codes[known] = probabilities[known].argmax(axis=1)
        expressions = pd.Categorical.from_codes(codes, categories=list(EXPRESSIONS))
        table.insert(3, "expression", expressions)
        return table.astype({"frame": "int64", "face": "int64"})
