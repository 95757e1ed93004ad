"""Plots of tables, images and training logs. Use them through `affectkit.plots`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from affectkit.labels import EXPRESSION_COLOURS, EXPRESSIONS

TRAINING_COLOUR, VALIDATION_COLOUR = "#1f4e79", "#d95f02"


def new_figure(rows: int = 1, columns: int = 1, **options: object) -> tuple[Figure, np.ndarray]:
    """Make a figure and its axes (always a 2-D array), unknown to pyplot's global state.

    So a notebook shows it once, as the value of a cell, and it is freed with its last reference.
    """
    figure, axes = plt.subplots(rows, columns, squeeze=False, layout="constrained", **options)
    plt.close(figure)
    for axis in axes.flat:
        axis.spines[["top", "right"]].set_visible(False)
    return figure, axes


def plot_class_balance(tables: Mapping[str, pd.DataFrame]) -> Figure:
    """Draw how many rows each expression has, a panel a split.

    Parameters
    ----------
    tables : mapping of str to pandas.DataFrame
        As from `load_splits`; or one table a data set.

    Returns
    -------
    matplotlib.figure.Figure
    """
    if not tables:
        raise ValueError("expected at least one table to draw, got none")
    size = (3.6 * len(tables), 3.2)
    figure, axes = new_figure(1, len(tables), figsize=size, sharex=True, sharey=True)
    colours = [EXPRESSION_COLOURS[name] for name in EXPRESSIONS]
    for axis, (title, table) in zip(axes.flat, tables.items(), strict=True):
        counts = table["expression"].value_counts().reindex(range(len(EXPRESSIONS)), fill_value=0)
        shares = 100 * counts / max(int(counts.sum()), 1)
        bars = axis.barh(EXPRESSIONS, shares, color=colours)
        texts = [f"{count:,} ({share:.1f} %)" for count, share in zip(counts, shares, strict=True)]
        axis.bar_label(bars, texts, padding=3, fontsize=8)
        axis.set(title=f"{title}: {int(counts.sum()):,} rows", xlabel="share of the rows, %")
    axes[0, 0].set(ylabel="expression")
    axes[0, 0].margins(x=0.6)
    axes[0, 0].invert_yaxis()
    return figure


def plot_sample_grid(
    images: Sequence[np.ndarray], titles: Sequence[str] | None = None, columns: int = 8
) -> Figure:
    """Draw images in a grid.

    Parameters
    ----------
    images : sequence of numpy.ndarray
        uint8 (or float in [0, 1]), (H, W) grey or (H, W, 3) RGB, at least one.
    titles : sequence of str, optional
        One an image.
    columns : int
        Images a row.

    Returns
    -------
    matplotlib.figure.Figure
    """
    if not len(images) or (titles is not None and len(titles) != len(images)):
        given = 0 if titles is None else len(titles)
        raise ValueError(
            f"expected at least one image and a title each, got {len(images)} and {given}"
        )
    columns = min(columns, len(images))
    rows = math.ceil(len(images) / columns)
    lines = 0 if titles is None else max(title.count("\n") + 1 for title in titles)
    size = (1.35 * columns, (1.35 + 0.17 * lines) * rows)
    figure, axes = new_figure(rows, columns, figsize=size)
    for position, axis in enumerate(axes.flat):
        axis.set_axis_off()
        if position >= len(images):
            continue
        image = np.asarray(images[position])
        top = 255 if image.dtype == np.uint8 else 1
        axis.imshow(image.squeeze(), cmap="gray", vmin=0, vmax=top, interpolation="nearest")
        if titles is not None:
            axis.set_title(titles[position], fontsize=8)
    return figure


def plot_training_curves(history: pd.DataFrame | Mapping | str | Path) -> Figure:
    """Draw each logged metric over the epochs, training beside validation.

    Parameters
    ----------
    history : pandas.DataFrame, mapping or path
        Columns as Keras names them (`loss`, `val_loss`, ...), or a CSV log's path.

    Returns
    -------
    matplotlib.figure.Figure
        A panel a metric; the epoch with the lowest validation loss is marked.
    """
    log = pd.read_csv(history) if isinstance(history, (str, Path)) else pd.DataFrame(history)
    epochs = log["epoch"] + 1 if "epoch" in log else np.arange(1, len(log) + 1)
    numeric = [name for name in log if pd.api.types.is_numeric_dtype(log[name])]
    names = [
        name
        for name in numeric
        if not name.startswith("val_") and name not in ("epoch", "learning_rate", "seconds")
    ]
    if log.empty or not names:
        raise ValueError(f"expected a log with at least one epoch and metric, got {list(log)}")
    figure, axes = new_figure(1, len(names), figsize=(4 * len(names), 3.2))
    best = None
    if "val_loss" in log and log["val_loss"].notna().any():
        best = epochs[log["val_loss"].idxmin()]
    for axis, name in zip(axes.flat, names, strict=True):
        axis.plot(epochs, log[name], "o-", ms=3, color=TRAINING_COLOUR, label="training")
        if f"val_{name}" in log:
            axis.plot(
                epochs, log[f"val_{name}"], "s--", ms=3, color=VALIDATION_COLOUR, label="validation"
            )
        if best is not None:
            axis.axvline(best, color="0.5", linestyle=":", label=f"lowest loss: epoch {best}")
        title = name.replace("_", " ")
        axis.set(title=f"{title} by epoch", xlabel="epoch", ylabel=title)
        axis.xaxis.set_major_locator(plt.MaxNLocator(integer=True))
        axis.grid(axis="y", alpha=0.3)
    axes[0, 0].legend(frameon=False, fontsize=8)
    return figure
