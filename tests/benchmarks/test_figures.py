"""Plots of benchmark runs show the numbers they are given, and draw without a warning."""

import warnings

import matplotlib.pyplot as plt
import pandas as pd
import pytest


@pytest.fixture(autouse=True, scope="module")
def _agg_and_no_warnings():
    plt.switch_backend("Agg")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


@pytest.fixture(scope="module")
def figures(scripts):
    return scripts("figures")


def texts(figure):
    found = [text.get_text() for axis in figure.axes for text in axis.texts]
    found += [label.get_text() for axis in figure.axes for label in axis.get_yticklabels()]
    legends = [axis.get_legend() for axis in figure.axes] + figure.legends
    return found + [
        text.get_text() for legend in legends if legend is not None for text in legend.get_texts()
    ]


def test_stage_bars(figures):
    rows = [
        {"mode": mode, "threads": 1, "stage": stage, "mean": mean, "p50": mean, "p90": 2 * mean}
        for mode in ("sequential", "overlapped")
        for stage, mean in (("decode", 1.25), ("detect", 4.5), ("end to end", 6.0))
        if (mode, stage) != ("overlapped", "decode")
    ]
    figure = figures.plot_stage_bars(pd.DataFrame(rows))
    figure.canvas.draw()
    assert [axis.get_title() for axis in figure.axes] == [
        "sequential, 1 thread",
        "overlapped, 1 thread",
    ]
    bars = [bar.get_width() for bar in figure.axes[0].patches]
    assert bars == [1.25, 4.5, 6.0]
    assert "4.50" in texts(figure)


def test_stress(figures):
    rows = [
        {"tool": tool, "change": change, "unit": "px", "faces": "drawn", "step": step,
         "rows": 8, "moved": 0.1, "flipped": flipped}
        for tool, end in (("one", 0.5), ("other", 1.0))
        for change in ("blur", "pixels")
        for step, flipped in (("0", 0.0), ("4", end))
    ]  # fmt: skip
    figure = figures.plot_stress(pd.DataFrame(rows))
    figure.canvas.draw()
    shown = [axis for axis in figure.axes if axis.get_title()]
    assert [axis.get_title() for axis in shown] == ["blur (drawn)", "pixels (drawn)"]
    for axis in shown:
        assert [list(line.get_ydata()) for line in axis.lines] == [[0, 0.5], [0, 1]]
        assert [label.get_text() for label in axis.get_xticklabels()] == ["0", "4"]
    assert {"one", "other"} <= set(texts(figure))


@pytest.mark.parametrize("accuracy", [[0.85, 0.84], [None, 0.84], None])
def test_trade_off(figures, accuracy):
    table = pd.DataFrame({"runtime": ["a", "b"], "p50": [0.5, 50.0], "bytes": [2_000_000, 9e6]})
    if accuracy is not None:
        table["accuracy"] = accuracy
    figure = figures.plot_trade_off(table)
    figure.canvas.draw()
    found = texts(figure)
    end = ", 0.850" if accuracy and accuracy[0] else ""
    assert f"a: 0.50 ms, 2.0 MB{end}" in found
    (title,) = [axis.get_title() for axis in figure.axes]
    assert bool(title) == (accuracy is None)


def test_rates_are_sorted_and_labelled(figures):
    table = pd.DataFrame(
        {"leg": ["slow", "fast", "slow", "out"], "threads": [1, 1, 2, 1], "rate": [2.0, 8, 3, None]}
    )
    figure = figures.plot_rates(table, "leg", "rate", label="frames a second")
    figure.canvas.draw()
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert labels == ["fast", "slow"]
    assert {"8.0", "2.0", "3.0"} <= set(texts(figure))
    assert figure.axes[0].get_xlabel() == "frames a second"


def test_scaling_draws_a_line_a_thread_count_and_the_line_of_one_face(figures):
    rows = [
        {"width": 640, "height": 360, "threads": threads, "faces": faces, "p50": 2.0 + faces}
        for threads in (1, 2)
        for faces in (5, 1)
    ]
    figure = figures.plot_scaling(pd.DataFrame(rows))
    figure.canvas.draw()
    lines = figure.axes[0].lines
    assert len(lines) == 4
    assert lines[0].get_ydata().tolist() == [3.0, 7.0]
    assert lines[1].get_ydata().tolist() == [3.0, 15.0]


def test_growth_draws_time_and_memory_of_every_stage(figures):
    rows = [
        {"stage": stage, "rows": rows, "cpu_seconds": rows / 1000, "peak_MiB": 500 + rows / 100}
        for stage in ("table", "stream")
        for rows in (1000, 10_000)
    ]
    figure = figures.plot_growth(pd.DataFrame(rows))
    figure.canvas.draw()
    time, memory = figure.axes
    assert {"table", "stream"} <= set(texts(figure))
    assert time.lines[0].get_ydata().tolist() == [1.0, 10.0]
    assert memory.lines[0].get_ydata().tolist() == [510.0, 600.0]
    assert memory.get_ylim()[0] == 0


def test_input_costs_draw_a_bar_a_way_and_two_a_strength(figures):
    reading = pd.DataFrame({"source": ["files", "shards"], "cache": "warm", "cpu_ms": [1.5, 1.25]})
    augmentation = pd.DataFrame(
        {"strength": ["light"] * 2, "layers": ["affectkit", "Keras"], "cpu_ms": [2.0, 4.0]}
    )
    figure = figures.plot_input_costs(reading, augmentation)
    figure.canvas.draw()
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert labels == ["augment, light", "read files, warm cache", "read shards, warm cache"]
    assert {"affectkit", "Keras", "1.5", "2.0", "4.0"} <= set(texts(figure))
