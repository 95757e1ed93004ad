"""Plots of valence and arousal. Use them through `affectkit.plots`."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure

from affectkit.evaluation.metrics.regression import AXES, axis_metrics
from affectkit.labels import EXPRESSION_COLOURS, EXPRESSIONS
from affectkit.plots.data import VALIDATION_COLOUR, new_figure

_OUTLINE = [patheffects.withStroke(linewidth=3, foreground="white")]
EXPRESSION_MARKERS = dict(zip(EXPRESSIONS, "o^vDsPX*", strict=True))


def draw_circumplex(axis: Axes) -> None:
    """Prepare axes for valence and arousal: unit circle, cross, equal scales."""
    axis.add_patch(plt.Circle((0, 0), 1, fill=False, color="0.35", linewidth=1))
    axis.axhline(0, color="0.6", linewidth=0.7)
    axis.axvline(0, color="0.6", linewidth=0.7)
    axis.set(xlim=(-1.08, 1.08), ylim=(-1.08, 1.08), aspect="equal")
    axis.set(xlabel="valence (unpleasant to pleasant)", ylabel="arousal (calm to excited)")


def plot_valence_arousal(table: pd.DataFrame) -> Figure:
    """Draw the density of valence and arousal, with each expression's mean.

    Parameters
    ----------
    table : pandas.DataFrame
        As in `affectkit.data.table`; rows without both numbers are left out.

    Returns
    -------
    matplotlib.figure.Figure
    """
    known = table.dropna(subset=["valence", "arousal"])
    figure, axes = new_figure(figsize=(6.2, 5.4))
    axis = axes[0, 0]
    draw_circumplex(axis)
    title = f"{len(known):,} faces"
    if len(known):
        density = _density(axis, known["valence"], known["arousal"])
        figure.colorbar(density, ax=axis, label="faces per cell (log scale)", shrink=0.8)
        if known["derived_valence_arousal"].all():
            title += ", valence and arousal derived from expressions"
    means = known.groupby("expression")[["valence", "arousal"]].mean()
    points = []
    for code, name in enumerate(EXPRESSIONS):
        if code in means.index:
            x, y = means.loc[code]
            style = {"color": EXPRESSION_COLOURS[name], "marker": EXPRESSION_MARKERS[name]}
            axis.scatter(x, y, s=110, edgecolor="white", zorder=3, **style)
            points.append((x, y, name))
    _label_points(axis, points)
    axis.set_title(title)
    return figure


def _label_points(axis: Axes, points: list[tuple[float, float, str]]) -> None:
    """Write a name above each point, or below where another name is in the way."""
    taken: list[tuple[float, float]] = []
    for x, y, name in sorted(points, key=lambda point: -point[1]):
        offsets = (0.07, -0.09, 0.15, -0.17)
        clear = [
            offset
            for offset in offsets
            if all(abs(x - a) > 0.33 or abs(y + offset - b) > 0.08 for a, b in taken)
        ]
        height = y + (clear or offsets)[0]
        taken.append((x, height))
        style = {"color": EXPRESSION_COLOURS[name], "weight": "bold"}
        text = axis.text(x, height, name, ha="center", va="center", **style)
        text.set_path_effects(_OUTLINE)


def _density(axis: Axes, x: np.ndarray, y: np.ndarray) -> PolyCollection:
    """Draw how many points lie in each hexagon, on a log scale of grey."""
    style = {"bins": "log", "mincnt": 1, "cmap": "Greys", "linewidths": 0.1}
    cells = axis.hexbin(x, y, gridsize=36, extent=(-1, 1, -1, 1), **style)
    cells.set_clim(vmin=0.5)
    return cells


def plot_valence_arousal_predictions(truth: np.ndarray, predictions: np.ndarray) -> Figure:
    """Draw predicted against true valence and arousal, as densities.

    Parameters
    ----------
    truth, predictions : array-like
        Shape (n, 2): valence, arousal; rows with NaN are left out.

    Returns
    -------
    matplotlib.figure.Figure
    """
    truth, predictions = np.asarray(truth, float), np.asarray(predictions, float)
    figure, axes = new_figure(1, 2, figsize=(9, 4.2))
    for position, (axis, name) in enumerate(zip(axes.flat, AXES, strict=True)):
        true, predicted = truth[:, position], predictions[:, position]
        known = np.isfinite(true) & np.isfinite(predicted)
        density = _density(axis, true[known], predicted[known])
        axis.plot([-1, 1], [-1, 1], color=VALIDATION_COLOUR, linestyle="--", label="perfect")
        values = axis_metrics(true, predicted)
        axis.set(xlim=(-1, 1), ylim=(-1, 1), aspect="equal")
        axis.set(xlabel=f"true {name}", ylabel=f"predicted {name}")
        axis.set_title(f"{name}: CCC {values['ccc']:.3f}, RMSE {values['rmse']:.3f}", fontsize=11)
        figure.colorbar(density, ax=axis, label="faces per cell (log scale)", shrink=0.8)
    axes[0, 0].legend(frameon=False, fontsize=8, loc="upper left")
    return figure
