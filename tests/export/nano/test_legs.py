"""What old TensorFlow, of the device's age, makes of a bundle.

No engine is built here. The legs run TF-TRT's own segmenter; TensorRT's library is faked as far as
the question for its version, see libnvinfer.c.
"""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import cv2
import pytest

from affectkit import AffectPipeline
from affectkit.export import read_description, read_device_reports
from affectkit.export.nano.bundle import TOLERANCES
from affectkit.faces import render_face

pytestmark = pytest.mark.slow
HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def graphs(sample, tmp_path_factory):
    """The graphs of notebook 05, and its function that lets TF-TRT cut them."""
    return sample.write_graphs(tmp_path_factory.mktemp("graphs"))


@pytest.fixture(scope="module")
def result(leg, environments, run_script, bundle, real_bundle, graphs, tmp_path_factory):
    """What an old TensorFlow makes of both bundles, TensorRT's library faked."""
    chosen, python = leg
    work = tmp_path_factory.mktemp("leg")
    try:
        library = environments.build_stand_in(chosen, work / "library")
    except environments.NotRunError as error:
        pytest.skip(f"NOT RUN, NOT PASSED: leg {chosen.name}: {error}")
    arguments = [HERE / "leg.py", work / "result.json", graphs, work, bundle, real_bundle]
    run_script(python, *arguments, library=library)
    return json.loads((work / "result.json").read_text()) | {"folder": work}


def test_leg_is_what_it_says(leg, result):
    device = result["device"]
    assert device["tensorflow"] == leg[0].tensorflow
    assert device["python"].startswith(leg[0].python + ".")
    assert device["tensorrt_linked"] == device["tensorrt_loaded"] == list(leg[0].tensorrt)
    assert device["gpus"] == []


def test_every_file_answers_as_keras(result):
    networks = {
        (name, network): forms
        for name, one in result["bundles"].items()
        for network, forms in one["differences"].items()
    }
    assert sorted(networks) == [
        ("affectkit-real", "affect"),
        ("course", "classifier"),
        ("course", "regressor"),
    ]
    for forms in networks.values():
        assert sorted(forms) == ["frozen_graph", "saved_model", "tflite"]
        for differences in forms.values():
            assert differences
            assert max(differences.values()) < TOLERANCES["CPU"] == 1e-4


def test_onnx_is_put_together_as_exported(result, bundle, real_bundle):
    for folder in (bundle, real_bundle):
        description = read_description(folder)
        expected = {
            f"{name} {form}": network[form]["sha256"]
            for name, network in description["networks"].items()
            for form in ("onnx", "onnx_float16")
        }
        assert result["bundles"][description["name"]]["onnx"] == expected


def test_old_opencv_cuts_faces_out_alike(result):
    assert [one["crop_difference"] for one in result["bundles"].values()] == [0, 0]


def test_tf_trt_takes_each_network_whole(result):
    """TF-TRT's own segmenter, TensorRT's version faked, no engine built."""
    for one in result["bundles"].values():
        conversion = one["conversion"]
        assert conversion["exit_code"] == conversion["report"]["exit_code"] == 3
        assert conversion["report"]["kind"] == "TF-TRT's segmenter alone, no engine built"
        for name, report in conversion["report"]["networks"].items():
            assert report["engines"] == 1
            assert report["built"] == {}
            assert report["outside"].keys() <= {"Placeholder", "NoOp", "Identity"}
            (nodes,) = report["nodes"]
            least, most = (295, 315) if name == "affect" else (15, 25)  # MobileNet; the small ones
            assert least <= nodes <= most
        for differences in conversion["segments"].values():
            assert differences
            assert max(differences.values()) < 1e-4


def test_a_failed_build_is_converted_but_not_built(result):
    failed = result["failed"]
    assert failed["exit_code"] == 3
    assert failed["report"]["whole"]
    assert failed["report"]["built"] == {}
    assert "differences" not in failed["report"]
    assert "0 built; the build failed: No OpKernel was registered" in failed["text"]


def test_engines_of_two_networks_have_two_names(result):
    """Or TensorFlow up to 2.11 takes one for the other."""
    names = result["bundles"]["course"]["conversion"]["engines"]
    assert re.fullmatch(r"TRTEngineOp_[\d_]+_classifier_FP16", *names["classifier"])
    assert re.fullmatch(r"TRTEngineOp_[\d_]+_regressor_FP16", *names["regressor"])


def test_reports_are_read(leg, result):
    table = read_device_reports(result["folder"])["conversions"]
    assert sorted(table["network"]) == ["affect", "classifier", "regressor"]
    assert set(table["engines"]) == {1}
    assert set(table["built"]) == {0}
    assert set(table["outside"]) == {"Identity, Placeholder"}
    assert table["difference"].isna().all()
    assert set(table["exit_code"]) == {3}
    assert set(table["tensorrt"]) == {".".join(str(number) for number in leg[0].tensorrt)}


