"""Plots of evaluation results. Use them through `affectkit.plots`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from affectkit.evaluation.tables import metric_name
from affectkit.files.atomic import atomic_path, remove_partials
from affectkit.plots.data import TRAINING_COLOUR, VALIDATION_COLOUR, new_figure
from affectkit.plots.valence_arousal import plot_valence_arousal_predictions

_BASELINE_MARKERS = ("s", "x", "d")
_FEWEST_ROWS = 10


def _subtitle(result: dict) -> str:
    return f"{result['name']}, {result['protocol'] or result['dataset']}, {result['rows']:,} rows"


def plot_confusion_matrix(result: dict) -> Figure:
    """Draw the confusion matrix: share of the true class as colour and number, and the rows.

    Parameters
    ----------
    result : dict
        From `evaluate_classification`.

    Returns
    -------
    matplotlib.figure.Figure
    """
    counts = np.asarray(result["confusion_matrix"], float)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    figure, axes = new_figure(figsize=(7.4, 6.4))
    cells = [
        [f"{share:.0%}\n{int(count)}" for share, count in zip(*pair, strict=True)]
        for pair in zip(shares, counts, strict=True)
    ]
    sns.heatmap(
        shares,
        annot=np.array(cells),
        fmt="",
        cmap="Blues",
        vmin=0,
        vmax=1,
        square=True,
        linewidths=0.5,
        annot_kws={"fontsize": 8},
        xticklabels=result["classes"],
        yticklabels=result["classes"],
        cbar_kws={"label": "share of the true class", "shrink": 0.8},
        ax=axes[0, 0],
    )
    accuracy = result["metrics"]["accuracy"]["value"]
    axes[0, 0].set(xlabel="predicted", ylabel="true")
    axes[0, 0].set_title(f"Accuracy {accuracy:.1%} ({_subtitle(result)})", fontsize=11)
    return figure


def plot_reliability(result: dict) -> Figure:
    """Draw accuracy against confidence, before and after temperature scaling.

    Parameters
    ----------
    result : dict
        From `evaluate_classification`.

    Returns
    -------
    matplotlib.figure.Figure
        Above the curves, on the diagonal if calibrated, without bins of fewer than 10 rows;
        below the rows a bin.
    """
    calibration = result["calibration"]
    figure, axes = new_figure(
        2, 1, figsize=(5.2, 5.8), sharex=True, gridspec_kw={"height_ratios": [3, 1]}
    )
    curve, histogram = axes[:, 0]
    curve.plot([0, 1], [0, 1], color="0.5", linestyle=":", label="perfectly calibrated")
    stages = (
        ("before", "as predicted", TRAINING_COLOUR, "o-"),
        ("after", f"temperature {calibration['temperature'] or 1:.2f}", VALIDATION_COLOUR, "s--"),
    )
    for stage, label, colour, style in stages:
        section = calibration[stage]
        if section is None:
            continue
        bins = [row for row in section["table"] if row["rows"] >= _FEWEST_ROWS]
        confidence = [row["confidence"] for row in bins]
        label = f"{label}: ECE {section['ece']['value']:.3f}, NLL {section['nll']['value']:.2f}"
        curve.plot(confidence, [row["accuracy"] for row in bins], style, color=colour, label=label)
        edges = [*(row["low"] for row in section["table"]), 1]
        rows = [row["rows"] for row in section["table"]]
        histogram.stairs(rows, edges, color=colour, linewidth=1.5, linestyle=style[1:])
    curve.set(ylabel="accuracy", xlim=(0, 1), ylim=(0, 1.02))
    curve.set_title(_subtitle(result), fontsize=11)
    curve.legend(frameon=False, fontsize=8, loc="upper left")
    curve.grid(alpha=0.3)
    histogram.set(xlabel="confidence (probability of the predicted expression)", ylabel="rows")
    return figure


def plot_slices(result: dict, metric: str | None = None) -> Figure:
    """Draw a metric with its interval in every group of every slice column.

    Parameters
    ----------
    result : dict
        From `evaluate_classification` or `evaluate_regression`.
    metric : str, optional
        Default: `accuracy` or `valence_ccc`.

    Returns
    -------
    matplotlib.figure.Figure
        Groups under 20 rows are hollow and grey; the dotted line is the metric over all rows. A
        figure that says so where the data set has no slice column (AffectNet's original layout).
    """
    metric = metric or ("accuracy" if result["task"] == "classification" else "valence_ccc")
    columns = {name: groups for name, groups in result["slices"].items() if groups}
    if not columns:
        figure, axes = new_figure(1, 1, figsize=(7, 0.6))
        axes.flat[0].set_axis_off()
        axes.flat[0].text(0, 0.5, "This data set has no slice column, so there are no groups.")
        return figure
    heights = [len(groups) + 0.8 for groups in columns.values()]
    figure, axes = new_figure(
        len(columns),
        1,
        figsize=(7, 0.3 * sum(heights) + 0.8),
        sharex=True,
        gridspec_kw={"height_ratios": heights},
    )
    for axis, (column, groups) in zip(axes.flat, columns.items(), strict=True):
        if (overall := result["metrics"][metric]["value"]) is not None:
            axis.axvline(overall, color="0.4", linestyle=":")
        for position, group in enumerate(groups):
            entry = group[metric]
            colour = "0.6" if group["small"] else TRAINING_COLOUR
            if entry["low"] is not None:
                axis.hlines(position, entry["low"], entry["high"], color=colour, linewidth=2)
            if entry["value"] is not None:
                fill = "white" if group["small"] else colour
                axis.plot(entry["value"], position, "o", color=colour, markerfacecolor=fill)
        names = [f"{group['group']} (n={group['rows']:,})" for group in groups]
        axis.set_yticks(range(len(groups)), names, fontsize=8)
        axis.set(ylim=(len(groups) - 0.4, -0.6))
        axis.set_ylabel(
            column.replace("_", " "), rotation=0, ha="right", va="center", weight="bold"
        )
        axis.grid(axis="x", alpha=0.3)
    figure.align_ylabels()
    axes[0, 0].set_title(f"{metric_name(metric)} by slice ({_subtitle(result)})", fontsize=11)
    axes[-1, 0].set_xlabel(f"{metric_name(metric)}, 95 % interval; dotted: all rows")
    return figure


def plot_metric_intervals(result: dict) -> Figure:
    """Draw every metric with its interval, beside the baselines.

    Parameters
    ----------
    result : dict
        From `evaluate_classification` or `evaluate_regression`.

    Returns
    -------
    matplotlib.figure.Figure
    """
    names = list(result["metrics"])
    positions = np.arange(len(names))
    figure, axes = new_figure(figsize=(7.6, 0.42 * len(names) + 1.5))
    axis = axes[0, 0]
    # the prior dummy predicts what the most frequent one does, with softer probabilities
    shown = {key: values for key, values in result["baselines"].items() if key != "dummy_prior"}
    for marker, (baseline, values) in zip(_BASELINE_MARKERS, shown.items(), strict=False):
        numbers = [np.nan if values.get(name) is None else values[name] for name in names]
        label = baseline.replace("_", " ")
        style = {"color": "0.3", "markerfacecolor": "none", "linestyle": "none"}
        axis.plot(numbers, positions, marker, ms=8, label=label, **style)
    for position, name in enumerate(names):
        entry = result["metrics"][name]
        if entry["value"] is None:
            continue
        text = f"{entry['value']:.3f}"
        if entry["low"] is not None:
            axis.hlines(position, entry["low"], entry["high"], color=TRAINING_COLOUR, linewidth=5)
            text += f"  [{entry['low']:.3f}, {entry['high']:.3f}]"
        label = result["name"] if position == 0 else None
        axis.plot(entry["value"], position, "o", color=TRAINING_COLOUR, ms=6, label=label)
        axis.text(1.02, position, text, transform=axis.get_yaxis_transform(), va="center")
    axis.set_yticks(positions, [metric_name(name) for name in names])
    axis.invert_yaxis()
    axis.axvline(0, color="0.7", linewidth=0.8)
    axis.grid(axis="x", alpha=0.3)
    axis.set(xlabel="value; the bar is its 95 % interval")
    axis.set_title(_subtitle(result), fontsize=11)
    figure.legend(loc="outside lower center", ncols=4, frameon=False, fontsize=8)
    return figure


def save_result_figures(
    result: dict, predictions: np.ndarray, table: pd.DataFrame, folder: Path
) -> None:
    """Write what there is to draw of a result into a folder, as PNG files."""
    figures = {"metrics": plot_metric_intervals(result)}
    if result["slices"]:
        figures["slices"] = plot_slices(result)
    if result["task"] == "classification":
        figures["confusion_matrix"] = plot_confusion_matrix(result)
        figures["reliability"] = plot_reliability(result)
    else:
        truth = table[["valence", "arousal"]].to_numpy(float)
        figures["valence_arousal"] = plot_valence_arousal_predictions(truth, predictions)
    remove_partials(folder)
    for name, figure in figures.items():
        with atomic_path(folder / f"{name}.png") as partial:
            figure.savefig(partial, dpi=150)
