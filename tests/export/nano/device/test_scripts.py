"""What the scripts of a bundle refuse, and how they judge: as far as that needs no TensorFlow."""

import importlib
import sys

import numpy as np
import pytest


def test_refuses_too_little_memory(bundle, run_script):
    arguments = ["--least-memory-mb", 10**9]
    for script in ("convert.py", "benchmark.py"):
        text = run_script(sys.executable, bundle / script, *arguments, exit_code=2)
        assert "1000000000 MB together are wanted" in text
        assert "add a swap file" in text


def test_refuses_engines_that_are_not_there(bundle, run_script, tmp_path):
    arguments = ["-v", "clip.mp4"]
    text = run_script(sys.executable, bundle / "infer.py", *arguments, exit_code=2, folder=tmp_path)
    assert "engines/FP16/classifier holds no engine" in text
    arguments = ["-v", "clip.mp4", "--runtime", "tflite"]
    text = run_script(sys.executable, bundle / "infer.py", *arguments, exit_code=2, folder=tmp_path)
    assert "clip.mp4 can't be opened" in text
    arguments = ["-c", "front", "--runtime", "tflite"]
    text = run_script(sys.executable, bundle / "infer.py", *arguments, exit_code=2, folder=tmp_path)
    assert "expected -c 0, 1, ... or csi, got -c front" in text
    arguments = ["-c", "99", "--runtime", "tflite"]
    text = run_script(sys.executable, bundle / "infer.py", *arguments, exit_code=2, folder=tmp_path)
    assert "99 can't be opened" in text
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_refuses_todays_tensorflow(bundle, run_script, tmp_path):
    text = run_script(
        sys.executable, bundle / "convert.py", "--segment-only", exit_code=2, folder=tmp_path
    )
    assert "expected TensorFlow 1.15 to 2.7" in text
    assert not (tmp_path / "engines").exists()


def test_refuses_two_engines_of_one_name(bundle, run_script, tmp_path):
    for name, engine in (("classifier", b"one"), ("regressor", b"other")):
        folder = tmp_path / "engines" / "FP16" / name / "assets"
        folder.mkdir(parents=True)
        (folder / "trt-serialized-engine.TRTEngineOp_0_0").write_bytes(engine)
    arguments = [bundle / "infer.py", "-c", 0]
    text = run_script(sys.executable, *arguments, exit_code=2, folder=tmp_path)
    assert "two networks have engines of one name, which TensorFlow would mix up" in text


@pytest.fixture
def device_scripts(bundle, monkeypatch):
    """Modules of a bundle, imported here: for what needs no TensorFlow."""
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.syspath_prepend(bundle)
    names = [path.stem for path in bundle.glob("*.py")]
    for name in names:
        monkeypatch.delitem(sys.modules, name, raising=False)
    yield importlib.import_module
    for name in names:
        sys.modules.pop(name, None)


@pytest.mark.parametrize(
    ("whole", "built", "within", "code"),
    [
        (True, {"trt-serialized-engine.TRTEngineOp_0_0": 9}, True, 0),
        (True, {"trt-serialized-engine.TRTEngineOp_0_0": 9}, False, 1),
        (True, {}, True, 3),  # TF-TRT fell back to TensorFlow: right answers, no engine
        (False, {"a": 9, "b": 9}, True, 3),
    ],
)
def test_exit_codes_of_convert(device_scripts, whole, built, within, code):
    good = {"whole": True, "built": {"engine": 1}, "within_tolerance": True}
    other = {"whole": whole, "built": built, "within_tolerance": within}
    judge = device_scripts("convert").judge
    assert judge({"classifier": other}) == code
    assert judge({"classifier": good, "regressor": other}) == code


def test_an_empty_engine_file_is_no_engine(device_scripts, tmp_path):
    built_engines = device_scripts("convert").built_engines
    assert built_engines(tmp_path) == {}
    (tmp_path / "assets").mkdir()
    (tmp_path / "assets" / "trt-serialized-engine.TRTEngineOp_0_0").write_bytes(b"")
    assert built_engines(tmp_path) == {}
    (tmp_path / "assets" / "trt-serialized-engine.TRTEngineOp_0_0").write_bytes(b"engine")
    assert built_engines(tmp_path) == {"trt-serialized-engine.TRTEngineOp_0_0": 6}


def test_golden_differences_do_not_hide_nan(device_scripts):
    networks = device_scripts("networks")
    golden = {"faces": np.zeros((2, 4, 4, 3), np.uint8), "expression": np.zeros((2, 3))}
    answers = iter([np.full((1, 3), np.nan), np.zeros((1, 3))])
    found = networks.golden_differences(
        lambda face: {"expression": next(answers)}, golden, ["expression"]
    )
    assert np.isnan(found["expression"])
    assert not networks.is_within(found, 0.03)
    assert networks.is_within({"expression": 0.02}, 0.03)


def test_summary_of_times(device_scripts):
    summary = device_scripts("timing").summarise([0.001 * n for n in range(1, 101)])
    assert summary == {"n": 100, "mean": 50.5, "p50": 50.5, "p90": 90.1, "p99": 99.01}
