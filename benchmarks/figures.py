"""What the timing scripts draw of their runs."""

from __future__ import annotations

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from affectkit.plots.data import TRAINING_COLOUR, new_figure

_MARKERS = ("o", "s", "D", "^", "v", "P", "X", "*")
_LEAST_SPREAD = 0.05  # smaller differences of an accuracy must not fill the axis
_HATCHES = ("", "//", "..", "xx")


def plot_stage_bars(stages: pd.DataFrame) -> Figure:
    """Draw where the milliseconds of a frame go: a panel a way of running, a bar a stage.

    Parameters
    ----------
    stages : pandas.DataFrame
        Table "stages" of a run: mode, threads, stage, mean, p50, p90 (milliseconds).

    Returns
    -------
    matplotlib.figure.Figure
        Bars are means and the whiskers end at the 90th percentile. The last two bars of a panel
        are the whole frame and what no stage accounts for.
    """
    panels = list(stages.groupby(["mode", "threads"], sort=False))
    names = list(dict.fromkeys(stages["stage"]))
    figure, axes = new_figure(
        1, len(panels), figsize=(3.4 * len(panels) + 1.2, 0.32 * len(names) + 1.4), sharey=True
    )
    for axis, ((mode, threads), rows) in zip(axes.flat, panels, strict=True):
        rows = rows.set_index("stage").reindex(names)
        colours = [
            "0.45" if name in ("end to end", "residual") else TRAINING_COLOUR for name in names
        ]
        axis.barh(names, rows["mean"], color=colours)
        late = (rows["p90"] - rows["mean"]).clip(lower=0)
        style = {"color": "black", "linestyle": "none", "elinewidth": 1, "capsize": 2}
        axis.errorbar(rows["mean"], names, xerr=[0 * late, late], **style)
        ends, widest = rows[["mean", "p90"]].max(axis=1), np.nanmax(rows[["mean", "p90"]])
        for position, (mean, end) in enumerate(zip(rows["mean"], ends, strict=True)):
            if np.isfinite(mean):
                place = (end + 0.03 * widest, position)
                axis.text(*place, f"{mean:.2f}", va="center", fontsize=8)
        axis.set(xlabel="ms a frame", xlim=(0, 1.3 * widest))
        axis.set_title(f"{mode}, {threads} thread{'s' if threads > 1 else ''}", fontsize=10)
    axes[0, 0].invert_yaxis()
    return figure


