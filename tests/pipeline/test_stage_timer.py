"""The stage timer: sums, residual, overhead, and how many samples a percentile needs."""

import time

import numpy as np
import pandas as pd
import pytest

from affectkit.pipeline import StageTimer, samples_needed, summarise
from affectkit.pipeline.stage_timer import STAGES


def test_stages_of_a_frame_are_added_up():
    timer = StageTimer()
    for _ in range(3):
        timer.start_frame()
        for _ in range(2):  # two faces
            with timer.stage("crop"):
                time.sleep(0.002)
        with timer.stage("detect"):
            pass
        time.sleep(0.004)
        timer.end_frame()
    table = timer.table(warm_up=1)
    assert list(table) == ["detect", "crop", "end to end", "residual"]  # in the order of STAGES
    assert len(table) == 2
    assert table["crop"].between(4, 40).all()
    assert table["detect"].between(0, 1).all()
    assert table["residual"].between(3.9, 40).all()
    total = table[["detect", "crop", "residual"]].sum(axis=1)
    np.testing.assert_allclose(total, table["end to end"])


def test_a_frame_forgets_the_one_before_and_takes_what_other_threads_add():
    timer = StageTimer()
    with timer.stage("detect"):
        time.sleep(0.001)
    timer.start_frame()
    frame = timer.end_frame()
    assert set(frame) == {"end to end"}
    frame["encode"] = 2_000_000
    timer.start_frame()
    timer.end_frame()
    assert timer.table()["encode"].tolist() == [2.0, 0.0]


def test_an_error_inside_a_stage_goes_through_and_is_timed():
    timer = StageTimer()
    timer.start_frame()
    with pytest.raises(KeyError), timer.stage("detect"):
        raise KeyError("x")
    assert timer.end_frame()["detect"] > 0


def test_timing_all_stages_costs_less_than_20_microseconds_a_frame():
    timer = StageTimer()
    costs = []
    for _ in range(300):
        start = time.perf_counter()
        timer.start_frame()
        for name in STAGES:
            with timer.stage(name):
                pass
        timer.end_frame()
        costs.append(time.perf_counter() - start)
    assert np.median(costs) < 20e-6


def test_sample_sizes_are_those_of_mlperf():
    # Reddi et al. (2020), table 4: 90th percentile 23,886; 99th 262,742
    assert samples_needed(90) == 23_886
    assert samples_needed(99) == 262_742


def test_percentiles_without_enough_samples_are_marked():
    table = pd.DataFrame({"detect": np.arange(101.0), "end to end": np.arange(101.0) * 2})
    summary = summarise(table)
    assert summary.loc["detect", ["n", "mean", "p50", "p90", "p99"]].tolist() == [
        101,
        50,
        50,
        90,
        99,
    ]
    assert not summary[["p90_enough", "p99_enough"]].any().any()
    many = summarise(pd.DataFrame({"detect": np.zeros(23_886)}))
    assert many[["p90_enough", "p99_enough"]].to_numpy().tolist() == [[True, False]]


def test_a_timer_keeps_the_last_frames_if_asked_to():
    timer = StageTimer(keep=3)
    for number in range(5):
        timer.start_frame()
        timer.end_frame()["detect"] = number * 1_000_000
    assert timer.table()["detect"].tolist() == [2, 3, 4]
    assert timer.table(warm_up=1)["detect"].tolist() == [3, 4]
