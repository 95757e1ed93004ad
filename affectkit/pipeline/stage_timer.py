"""Time the stages of a pipeline: where each millisecond of a frame goes."""

from __future__ import annotations

import math
from collections import deque
from time import perf_counter_ns
from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

STAGES = (
    "decode",
    "colour",
    "detect",
    "crop",
    "preprocess",
    "classify",
    "regress",
    "smooth",
    "draw",
    "encode",
)
"""The stages of a frame, in order. "classify" holds both answers where one network gives both."""

END_TO_END, RESIDUAL = "end to end", "residual"


class StageTimer:
    """Add up the time of each stage of every frame, on the monotonic clock.

    A stage that is entered several times within a frame (once a face) counts as the sum.

    Parameters
    ----------
    keep : int, optional
        Frames to remember, the last ones; all if omitted.

    Attributes
    ----------
    frames : deque of dict
        A finished frame each: nanoseconds by stage, and "end to end". Another thread may add the
        time of a stage of its own to a finished frame.

    Examples
    --------
    >>> timer = StageTimer()
    >>> timer.start_frame()
    >>> with timer.stage("detect"):
    ...     pass
    >>> sorted(timer.end_frame())
    ['detect', 'end to end']
    """

    def __init__(self, keep: int | None = None) -> None:
        self.frames: deque[dict[str, int]] = deque(maxlen=keep)
        self._stages: dict[str, _Stage] = {}
        self._now: dict[str, int] = {}
        self._start = perf_counter_ns()

    def start_frame(self) -> None:
        """Begin a frame; what was timed since the last one ended is forgotten."""
        self._now.clear()
        self._start = perf_counter_ns()

    def stage(self, name: str) -> _Stage:
        """Give the context manager of a stage."""
        found = self._stages.get(name)
        if found is None:
            found = self._stages[name] = _Stage(name, self._now)
        return found

    def end_frame(self) -> dict[str, int]:
        """End a frame; gives its nanoseconds by stage and "end to end"."""
        frame = dict(self._now)
        frame[END_TO_END] = perf_counter_ns() - self._start
        self.frames.append(frame)
        return frame

    def table(self, warm_up: int = 0) -> pd.DataFrame:
        """Give milliseconds: a row a frame, a column a stage, then "end to end" and "residual".

        Parameters
        ----------
        warm_up : int
            Frames at the start that are left out.

        Returns
        -------
        pandas.DataFrame
            float64; 0 where a frame did not pass a stage. The residual is what no stage accounts
            for.
        """
        import pandas as pd

        frames = pd.DataFrame(list(self.frames)[warm_up:]).fillna(0.0) / 1e6
        stages = [name for name in frames if name != END_TO_END]
        order = [*(name for name in STAGES if name in stages)]
        order += [name for name in stages if name not in STAGES]
        if END_TO_END not in frames:
            return frames[order]
        residual = frames[END_TO_END] - frames[order].sum(axis=1)
        return frames[[*order, END_TO_END]].assign(**{RESIDUAL: residual})


class _Stage:
    """Context manager of one stage; made once, so that entering it costs half a microsecond."""

    __slots__ = ("_name", "_now", "_start")

    def __init__(self, name: str, now: dict[str, int]) -> None:
        self._name, self._now, self._start = name, now, 0

    def __enter__(self) -> None:
        self._start = perf_counter_ns()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        spent = perf_counter_ns() - self._start
        self._now[self._name] = self._now.get(self._name, 0) + spent


def samples_needed(percentile: float) -> int:
    """Give how many samples a percentile of latency asks for, as MLPerf does.

    Parameters
    ----------
    percentile : float
        50..99.9, in percent.

    Returns
    -------
    int
        n = z^2 p (1 - p) / ((1 - p) / 20)^2 with z = 2.5758 for 99 % confidence, a margin of a
        twentieth of the tail (Reddi et al., 2020, arXiv:1911.02549, section III-D): 23,886 for the
        90th and 262,742 for the 99th percentile.
    """
    p = percentile / 100
    return math.ceil(2.575829304**2 * p * (1 - p) / ((1 - p) / 20) ** 2 - 1e-6)


def summarise(table: pd.DataFrame) -> pd.DataFrame:
    """Give n, mean and percentiles of every stage.

    Parameters
    ----------
    table : pandas.DataFrame
        From `StageTimer.table`.

    Returns
    -------
    pandas.DataFrame
        A row a stage: n, mean, p50, p90 and p99 in milliseconds, and whether n is enough for
        the latter two (`p90_enough`, `p99_enough`).
    """
    import pandas as pd

    summary = pd.DataFrame(
        {"n": len(table), "mean": table.mean()}
        | {f"p{percentile}": table.quantile(percentile / 100) for percentile in (50, 90, 99)}
    )
    for percentile in (90, 99):
        summary[f"p{percentile}_enough"] = len(table) >= samples_needed(percentile)
    return summary.rename_axis("stage")