def plot_trade_off(runtimes: pd.DataFrame, metric: str = "accuracy") -> Figure:
    """Draw accuracy against latency; the area of a mark is the size of the model's file.

    Parameters
    ----------
    runtimes : pandas.DataFrame
        A row a runtime: runtime, p50 (milliseconds), bytes, and the metric, which may be absent
        (then the height tells nothing, and says so).
    metric : str
        Column of the height.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure, axes = new_figure(figsize=(7.4, 4.2))
    axis = axes[0, 0]
    known = metric in runtimes and runtimes[metric].notna().any()
    heights = runtimes[metric] if known else pd.Series(0.0, index=runtimes.index)
    largest = runtimes["bytes"].max()
    for marker, (index, row) in zip(
        (_MARKERS * len(runtimes))[: len(runtimes)], runtimes.iterrows(), strict=True
    ):
        label = f"{row['runtime']}: {row['p50']:.2f} ms, {row['bytes'] / 1e6:.1f} MB"
        if known and pd.notna(heights[index]):
            label += f", {heights[index]:.3f}"
        area = 40 + 360 * row["bytes"] / largest
        style = {"alpha": 0.6, "edgecolor": "black", "color": TRAINING_COLOUR}
        axis.scatter(row["p50"], heights[index], s=area, marker=marker, label=label, **style)
    axis.set_xscale("log")
    axis.set(xlabel="median ms a face (logarithmic)", ylabel=metric if known else "")
    middle, spread = heights.mean(), max(heights.max() - heights.min(), _LEAST_SPREAD)
    axis.set_ylim(middle - spread, middle + spread)
    if not known:
        axis.set_yticks([])
        axis.set_title(f"no {metric} was measured in this run", fontsize=10)
    axis.margins(x=0.15)
    axis.grid(alpha=0.3)
    legend = figure.legend(loc="outside right upper", frameon=False, fontsize=8)
    for handle in legend.legend_handles:
        handle.set_sizes([40])
    return figure


def plot_rates(
    table: pd.DataFrame, category: str, rate: str, hue: str = "threads", label: str = "per second"
) -> Figure:
    """Draw rates as bars, the fastest first; what `hue` tells apart differs in lightness.

    Parameters
    ----------
    table : pandas.DataFrame
        A row a bar.
    category, rate, hue : str
        Columns: name of the bar, its length, and what is drawn side by side.
    label : str
        Of the axis.

    Returns
    -------
    matplotlib.figure.Figure
    """
    table = table[table[rate].notna()]
    order = table.groupby(category)[rate].max().sort_values(ascending=False).index
    groups = table[hue].nunique()
    height = 0.28 * len(order) * max(groups, 1) + 1.2
    figure, axes = new_figure(figsize=(7.4, height))
    axis = axes[0, 0]
    palette = sns.color_palette("Blues", groups + 1)[1:]
    sns.barplot(table, x=rate, y=category, hue=hue, order=order, orient="h", palette=palette,
                errorbar=None, ax=axis)  # fmt: skip
    for hatch, bars in zip(_HATCHES * groups, axis.containers, strict=False):
        axis.bar_label(bars, fmt="{:,.1f}", padding=3, fontsize=8)
        for bar in bars:
            bar.set(hatch=hatch, edgecolor="white")
    axis.set(xlabel=label, ylabel="", xlim=(0, 1.15 * table[rate].max()))
    axis.legend(title=hue, frameon=False, loc="lower right", fontsize=8)
    return figure


def plot_scaling(table: pd.DataFrame) -> Figure:
    """Draw the time of a frame against its faces, a panel an image size, beside so many times one.

    Parameters
    ----------
    table : pandas.DataFrame
        Table "scaling" of a run: width, height, threads, faces, p50 (milliseconds).

    Returns
    -------
    matplotlib.figure.Figure
        The dotted line is what the faces would cost in as many frames of one face.
    """
    panels = list(table.groupby(["width", "height"]))
    figure, axes = new_figure(1, len(panels), figsize=(3.2 * len(panels) + 0.6, 3.4), sharey=True)
    for axis, ((width, height), rows) in zip(axes.flat, panels, strict=True):
        for marker, (threads, line) in zip(_MARKERS, rows.groupby("threads"), strict=False):
            line = line.sort_values("faces")
            name = f"{threads} thread{'s' if threads > 1 else ''}"
            (drawn,) = axis.plot(line["faces"], line["p50"], marker=marker, label=name)
            one = line.loc[line["faces"] == 1, "p50"]
            if len(one):
                times = line["faces"] * one.iloc[0]
                axis.plot(line["faces"], times, linestyle=":", color=drawn.get_color())
        axis.set(xlabel="faces", ylim=(0, 1.6 * table["p50"].max()))
        axis.set_title(f"{width} x {height} pixels", fontsize=10)
        axis.grid(alpha=0.3)
    axes[0, 0].set_ylabel("median ms a frame")
    axes[0, 0].legend(frameon=False, fontsize=8)
    return figure


def plot_growth(table: pd.DataFrame) -> Figure:
    """Draw processor time and peak memory against the rows, a line a stage.

    Parameters
    ----------
    table : pandas.DataFrame
        Table "growth" of a run: stage, rows, cpu_seconds, peak_MiB.

    Returns
    -------
    matplotlib.figure.Figure
        Times have logarithmic axes: a line at 45 degrees costs the same for every row.
    """
    figure, axes = new_figure(1, 2, figsize=(9, 3.6))
    style = {"x": "rows", "hue": "stage", "style": "stage", "markers": True, "dashes": False}
    sns.lineplot(table, y="cpu_seconds", ax=axes[0, 0], **style)
    sns.lineplot(table, y="peak_MiB", ax=axes[0, 1], legend=False, **style)
    axes[0, 0].set(xscale="log", yscale="log", ylabel="processor seconds")
    axes[0, 1].set(xscale="log", ylabel="peak memory, MiB", ylim=(0, None))
    axes[0, 0].legend(frameon=False, fontsize=8)
    for axis in axes.flat:
        axis.grid(alpha=0.3)
    return figure


def plot_input_costs(reading: pd.DataFrame, augmentation: pd.DataFrame) -> Figure:
    """Draw the processor time of an image before it reaches the network.

    Parameters
    ----------
    reading : pandas.DataFrame
        Table "reading" of a run: source, cache, cpu_ms.
    augmentation : pandas.DataFrame
        Table "augmentation": strength, layers ("affectkit" or "Keras"), cpu_ms.

    Returns
    -------
    matplotlib.figure.Figure
        A bar a way to read, and two a strength of augmentation.
    """
    rows = [(f"read {row.source}, {row.cache} cache", "affectkit", row.cpu_ms)
            for row in reading.itertuples()]  # fmt: skip
    rows += [(f"augment, {row.strength}", row.layers, row.cpu_ms)
             for row in augmentation.itertuples()]  # fmt: skip
    table = pd.DataFrame(rows, columns=["what", "layers", "ms"])
    return plot_rates(table, "what", "ms", "layers", "processor ms an image")


def plot_stress(steps: pd.DataFrame) -> Figure:
    """Draw how many faces get another answer as one thing in the picture moves: a panel a change.

    Parameters
    ----------
    steps : pandas.DataFrame
        Table "steps" of a run, or rows of it: tool, change, unit, faces (of which kind), step (in
        words), rows, flipped (share). The first step is what the others are compared with.

    Returns
    -------
    matplotlib.figure.Figure
    """
    panels = list(steps.groupby("change", sort=False))
    columns = min(4, len(panels))
    lines = -(-len(panels) // columns)
    figure, axes = new_figure(
        lines, columns, figsize=(2.5 * columns + 0.67, 1.8 * lines + 0.6), sharey=True
    )  # four columns of three: a slide of 16 : 9
    colours = sns.color_palette("colorblind")
    for axis, (change, rows) in zip(axes.flat, panels, strict=False):
        for number, (tool, told) in enumerate(rows.groupby("tool", sort=False)):
            look = {"marker": _MARKERS[number % 8], "color": colours[number % len(colours)]}
            places = range(len(told))
            axis.plot(places, told["flipped"], label=tool, markersize=5, linewidth=1.5, **look)
        axis.set_xticks(list(places), told["step"], fontsize=9)
        unit, faces = rows["unit"].iloc[0], rows["faces"].iloc[0]
        axis.set_xlabel(unit, fontsize=9)
        axis.set_title(f"{change} ({faces})", fontsize=10)
        axis.set(ylim=(-0.04, 1.04))
        axis.margins(x=0.15)
        axis.grid(alpha=0.3)
    for axis in axes.flat[len(panels) :]:
        axis.set_axis_off()
    for axis in axes[:, 0]:
        axis.set_ylabel("share of faces flipped", fontsize=9)
    handles, labels = axes.flat[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False, fontsize=9)
    figure.suptitle("How many faces get another answer when one thing moves", fontsize=12)
    return figure
