from __future__ import annotations

import json
import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from affectkit.labels import EXPRESSIONS
from affectkit.pipeline import FaceAffect
from affectkit.widgets.frame_results import KEPT_TIMES, PAGE_STAGES, FrameTimes, face_messages

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=7) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=20,
)


def test_boxes_are_shares_of_the_frame():
    probabilities = dict.fromkeys(EXPRESSIONS, 0.125)
    first = FaceAffect((64, 48, 320, 240), 0.9, "Neutral", probabilities, 0.25, -0.5, 3)
    second = FaceAffect((-64, 0, 64, 48), 0.8, None, {}, None, None)
    one, two = face_messages([first, second], 480, 640)
    assert one["box"] == [0.1, 0.1, 0.5, 0.5]
    assert one["probabilities"] == [0.125] * 8
    assert (one["expression"], one["valence"], one["arousal"], one["track"]) == (
        *("Neutral", 0.25, -0.5, 3),
    )
    assert two["box"] == [-0.1, 0, 0.1, 0.1]
    assert (two["expression"], two["probabilities"], two["valence"]) == (None, [], None)
    json.dumps([one, two], allow_nan=False)


def test_times_of_kernel_and_page_meet_by_the_number_of_the_frame():
    times = FrameTimes()
    times.add_kernel(3, {"decode": 2.0, "detect": 3.0})
    times.add_kernel(5, {"decode": 4.0, "crop": 1.0})
    times.add_page([[5, 1, 2, 30, 0.5, 40.5], [4, 9, 9, 9, 9, 9]])
    table = times.table()
    assert table.index.tolist() == [3, 5]
    assert table["decode"].tolist() == [2.0, 4.0]
    assert table.loc[5, list(PAGE_STAGES)].tolist() == [1, 2, 30, 0.5, 40.5]
    assert table.loc[3, list(PAGE_STAGES)].isna().all()
    assert math.isnan(table.loc[5, "detect"])
    assert times.rate() > 0
    times.clear()
    assert len(times.table()) == 0
    assert times.rate() == 0


def test_times_need_bounded_memory():
    times = FrameTimes()
    for number in range(KEPT_TIMES + 10):
        times.add_kernel(number, {"decode": 1.0})
    assert len(times.table()) == KEPT_TIMES
    assert times.table().index[0] == 10


@given(anything)
def test_a_page_may_send_anything(rows):
    times = FrameTimes()
    times.add_kernel(0, {"decode": 1.0})
    times.add_page(rows)
    assert len(times.table()) == 1
    assert np.issubdtype(times.table()["decode"].dtype, np.floating)
