"""What is known of a camera's frames: the answers as messages, the last frame, and the times."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from time import monotonic

import numpy as np
import pandas as pd

from affectkit.labels import EXPRESSIONS
from affectkit.pipeline.pipeline import FaceAffect

KEPT_TIMES = 3000
"""Frames whose times are kept."""

RATE_FRAMES = 60
"""Frames that the current rate is taken from."""

PAGE_STAGES = ("grab", "encode", "wire", "draw", "latency")
"""What a page reports of each frame: copying it, JPEG, the way there and back, drawing; all of it.

The latency goes from the moment when a frame is taken to the one when its result is drawn.
"""

KERNEL_STAGES = ("queue", "decode")
"""Before the pipeline's own stages: waiting for the thread, and reading the JPEG."""


@dataclass(frozen=True)
class Snapshot:
    """A frame and what the pipeline said about it.

    Attributes
    ----------
    image : numpy.ndarray
        uint8, shape (height, width, 3), RGB; not mirrored.
    faces : list of FaceAffect
        In the pixels of the image, the largest first.
    time : float
        Seconds since the stream began.
    """

    image: np.ndarray
    faces: list[FaceAffect]
    time: float


def face_messages(faces: Sequence[FaceAffect], height: int, width: int) -> list[dict]:
    """Write faces as a page gets them: rounded, the box as shares of a frame of height x width.

    Probabilities are in the order of `affectkit.labels.EXPRESSIONS`; none without a classifier.
    """
    scale = (width, height, width, height)
    return [
        {
            "box": [round(value / side, 4) for value, side in zip(face.box, scale, strict=True)],
            "score": round(face.score, 3),
            "expression": face.expression,
            "unsure": face.unsure,
            "plausible": list(face.plausible),
            "probabilities": [
                round(face.probabilities[name], 4) for name in EXPRESSIONS if face.probabilities
            ],
            "valence": None if face.valence is None else round(face.valence, 4),
            "arousal": None if face.arousal is None else round(face.arousal, 4),
            "track": face.track,
        }
        for face in faces
    ]


class FrameTimes:
    """Milliseconds of the last `KEPT_TIMES` frames, stage by stage, in kernel and page.

    Adding is safe from any thread.
    """

    def __init__(self) -> None:
        self._kernel: deque[tuple[int, dict[str, float]]] = deque(maxlen=KEPT_TIMES)
        self._page: deque[tuple[int, dict[str, float]]] = deque(maxlen=KEPT_TIMES)
        self._ends: deque[float] = deque(maxlen=RATE_FRAMES)

    def clear(self) -> None:
        """Begin anew."""
        for rows in (self._kernel, self._page, self._ends):
            rows.clear()

    def add_kernel(self, number: int, milliseconds: Mapping[str, float]) -> None:
        """Add what a frame took in the kernel, by stage."""
        self._kernel.append((number, dict(milliseconds)))
        self._ends.append(monotonic())

    def add_page(self, rows: object) -> None:
        """Add what a page says: rows of a frame's number and the values of `PAGE_STAGES`.

        Rows that are not of that form are left out: a page can send anything.
        """
        for row in rows if isinstance(rows, list) else ():
            if isinstance(row, list) and len(row) == 1 + len(PAGE_STAGES):
                try:
                    number, *values = (float(value) for value in row)
                    entry = (int(number), dict(zip(PAGE_STAGES, values, strict=True)))
                except (TypeError, ValueError, OverflowError):
                    continue
                self._page.append(entry)

    def rate(self) -> float:
        """Give frames a second over the last `RATE_FRAMES`; 0 of fewer than two."""
        ends = list(self._ends)
        span = ends[-1] - ends[0] if len(ends) > 1 else 0.0
        return (len(ends) - 1) / span if span > 0 else 0.0

    def table(self) -> pd.DataFrame:
        """Give a row a frame, with its number as index, and a column a stage, in milliseconds.

        NaN where a page has not reported a frame, or a frame did not pass a stage.
        """
        kernel, page = (
            pd.DataFrame(
                [row for _, row in rows], index=[number for number, _ in rows], dtype=float
            )
            for rows in (list(self._kernel), list(self._page))
        )
        page = page[~page.index.duplicated()]
        table = kernel.join(page) if len(page.columns) else kernel
        return table.rename_axis("frame")