def test_tf_trt_breaks_up_what_it_should(result):
    engines = {
        title: [nodes for operation, nodes in steps if operation == "TRTEngineOp"]
        for title, steps in result["graphs"].items()
    }
    assert len(engines.pop("Round in the middle")) == 2
    assert {title: len(nodes) for title, nodes in engines.items()} == dict.fromkeys(engines, 1)
    outside = {title: {one for one, _ in steps} for title, steps in result["graphs"].items()}
    assert outside["as exported"] == {"Placeholder", "TRTEngineOp", "Identity"}
    assert "ArgMax" in outside["class index inside"]
    assert "Cast" in outside["bytes as input"]
    assert "Round" in outside["Round in the middle"]


def test_the_sample_of_notebook_05_is_what_this_tensorflow_says(leg, result, sample):
    if leg[0].tensorflow != sample.LEG.tensorflow:
        pytest.skip(f"the sample is of TensorFlow {sample.LEG.tensorflow}")
    committed = json.loads((sample.FOLDER / "segments.json").read_text())
    assert committed == sample.segments(result)
    (row,) = read_device_reports(sample.FOLDER)["conversions"].to_dict("records")
    (found,) = read_device_reports(result["folder"] / "1")["conversions"].to_dict("records")
    for name in ("network", "engines", "nodes", "outside", "built", "exit_code", "tensorrt"):
        assert row[name] == found[name]


def test_refuses_without_tensorrt_and_without_gpu(
    leg, environments, run_script, result, bundle, tmp_path
):
    chosen, python = leg
    text = run_script(python, bundle / "convert.py", exit_code=2, folder=tmp_path)
    assert "Refused: this TensorFlow finds no TensorRT (libnvinfer)" in text
    library = environments.build_stand_in(chosen, tmp_path / "library")
    text = run_script(python, bundle / "convert.py", exit_code=2, folder=tmp_path, library=library)
    assert "Refused: TensorFlow sees no GPU" in text
    assert not (tmp_path / "engines").exists()


def test_benchmark_measures_what_is_there(old_python, run_script, bundle, tmp_path):
    arguments = ["--n", 5, "--warm-up", 1, "--least-memory-mb", 0]
    text = run_script(old_python, bundle / "benchmark.py", *arguments, folder=tmp_path)
    content = json.loads((tmp_path / "benchmark.json").read_text())
    found = {report["runtime"]: report for report in content["runtimes"]}
    assert list(found) == ["FP16", "FP32", "tensorflow", "frozen-graph", "tflite"]
    assert "holds no engine" in found["FP16"]["error"]
    for name in ("tensorflow", "frozen-graph", "tflite"):
        times = found[name]["milliseconds"]
        assert times["n"] == 5
        assert 0 < times["p50"] <= times["p90"] <= times["p99"]
        assert found[name]["within_tolerance"]
        assert found[name]["crop_difference"] == 0
    times = read_device_reports(tmp_path)["times"]
    assert list(times["runtime"]) == ["tensorflow", "frozen-graph", "tflite"]
    assert (times["p50"] > 0).all()
    assert times["difference"].max() < 1e-4
    header = (HERE.parents[2] / "benchmarks" / "nano.md").read_text()
    rows = [line for line in text.splitlines() if line.startswith("| tflite")]
    (columns,) = [line for line in header.splitlines() if line.startswith("| runtime | threads")]
    assert rows[0].count("|") == columns.count("|")


def test_infer_says_what_the_kit_says(old_python, run_script, bundle, course, tmp_path):
    frames = []
    for index in range(3):
        frames.append(render_face(index, 256)[0])
        cv2.imwrite(str(tmp_path / f"frame_{index}.png"), frames[-1][..., ::-1])
    arguments = ["-v", tmp_path / "frame_%d.png", "--runtime", "tflite", "--least-memory-mb", 0]
    text = run_script(old_python, bundle / "infer.py", *arguments, folder=tmp_path)
    assert "3 frames; wrote test_out.avi" in text
    with (tmp_path / "test_out.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    pipeline = AffectPipeline(course, detector="haar")
    expected = [(number, face) for number, frame in enumerate(frames) for face in pipeline(frame)]
    assert len(rows) == len(expected) >= 2
    for row, (number, face) in zip(rows, expected, strict=True):
        assert int(row["frame"]) == number
        assert [float(row[name]) for name in ("x", "y", "width", "height")] == list(face.box)
        assert row["expression"] == face.expression
        assert float(row["probability"]) == pytest.approx(
            face.probabilities[face.expression], abs=1e-4
        )
        assert float(row["valence"]) == pytest.approx(face.valence, abs=1e-4)
        assert float(row["arousal"]) == pytest.approx(face.arousal, abs=1e-4)
    capture = cv2.VideoCapture(str(tmp_path / "test_out.avi"))
    assert int(capture.get(cv2.CAP_PROP_FRAME_COUNT)) == 3
    times = json.loads((tmp_path / "test_out.json").read_text())["milliseconds"]
    assert {"decode", "colour", "detect", "crop", "preprocess", "classify", "regress", "draw",
            "encode", "end to end", "residual"} <= times.keys()  # fmt: skip
    assert times["end to end"]["n"] == 2  # the first is left out
