from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb

from affectkit.labels import EXPRESSION_COLOURS, EXPRESSIONS
from affectkit.plots import plot_camera_circumplex, plot_camera_record
from affectkit.widgets.session_record import COLUMNS, SessionRecord


@pytest.fixture
def record():
    """Face 0 in four frames, away for two seconds after the second; face 1 in one."""
    rows = [
        (0.0, 0, 0, "Happy", 0.6, 0.1),
        (0.1, 1, 0, "Happy", 0.5, 0.2),
        (2.1, 2, 0, "Sad", -0.5, -0.2),
        (2.1, 2, 1, "Fear", -0.1, 0.8),
        (2.2, 3, 0, "Sad", -0.6, -0.3),
    ]
    table = pd.DataFrame(
        rows, columns=["time", "frame", "face", "expression", "valence", "arousal"]
    )
    table = table.assign(
        **{name: 0.1 + 0.2 * (table["expression"] == name) for name in EXPRESSIONS}
    )
    table["expression"] = pd.Categorical(table["expression"], categories=EXPRESSIONS)
    return table[list(COLUMNS)]


def test_lines_are_broken_where_the_face_was_away(record):
    figure = plot_camera_record(record)
    above, below = figure.axes
    assert above.get_title() == "face 0: 4 frames; 2 faces in all"
    valence, arousal, _ = below.lines
    np.testing.assert_array_equal(valence.get_xdata(), [0.0, 0.1, np.nan, 2.1, 2.2])
    np.testing.assert_array_equal(valence.get_ydata(), [0.6, 0.5, np.nan, -0.5, -0.6])
    np.testing.assert_array_equal(arousal.get_ydata(), [0.1, 0.2, np.nan, -0.2, -0.3])


def test_every_expression_has_a_strip_and_dots_where_it_wins(record):
    above = plot_camera_record(record).axes[0]
    strips, dots = above.collections[::2], above.collections[1::2]
    assert [len(strip.get_offsets()) for strip in strips] == [4] * 8
    np.testing.assert_allclose(strips[1].get_facecolor()[:, 3], [0.3, 0.3, 0.1, 0.1])
    np.testing.assert_allclose(
        strips[1].get_facecolor()[0, :3], to_rgb(EXPRESSION_COLOURS["Happy"])
    )
    counts = {name: len(dot.get_offsets()) for name, dot in zip(EXPRESSIONS, dots, strict=True)}
    assert counts == dict.fromkeys(EXPRESSIONS, 0) | {"Happy": 2, "Sad": 2}


def test_the_circumplex_has_a_marker_a_frame(record):
    figure = plot_camera_circumplex(record)
    happy, sad = figure.axes[0].collections
    np.testing.assert_allclose(happy.get_offsets(), [[0.6, 0.1], [0.5, 0.2]])
    np.testing.assert_allclose(sad.get_offsets(), [[-0.5, -0.2], [-0.6, -0.3]])
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["Happy (2)", "Sad (2)"]


@pytest.mark.parametrize("plot", [plot_camera_record, plot_camera_circumplex])
def test_another_face_can_be_chosen_and_nothing_can_be_drawn(record, plot):
    assert plot(record, face=1).axes[0].get_title() == "face 1: 1 frames; 2 faces in all"
    with pytest.raises(ValueError, match=r"one of the recorded faces \(0, 1\), got 7"):
        plot(record, face=7)
    empty = plot(SessionRecord().table())
    assert empty.axes[0].get_title().startswith("nothing was recorded")
