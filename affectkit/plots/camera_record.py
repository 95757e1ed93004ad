"""Plots of what the camera widget recorded. Use them through `affectkit.plots`."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from affectkit.labels import EXPRESSION_COLOURS, EXPRESSIONS
from affectkit.plots.data import TRAINING_COLOUR, VALIDATION_COLOUR, new_figure
from affectkit.plots.valence_arousal import EXPRESSION_MARKERS, draw_circumplex

_GAP = 1.0
"""Seconds without the face, after which a line is broken."""


def plot_camera_record(record: pd.DataFrame, face: int | None = None) -> Figure:
    """Draw a face's expression, probabilities, valence and arousal over time.

    Parameters
    ----------
    record : pandas.DataFrame
        `AffectCamera.record`; may be empty.
    face : int, optional
        Which face; the one with most rows if omitted.

    Returns
    -------
    matplotlib.figure.Figure
        Above, a row an expression: the darker, the more probable; dots mark the most probable one.
        Below, valence and arousal; lines are broken where the face was away for over a second.

    Raises
    ------
    ValueError
        If the record has no such face.
    """
    figure, axes = new_figure(
        2, 1, figsize=(9, 5), sharex=True, gridspec_kw={"height_ratios": [1.3, 1]}
    )
    above, below = axes[:, 0]
    rows, title = _rows_of_face(record, face)
    above.set_title(title, fontsize=11)
    _draw_probabilities(above, rows)
    times = rows["time"].to_numpy()
    breaks = np.flatnonzero(np.diff(times) > _GAP) + 1
    for name, colour, style in (
        ("valence", TRAINING_COLOUR, "-"),
        ("arousal", VALIDATION_COLOUR, "--"),
    ):
        x, y = np.insert(times, breaks, np.nan), np.insert(rows[name].to_numpy(), breaks, np.nan)
        below.plot(x, y, color=colour, linestyle=style, label=name)
    below.axhline(0, color="0.6", linewidth=0.7)
    below.set(ylim=(-1.05, 1.05), xlabel="seconds", ylabel="valence, arousal")
    below.legend(frameon=False, fontsize=8, ncols=2, loc="upper right")
    return figure


def plot_camera_circumplex(record: pd.DataFrame, face: int | None = None) -> Figure:
    """Draw where a face went in the plane of valence and arousal.

    Parameters
    ----------
    record : pandas.DataFrame
        `AffectCamera.record`; may be empty.
    face : int, optional
        Which face; the one with most rows if omitted.

    Returns
    -------
    matplotlib.figure.Figure
        A marker a frame, its shape and colour those of the expression; fainter where it is older.

    Raises
    ------
    ValueError
        If the record has no such face.
    """
    figure, axes = new_figure(figsize=(6.4, 5.2))
    axis = axes[0, 0]
    draw_circumplex(axis)
    rows, title = _rows_of_face(record, face)
    axis.set_title(title, fontsize=11)
    axis.plot(rows["valence"], rows["arousal"], color="0.8", linewidth=0.7, zorder=1)
    age = np.linspace(0.25, 1.0, len(rows))
    handles = []
    for name, marker in EXPRESSION_MARKERS.items():
        chosen = (rows["expression"] == name).to_numpy()
        if chosen.any():
            places = rows["valence"][chosen], rows["arousal"][chosen]
            style = {"c": _shades(name, age[chosen]), "marker": marker, "linewidths": 0}
            axis.scatter(*places, s=30, zorder=2, **style)
            style = {"color": EXPRESSION_COLOURS[name], "marker": marker, "linestyle": "none"}
            handles.append(Line2D([], [], label=f"{name} ({chosen.sum():,})", **style))
    if handles:
        figure.legend(handles=handles, loc="outside right upper", frameon=False, fontsize=9)
    return figure


def _rows_of_face(record: pd.DataFrame, face: int | None) -> tuple[pd.DataFrame, str]:
    """Choose a face's rows, and say which they are."""
    counts = record["face"].value_counts()
    if face is not None and face not in counts.index:
        known = ", ".join(str(number) for number in sorted(counts.index)) or "none"
        raise ValueError(f"expected one of the recorded faces ({known}), got {face!r}")
    if counts.empty:
        return record, "nothing was recorded: start the camera or play the sample"
    chosen = counts.index[0] if face is None else face
    title = f"face {chosen}: {counts[chosen]:,} frames"
    if len(counts) > 1:
        title += f"; {len(counts)} faces in all"
    return record[record["face"] == chosen], title


def _draw_probabilities(axis: Axes, rows: pd.DataFrame) -> None:
    """Draw a strip an expression, whose shade is the probability, with a dot where it wins."""
    times = rows["time"].to_numpy()
    axis.set(yticks=range(len(EXPRESSIONS)), yticklabels=EXPRESSIONS)
    axis.set(ylim=(len(EXPRESSIONS) - 0.5, -0.5))
    for code, name in enumerate(EXPRESSIONS):
        values = rows[name].fillna(0).to_numpy()
        style = {"marker": "|", "c": _shades(name, values), "linewidths": 2}
        axis.scatter(times, np.full(len(times), code), s=60, **style)
        wins = times[(rows["expression"] == name).to_numpy()]
        axis.scatter(wins, np.full(len(wins), code), s=7, color="black", linewidths=0)


def _shades(expression: str, opacities: np.ndarray) -> np.ndarray:
    """Give an expression's colour in several opacities (n,) of 0..1: RGBA, shape (n, 4)."""
    return np.column_stack(
        [np.tile(to_rgb(EXPRESSION_COLOURS[expression]), (len(opacities), 1)), opacities]
    )
