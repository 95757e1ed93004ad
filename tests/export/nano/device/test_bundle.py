"""Bundles that are damaged or of another version are refused on the device."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from affectkit.export.nano.device.bundle import (
    DAMAGED,
    find_tensorrt,
    put_in_weights,
    trtexec_command,
)

JETSONS = {
    "JetPack 4.6": ("# R32 (release), REVISION: 7.1, GCID: 29818004, BOARD: t210ref", (8, 2)),
    "JetPack 5.1": ("# R35 (release), REVISION: 4.1, GCID: 33958178, BOARD: t186ref", (8, 4)),
    "JetPack 6.2": ("# R36 (release), REVISION: 4.3, GCID: 38968081, BOARD: generic", (8, 6)),
    "JetPack 7.0": ("# R38 (release), REVISION: 2.0, GCID: 41844464, BOARD: generic", (10, 13)),
    "unknown": ("# R99 (release), REVISION: 0.0", None),
}


@pytest.mark.parametrize(("release", "version"), JETSONS.values(), ids=JETSONS)
def test_tensorrt_is_told_by_the_release(tmp_path, monkeypatch, release, version):
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    assert find_tensorrt(str(tmp_path)) is None  # a PC
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "nv_tegra_release").write_text(release + "\n")
    assert find_tensorrt(str(tmp_path)) == version


def test_tensorrt_is_told_by_its_module_first(tmp_path, monkeypatch):
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "nv_tegra_release").write_text(JETSONS["JetPack 6.2"][0])
    (tmp_path / "tensorrt.py").write_text("__version__ = '10.16.1.11'")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "tensorrt", raising=False)
    try:
        assert find_tensorrt(str(tmp_path)) == (10, 16)
    finally:
        sys.modules.pop("tensorrt", None)


@pytest.mark.parametrize(
    ("version", "file", "options"),
    [
        ((8, 2), "b.onnx", "--fp16 --workspace=64"),
        ((8, 4), "b.onnx", "--fp16 --memPoolSize=workspace:64"),
        ((8, 6), "b.onnx", "--fp16 --memPoolSize=workspace:64"),
        ((10, 3), "b.float16.onnx", "--stronglyTyped --memPoolSize=workspace:64"),
        ((11, 0), "b.float16.onnx", "--stronglyTyped --memPoolSize=workspace:64"),
        (None, "b.float16.onnx", "--stronglyTyped --memPoolSize=workspace:64"),
    ],
)
def test_trtexec_gets_the_file_and_the_options_that_it_knows(version, file, options):
    assert trtexec_command(Path("a/b"), version) == (
        f"trtexec --onnx=a/{file} {options} --saveEngine=a/b.engine --warmUp=500 --iterations=1000"
    )


def test_refuses_a_missing_file(spoilt, run_script):
    (spoilt / "classifier" / "saved_model" / "saved_model.pb").unlink()
    text = run_script(sys.executable, spoilt / "convert.py", exit_code=2)
    assert "Refused: classifier/saved_model/saved_model.pb is missing" in text
    (spoilt / "bundle.json").unlink()
    text = run_script(sys.executable, spoilt / "convert.py", exit_code=2)
    assert "has no bundle.json: copy the whole folder" in text


def test_refuses_a_damaged_file(spoilt, run_script):
    path = spoilt / "regressor" / "regressor.tflite"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    text = run_script(sys.executable, spoilt / "bundle.py", exit_code=2)
    assert "regressor.tflite is not the file that was exported (SHA-256 differs)" in text
    arguments = ["--runtime", "tflite"]
    text = run_script(sys.executable, spoilt / "benchmark.py", *arguments, exit_code=2)
    assert "SHA-256 differs" in text
    (spoilt / "bundle.json").write_text("[1]")
    text = run_script(sys.executable, spoilt / "bundle.py", exit_code=2)
    assert "is damaged" in text


def test_refuses_another_version_of_bundle_or_network(bundle, spoilt, run_script):
    text = run_script(sys.executable, bundle / "convert.py", "--network", "gender", exit_code=2)
    assert "this bundle has the networks classifier, regressor; there is no gender" in text
    path = spoilt / "bundle.json"
    path.write_text(path.read_text().replace('"bundle_version": 1', '"bundle_version": 2'))
    text = run_script(sys.executable, spoilt / "convert.py", exit_code=2)
    assert "a bundle of version 2, these scripts are for 1" in text


def test_refuses_onnx_of_other_weights(spoilt, run_script, tmp_path):
    path = spoilt / "bundle.json"
    description = json.loads(path.read_text())
    weights = description["networks"]["regressor"]["onnx"]["weights"]
    weights[0]["from"] += 4
    path.write_text(json.dumps(description))
    arguments = [spoilt / "bundle.py", "--onnx", tmp_path / "onnx"]
    text = run_script(sys.executable, *arguments, exit_code=2)
    assert "the ONNX file of regressor is not the one that was exported (SHA-256 differs)" in text
    assert not (tmp_path / "onnx" / "regressor.onnx").exists()
    weights[0]["from"] = 10**9
    path.write_text(json.dumps(description))
    text = run_script(sys.executable, *arguments, exit_code=2)
    assert "the ONNX file of regressor can't be put together" in text


HELD = np.arange(6, dtype="<f4").tobytes()


def test_put_in_weights_by_hand():
    one = {"at": 1, "from": 4, "shape": [2, 2], "axes": [1, 0]}
    expected = b"a" + np.array([1, 3, 2, 4], "<f4").tobytes() + b"b"
    assert put_in_weights(b"ab", HELD, [one]) == expected
    halves = b"a" + np.array([1, 3, 2, 4], "<f2").tobytes() + b"b"
    assert put_in_weights(b"ab", HELD, [one], "float16") == halves
    assert put_in_weights(b"ab", HELD, []) == b"ab"
    for change in ({"at": -1}, {"at": 3}, {"from": 12}, {"shape": [-1]}, {"axes": [0, 0]}):
        with pytest.raises(ValueError):  # noqa: PT011 - NumPy's words, or ours
            put_in_weights(b"ab", HELD, [one | change])
    with pytest.raises(ValueError, match="a weight has no place at 1"):
        put_in_weights(b"ab", HELD, [one, one])
    with pytest.raises(ValueError, match="the weights are more than 24 bytes"):
        put_in_weights(b"ab", HELD, [one, one | {"at": 18}])


NUMBERS = st.one_of(st.integers(-9, 30), st.sampled_from([10**30, 0.5, None, "4", [1], "x" * 99]))
PLACES = st.fixed_dictionaries(
    {
        "at": NUMBERS,
        "from": NUMBERS,
        "shape": st.one_of(NUMBERS, st.lists(NUMBERS, max_size=4)),
        "axes": st.one_of(NUMBERS, st.lists(NUMBERS, max_size=4)),
    }
)


@settings(deadline=None, max_examples=300)
@given(weights=st.one_of(NUMBERS, st.lists(st.one_of(PLACES, NUMBERS), max_size=4)))
def test_put_in_weights_makes_no_more_than_there_is(weights):
    try:
        content = put_in_weights(b"rest", HELD, weights)
    except DAMAGED:
        return
    assert len(content) <= len(b"rest") + len(HELD)
