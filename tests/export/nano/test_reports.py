"""Reports that were copied back from a device."""

import json

import numpy as np
import pytest

from affectkit.export import read_device_reports


def test_a_devices_report_is_read(tmp_path):
    network = {
        "engines": 1,
        "nodes": [307],
        "outside": {"Placeholder": 1, "Identity": 2},
        "built": {"trt-serialized-engine.TRTEngineOp_0_0": 5000000},
        "build_seconds": 61.5,
        "differences": {"expression": 0.002, "valence_arousal": 0.004},
        "tolerance": 0.03,
    }
    device = {"tensorflow": "2.7.0", "tensorrt_loaded": [8, 2, 1], "power_mode": "MAXN"}
    report = {"script": "convert.py", "precision": "FP16", "exit_code": 0, "device": device}
    path = tmp_path / "engines" / "FP16" / "report.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(report | {"networks": {"affect": network}}))
    (row,) = read_device_reports(tmp_path)["conversions"].to_dict("records")
    assert (row["network"], row["built"], row["difference"]) == ("affect", 1, 0.004)
    assert (row["tensorrt"], row["outside"]) == ("8.2.1", "Identity, Placeholder")
    for damage, message in (
        (None, "damaged report .it has no networks"),
        ({"affect": network | {"nodes": ["1"]}}, "damaged report .*networks.affect.nodes.0"),
        ({"affect": network | {"tolerance": True}}, "damaged report .*networks.affect.tolerance"),
    ):
        spoilt = report if damage is None else report | {"networks": damage}
        path.write_text(json.dumps(spoilt))
        with pytest.raises(ValueError, match=message):
            read_device_reports(tmp_path)
    path.write_text("{")
    with pytest.raises(ValueError, match="not a JSON file with a report"):
        read_device_reports(tmp_path)


def test_an_answer_that_is_no_number_stays_one(tmp_path):
    network = {"engines": 0, "nodes": [], "outside": {}, "built": {}}
    network |= {"differences": {"expression": float("nan")}}
    device = {"tensorflow": "2.7.0", "tensorrt_loaded": None, "power_mode": None}
    report = {"script": "convert.py", "precision": "FP16", "exit_code": 1, "device": device}
    report["networks"] = {"affect": network}
    (tmp_path / "report.json").write_text(json.dumps(report))
    (row,) = read_device_reports(tmp_path)["conversions"].to_dict("records")
    assert np.isnan(row["difference"])
    assert row["tensorrt"] == ""


def test_a_devices_times_are_read(tmp_path):
    timing = {
        "runtime": "FP16",
        "threads": 4,
        "milliseconds": {"n": 300, "mean": 3.1, "p50": 3, "p90": 3.5, "p99": 4.25},
        "first_call_ms": 900.0,
        "load_seconds": 12,
        "peak_memory_mb": 1900,
        "differences": {"affect": {"expression": 0.002, "valence_arousal": 0.004}},
    }
    refused = {"runtime": "tflite", "error": "tflite/affect.tflite is missing", "refused": True}
    path = tmp_path / "benchmark.json"
    document = {"script": "benchmark.py", "runtimes": [timing, refused]}
    path.write_text(json.dumps(document))
    (row,) = read_device_reports(tmp_path)["times"].to_dict("records")
    assert (row["runtime"], row["n"], row["p99"], row["difference"]) == ("FP16", 300, 4.25, 0.004)
    path.write_text(json.dumps(document | {"runtimes": [{"runtime": "FP16"}]}))
    with pytest.raises(ValueError, match="damaged report .it has no threads"):
        read_device_reports(tmp_path)
    path.write_text(json.dumps(document | {"runtimes": 3}))
    with pytest.raises(ValueError, match="damaged report .runtimes is 3"):
        read_device_reports(tmp_path)
    path.write_text(json.dumps(document | {"script": "another"}))
    assert read_device_reports(tmp_path)["times"].empty


def test_no_reports_give_empty_tables(tmp_path):
    found = read_device_reports(tmp_path)
    assert list(found["conversions"]["engines"]) == list(found["times"]["p50"]) == []
    with pytest.raises(FileNotFoundError, match="expected a folder copied from the device"):
        read_device_reports(tmp_path / "absent")
