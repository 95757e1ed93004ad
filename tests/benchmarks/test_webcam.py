"""What benchmarks/webcam.py makes of its measurements, by hand."""

from __future__ import annotations

import argparse
import json

import pandas as pd
import pytest


@pytest.fixture(scope="module")
def webcam(scripts):
    return scripts("webcam")


def test_the_stages_add_up_to_browser_wire_and_kernel(webcam):
    times = pd.DataFrame(
        {
            "queue": [1.0, 2.0],
            "decode": [2.0, 2.0],
            "detect": [3.0, 4.0],
            "grab": [1.5, 1.0],
            "encode": [2.5, 2.0],
            "wire": [30.0, 20.0],
            "draw": [1.0, 0.5],
            "latency": [41.0, 31.5],
        }
    )
    places = webcam.place_rows(times)
    assert places["browser"].tolist() == [5.0, 3.5]
    assert places["wire"].tolist() == [30.0, 20.0]
    assert places["kernel"].tolist() == [6.0, 8.0]
    assert places["end to end"].tolist() == [41.0, 31.5]


def test_the_default_way_is_held_against_its_targets(webcam):
    report = webcam.Report("webcam", argparse.Namespace(), [])
    row = {"frames_a_second": 24.9, "latency_p50": 59.0}
    memory = [
        {"frames": 600, "kernel": 100e6, "browser": 500e6, "page heap": 30e6},
        {"frames": 2660, "kernel": 119e6, "browser": 490e6, "page heap": 51e6},
    ]
    webcam.add_targets(report, row, memory)
    found = {target["name"]: (target["value"], target["reached"]) for target in report.targets}
    assert found == {
        "frames a second, default": (24.9, False),
        "latency p50, default, ms": (59.0, True),
        "growth of the kernel over 2060 frames, MB": (19.0, True),
        "growth of the browser over 2060 frames, MB": (-10.0, True),
        "growth of the page heap over 2060 frames, MB": (21.0, False),
    }


def test_the_page_s_row_and_targets(webcam):
    times = pd.DataFrame({"end": [100.0, 150.0, 200.0], "latency": [18.0, 31.0, 40.0]})
    row = webcam.page_row(times)
    assert (row["frames"], row["frames_a_second"], row["latency_p50"]) == (3, 20.0, 31.0)
    report = webcam.Report("webcam", argparse.Namespace(), [])
    webcam.add_page_targets(report, row)
    assert [target["reached"] for target in report.targets] == [False, False]


def test_ratios_compare_places_and_ways(webcam):
    report = webcam.Report("webcam", argparse.Namespace(), [])
    places = [
        {"mode": "a", "stage": "browser", "p50": 4.0},
        {"mode": "a", "stage": "wire", "p50": 30.0},
        {"mode": "a", "stage": "kernel", "p50": 6.0},
        {"mode": "a", "stage": "end to end", "p50": 40.0},
    ]
    ways = [
        {"server": "as shipped", "in_flight": 2, "latency_p50": 40.0},
        {"server": "TCP_NODELAY", "in_flight": 1, "latency_p50": 30.0},
    ]
    webcam.add_ratios(report, {"places": places, "ways": ways})
    assert {ratio["name"]: ratio["value"] for ratio in report.ratios} == {
        "kernel / browser, a": 1.5,
        "TCP_NODELAY, 1 in flight / default, latency p50": 0.75,
    }


def test_a_mark_that_is_not_written_to_its_end_is_no_mark_yet(webcam, tmp_path):
    path = tmp_path / "marks.jsonl"
    assert webcam.read_lines(path) == []
    path.write_text(json.dumps({"calls": 90}) + "\n" + '{"calls": 1')
    assert webcam.read_lines(path) == [{"calls": 90}]
