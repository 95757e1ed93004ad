"""A Nano's bundle: what is in it, and what old TensorFlow, of the device's age, makes of it.

No engine is built here. The legs run TF-TRT's own segmenter; TensorRT's library is faked as far as
the question for its version, see tests/export/nano/libnvinfer.c.
"""

from __future__ import annotations

import ast
import csv
import functools
import hashlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from affectkit import AffectPipeline
from affectkit.cli import app
from affectkit.data import load_table, read_face
from affectkit.export import read_benchmarks, read_conversions, read_description, write_bundle
from affectkit.export.nano.bundle import TOLERANCES
from affectkit.export.nano.device.bundle import DAMAGED, put_in_weights
from affectkit.export.nano.graph import locate_graph, make_portable, write_saved_model
from affectkit.export.nano.networks import take_out_weights
from affectkit.export.nano.sources import FOLDER, preprocessing_source, script_sources
from affectkit.faces import render_face
from affectkit.models import OnnxNetwork, build_classifier, build_regressor, load_model, save_model
from affectkit.preprocess import Preprocessing, crop_face, scale_pixels

HERE = Path(__file__).parent
CI = os.environ.get("CI", "").lower() == "true"


def _load_environments():
    spec = importlib.util.spec_from_file_location("nano_environments", HERE / "environments.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


environments = _load_environments()


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """A course's run folder, with a classifier and a regressor of 64 pixels."""
    folder = tmp_path_factory.mktemp("nano") / "course"
    (folder / "models").mkdir(parents=True)
    classifier = build_classifier(64, 0.35, weights="affectfaces")
    regressor = build_regressor(classifier)
    backbone = regressor.get_layer("backbone")
    backbone.set_weights([0.99 * weight for weight in backbone.get_weights()])  # tell them apart
    preprocessing = Preprocessing(image_size=64, crop_margin=0.1)
    for name, model in (("classifier", classifier), ("regressor", regressor)):
        save_model(model, folder / "models" / f"{name}.keras", preprocessing)
    return folder


@pytest.fixture(scope="module")
def bundle(course, tmp_path_factory):
    """The bundle of two small networks, written by the command line."""
    output = tmp_path_factory.mktemp("bundle")
    arguments = ["export", str(course), "--format", "nano", "--output", str(output)]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert "classifier: 302 nodes" in result.output
    total = sum(path.stat().st_size for path in output.rglob("*") if path.is_file())
    assert f"course.nano ({total / 1e6:.1f} MB)" in result.output
    return output / "course.nano"


@pytest.fixture(scope="module")
def real_bundle(tmp_path_factory):
    """The bundle of the checkpoint that ships."""
    return write_bundle("affectkit-real", tmp_path_factory.mktemp("real"))


@pytest.fixture(scope="module")
def control(tmp_path_factory):
    """A SavedModel with uint8 input, resizing and argmax inside: TF-TRT can't take it whole."""
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    model = build_classifier(64, 0.35)
    signature = [tf.TensorSpec((1, 48, 48, 3), tf.uint8, name="face")]

    @functools.partial(tf.function, input_signature=signature)
    def answer(face):
        resized = tf.image.resize(tf.cast(face, tf.float32), (64, 64))
        probabilities = model(scale_pixels(resized), training=False)
        return tf.identity(tf.argmax(probabilities, axis=1), name="answer")

    frozen = convert_variables_to_constants_v2(answer.get_concrete_function())
    graph = make_portable(frozen.graph.as_graph_def().SerializeToString(), ["face", "answer"])
    folder = tmp_path_factory.mktemp("control") / "saved_model"
    write_saved_model(graph, ["answer"], folder)
    return folder


def python_of(leg):
    try:
        return environments.prepare(leg)
    except environments.NotRunError as error:
        pytest.skip(f"NOT RUN, NOT PASSED: leg {leg.name}: {error}")
    except subprocess.CalledProcessError as error:
        (*_, reason) = error.stderr.strip().splitlines() or ["no word from pip"]
        message = f"leg {leg.name}: its packages can't be installed: {reason}"
        if CI:
            pytest.fail(message)
        pytest.skip(f"NOT RUN, NOT PASSED: {message}")


def run_script(python, *arguments, exit_code=0, folder=None, library=None):
    """Run a script as a user would; gives what it printed, on both channels."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment |= {"PYTHONDONTWRITEBYTECODE": "1", "CUDA_VISIBLE_DEVICES": ""}
    if library is not None:
        environment["LD_LIBRARY_PATH"] = str(library)
    command = [str(argument) for argument in (python, *arguments)]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == exit_code, done.stdout + done.stderr
    return done.stdout + done.stderr


# What is in a bundle


def test_description(bundle):
    description = read_description(bundle)
    assert sorted(description["networks"]) == ["classifier", "regressor"]
    classifier = description["networks"]["classifier"]
    assert classifier["input"] == {
        "name": "face",
        "tensor": "face:0",
        "shape": [1, 64, 64, 3],
        "dtype": "float32",
    }
    assert classifier["outputs"]["expression"]["shape"] == [1, 8]
    assert classifier["outputs"]["expression"]["labels"][:2] == ["Neutral", "Happy"]
    assert description["preprocessing"]["crop_margin"] == 0.1
    assert description["preprocessing"]["scaling"] == "x / 127.5 - 1"
    assert description["labels"][-1] == "Contempt"
    files = {path.relative_to(bundle).as_posix() for path in bundle.rglob("*") if path.is_file()}
    assert {entry["name"] for entry in description["files"]} == files - {"bundle.json"}
    for entry in description["files"]:
        content = (bundle / entry["name"]).read_bytes()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (
            entry["bytes"],
            entry["sha256"],
        )


def test_graphs_hold_only_what_tensorrt_takes(bundle):
    for network in read_description(bundle)["networks"].values():
        operations = network["operations"]
        assert operations["Relu6"] == operations["Conv2D"] == 35
        assert operations["DepthwiseConv2dNative"] == 17
        assert not operations.keys() & {"VarHandleOp", "ReadVariableOp", "DisableCopyOnRead"}
        assert not operations.keys() & {"ArgMax", "Cast", "ResizeBilinear", "FusedBatchNormV3"}
        assert 300 <= network["nodes"] <= 320


def test_the_frozen_graph_lies_in_the_saved_model(bundle, tmp_path):
    import tensorflow as tf

    for name, network in read_description(bundle)["networks"].items():
        place = network["frozen_graph"]
        content = (bundle / place["file"]).read_bytes()
        assert locate_graph(content) == (place["offset"], place["bytes"])
        run_script(sys.executable, bundle / "bundle.py", "--frozen-graphs", tmp_path)
        graph = tf.compat.v1.GraphDef.FromString((tmp_path / f"{name}.pb").read_bytes())
        message = tf.compat.v1.GraphDef.FromString(
            content[place["offset"] : place["offset"] + place["bytes"]]
        )
        assert graph == message
        assert len(graph.node) == network["nodes"]
        assert {node.device for node in graph.node} == {""}


def test_locate_graph_refuses_what_is_no_saved_model():
    with pytest.raises(ValueError, match="no SavedModel"):
        locate_graph(b"\x08\x01")


@pytest.fixture(scope="module")
def onnx_files(bundle, tmp_path_factory):
    """The ONNX files that a bundle's own script puts together."""
    folder = tmp_path_factory.mktemp("onnx")
    text = run_script(sys.executable, bundle / "bundle.py", "--onnx", folder)
    assert f"wrote {folder / 'classifier.onnx'}" in text
    return folder


def test_onnx_is_of_opset_11_for_one_face(onnx_files):
    import onnx

    model = onnx.load(onnx_files / "classifier.onnx")
    assert [(entry.domain, entry.version) for entry in model.opset_import if not entry.domain] == [
        ("", 11)
    ]
    (face,), (expression,) = model.graph.input, model.graph.output
    shape = [dimension.dim_value for dimension in face.type.tensor_type.shape.dim]
    assert (face.name, shape, expression.name) == ("face", [1, 64, 64, 3], "expression")


def test_onnx_is_put_together_from_what_the_saved_model_holds(bundle, onnx_files):
    description = read_description(bundle)
    for name, network in description["networks"].items():
        content = (onnx_files / f"{name}.onnx").read_bytes()
        place = network["onnx"]
        assert len(content) == place["bytes"] > 4 * 400_000  # float32 of MobileNetV2, alpha 0.35
        assert hashlib.sha256(content).hexdigest() == place["sha256"]
        rest = (bundle / place["rest"]).stat().st_size
        assert rest + sum(4 * np.prod(one["shape"]) for one in place["weights"]) == len(content)
        assert rest < len(content) / 10
        answer = OnnxNetwork(onnx_files / f"{name}.onnx")
        with np.load(bundle / "golden.npz") as golden:
            (output,) = network["outputs"]
            for face, expected in zip(golden["faces"], golden[output], strict=True):
                found = answer(scale_pixels(face[None].astype(np.float32)))[output]
                np.testing.assert_allclose(found[0], expected, rtol=0, atol=1e-4)


def test_refuses_onnx_of_other_weights(bundle, tmp_path):
    folder = broken(bundle, tmp_path)
    path = folder / "bundle.json"
    description = json.loads(path.read_text())
    weights = description["networks"]["regressor"]["onnx"]["weights"]
    weights[0]["from"] += 4
    path.write_text(json.dumps(description))
    arguments = [folder / "bundle.py", "--onnx", tmp_path / "onnx"]
    text = run_script(sys.executable, *arguments, exit_code=2)
    assert "the ONNX file of regressor is not the one that was exported (SHA-256 differs)" in text
    assert not (tmp_path / "onnx" / "regressor.onnx").exists()
    weights[0]["from"] = 10**9
    path.write_text(json.dumps(description))
    text = run_script(sys.executable, *arguments, exit_code=2)
    assert "the ONNX file of regressor can't be put together" in text


def test_weights_are_taken_out_and_put_back():
    import tensorflow as tf

    random = np.random.default_rng(0)
    kernel, dense, lost = (
        random.normal(size=shape).astype("<f4") for shape in ((3, 3, 8, 16), (64, 20), (512,))
    )
    with tf.Graph().as_default() as holder:
        for weight in (kernel, dense, lost, np.zeros(4, "<f4"), np.zeros(512, "<i4")):
            tf.constant(weight)
    graph = holder.as_graph_def().SerializeToString()
    turned = [kernel.transpose(3, 2, 0, 1).tobytes(), dense.T.tobytes()]
    content = b"".join([b"head", turned[1], b"more", turned[0], bytes(16), b"end"])
    rest, weights = take_out_weights(content, b"before" + graph, graph)
    assert rest == b"headmore" + bytes(16) + b"end"
    assert [(one["at"], one["shape"], one["axes"]) for one in weights] == [
        (4, [64, 20], [1, 0]),
        (4 + 5120 + 4, [3, 3, 8, 16], [3, 2, 0, 1]),
    ]
    assert put_in_weights(rest, b"before" + graph, weights) == content
    assert take_out_weights(b"none", graph, graph) == (b"none", [])


HELD = np.arange(6, dtype="<f4").tobytes()


def test_put_in_weights_by_hand():
    one = {"at": 1, "from": 4, "shape": [2, 2], "axes": [1, 0]}
    expected = b"a" + np.array([1, 3, 2, 4], "<f4").tobytes() + b"b"
    assert put_in_weights(b"ab", HELD, [one]) == expected
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


def test_golden_faces_are_faces_with_keras_answers(bundle, course):
    table = load_table("affectfaces", split="test", limit=16)
    preprocessing = Preprocessing(image_size=64, crop_margin=0.1)
    faces = np.stack([read_face(record, preprocessing) for record in table.itertuples()])
    with np.load(bundle / "golden.npz") as golden:
        np.testing.assert_array_equal(golden["faces"], faces)
        for name, output in (("classifier", "expression"), ("regressor", "valence_arousal")):
            model = load_model(course / "models" / f"{name}.keras").model
            expected = model.predict(scale_pixels(faces.astype(np.float32)), verbose=0)
            np.testing.assert_allclose(golden[output], expected, atol=1e-5)
        for box, crop in zip(golden["boxes"], golden["crops"], strict=True):
            np.testing.assert_array_equal(crop_face(golden["picture"], box, preprocessing), crop)
        lefts, tops = golden["boxes"][:, 0], golden["boxes"][:, 1]
        assert (np.minimum(lefts, tops) < 0).any()  # beyond the edge


@pytest.mark.slow
def test_one_network_with_two_heads_is_one_graph(real_bundle):
    description = read_description(real_bundle)
    (network,) = description["networks"].values()
    assert sorted(network["outputs"]) == ["expression", "valence_arousal"]
    assert network["nodes"] == 310
    assert sorted(description["verification"]["affect"]) == ["onnx", "saved_model", "tflite"]
    for form in description["verification"]["affect"].values():
        for differences in form["outputs"].values():
            assert differences["maximum_difference"] < 1e-4


@pytest.mark.slow
def test_the_whole_bundle_is_under_20_megabytes(real_bundle):
    assert sum(path.stat().st_size for path in real_bundle.rglob("*") if path.is_file()) < 20e6


@pytest.mark.slow
@pytest.mark.needs_shared
def test_golden_faces_may_be_photographs(course, tmp_path, shared):
    pictures = tmp_path / "portraits"
    pictures.mkdir()
    for path in sorted((shared / "data" / "london_faces").glob("*.jpg"))[:3]:
        shutil.copy(path, pictures)
    folder = write_bundle(course / "models" / "classifier.keras", tmp_path, pictures)
    assert sorted(read_description(folder)["networks"]) == ["classifier"]
    assert read_description(folder)["golden"] == {"faces": 3, "source": "pictures in portraits"}


# The scripts


def run_vermin(*paths):
    command = [Path(sys.executable).parent / "vermin", "--target=3.6-", "--violations", *paths]
    return subprocess.run(command, capture_output=True, text=True)


def test_scripts_are_python_3_6(bundle, tmp_path):
    paths = sorted(bundle.glob("*.py"))
    assert {path.name for path in paths} == script_sources().keys()
    done = run_vermin(*paths)
    assert done.returncode == 0, done.stdout
    newer = tmp_path / "newer.py"
    newer.write_text("if (n := 3):\n    print(n)\n")
    assert run_vermin(newer).returncode != 0


def test_scripts_compile_on_python_3_6(bundle):
    interpreter = environments.find_interpreter("3.6")
    if interpreter is None:
        pytest.skip("NOT RUN, NOT PASSED: no Python 3.6")
    code = "import sys; [compile(open(p).read(), p, 'exec') for p in sys.argv[1:]]"
    run_script(interpreter, "-c", code, *sorted(bundle.glob("*.py")))


def test_scripts_import_nothing_else():
    allowed = {path.stem for path in FOLDER.glob("*.py")} | {"face_preprocessing"}
    allowed |= {"cv2", "numpy", "tensorflow", *sys.stdlib_module_names}
    for name, source in script_sources().items():
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Import):
                modules = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0
                modules = [node.module]
            else:
                continue
            assert {module.partition(".")[0] for module in modules} <= allowed, name


@pytest.fixture(scope="module")
def copied():
    """The preprocessing of a bundle, as a module."""
    namespace: dict = {}
    exec(compile(preprocessing_source(), "face_preprocessing.py", "exec"), namespace)
    return namespace


@settings(deadline=None, max_examples=60)
@given(
    box=st.tuples(st.floats(-50, 110), st.floats(-50, 90), st.floats(1, 300), st.floats(1, 300)),
    size=st.integers(32, 96),
    margin=st.floats(0, 0.5),
    grey=st.booleans(),
)
def test_copied_preprocessing_is_the_kits(copied, box, size, margin, grey):
    picture = np.random.default_rng(1).integers(0, 256, (100, 120, 3), np.uint8)
    ours = Preprocessing(image_size=size, crop_margin=margin, grey=grey)
    theirs = copied["Preprocessing"](**ours.to_dict())
    try:
        expected = crop_face(picture, box, ours)
    except ValueError as error:
        with pytest.raises(ValueError, match=re.escape(str(error)[:40])):
            copied["crop_face"](picture, box, theirs)
        return
    found = copied["crop_face"](picture, box, theirs)
    np.testing.assert_array_equal(found, expected)
    scaled = copied["scale_pixels"](found.astype(np.float32))
    np.testing.assert_array_equal(scaled, scale_pixels(expected.astype(np.float32)))


def broken(bundle, tmp_path):
    folder = tmp_path / "copy.nano"
    shutil.copytree(bundle, folder)
    return folder


def test_refuses_a_missing_file(bundle, tmp_path):
    folder = broken(bundle, tmp_path)
    (folder / "classifier" / "saved_model" / "saved_model.pb").unlink()
    text = run_script(sys.executable, folder / "convert.py", exit_code=2)
    assert "Refused: classifier/saved_model/saved_model.pb is missing" in text
    (folder / "bundle.json").unlink()
    text = run_script(sys.executable, folder / "convert.py", exit_code=2)
    assert "has no bundle.json: copy the whole folder" in text


def test_refuses_a_damaged_file(bundle, tmp_path):
    folder = broken(bundle, tmp_path)
    path = folder / "regressor" / "regressor.tflite"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    text = run_script(sys.executable, folder / "bundle.py", exit_code=2)
    assert "regressor.tflite is not the file that was exported (SHA-256 differs)" in text
    arguments = ["--runtime", "tflite"]
    text = run_script(sys.executable, folder / "benchmark.py", *arguments, exit_code=2)
    assert "SHA-256 differs" in text
    (folder / "bundle.json").write_text("[1]")
    text = run_script(sys.executable, folder / "bundle.py", exit_code=2)
    assert "is damaged" in text


def test_refuses_another_version_of_bundle_or_network(bundle, tmp_path):
    text = run_script(sys.executable, bundle / "convert.py", "--network", "gender", exit_code=2)
    assert "this bundle has the networks classifier, regressor; there is no gender" in text
    folder = broken(bundle, tmp_path)
    path = folder / "bundle.json"
    path.write_text(path.read_text().replace('"bundle_version": 1', '"bundle_version": 2'))
    text = run_script(sys.executable, folder / "convert.py", exit_code=2)
    assert "a bundle of version 2, these scripts are for 1" in text


def test_refuses_too_little_memory(bundle):
    arguments = ["--least-memory-mb", 10**9]
    for script in ("convert.py", "benchmark.py"):
        text = run_script(sys.executable, bundle / script, *arguments, exit_code=2)
        assert "1000000000 MB together are wanted" in text
        assert "add a swap file" in text


def test_refuses_engines_that_are_not_there(bundle, tmp_path):
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
def test_refuses_todays_tensorflow(bundle, tmp_path):
    text = run_script(
        sys.executable, bundle / "convert.py", "--segment-only", exit_code=2, folder=tmp_path
    )
    assert "expected TensorFlow 1.15 to 2.7" in text
    assert not (tmp_path / "engines").exists()


@pytest.fixture
def device_scripts(bundle, monkeypatch):
    """Modules of a bundle, imported here: for what needs no TensorFlow."""
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


def test_refuses_two_engines_of_one_name(bundle, tmp_path):
    for name, engine in (("classifier", b"one"), ("regressor", b"other")):
        folder = tmp_path / "engines" / "FP16" / name / "assets"
        folder.mkdir(parents=True)
        (folder / "trt-serialized-engine.TRTEngineOp_0_0").write_bytes(engine)
    arguments = [bundle / "infer.py", "-c", 0]
    text = run_script(sys.executable, *arguments, exit_code=2, folder=tmp_path)
    assert "two networks have engines of one name, which TensorFlow would mix up" in text


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
    (row,) = read_conversions(tmp_path).to_dict("records")
    assert (row["network"], row["built"], row["difference"]) == ("affect", 1, 0.004)
    assert (row["tensorrt"], row["outside"]) == ("8.2.1", "Identity, Placeholder")
    path.write_text(json.dumps(report))
    with pytest.raises(ValueError, match="damaged report"):
        read_conversions(tmp_path)
    path.write_text("{")
    with pytest.raises(ValueError, match="not a JSON file with a report"):
        read_conversions(tmp_path)


def test_no_reports_give_empty_tables(tmp_path):
    assert list(read_conversions("")["engines"]) == list(read_benchmarks(tmp_path)["p50"]) == []
    with pytest.raises(FileNotFoundError, match="expected a folder copied from the device"):
        read_benchmarks(tmp_path / "absent")


# The legs: TensorFlow of the device's age


@pytest.fixture(scope="module", params=environments.LEGS, ids=lambda leg: leg.name)
def leg(request):
    return request.param, python_of(request.param)


@pytest.fixture(scope="module")
def result(leg, bundle, real_bundle, control, tmp_path_factory):
    """What an old TensorFlow makes of both bundles, TensorRT's library faked."""
    chosen, python = leg
    work = tmp_path_factory.mktemp("leg")
    try:
        library = environments.build_stand_in(chosen, work / "library")
    except environments.NotRunError as error:
        pytest.skip(f"NOT RUN, NOT PASSED: leg {chosen.name}: {error}")
    arguments = [HERE / "leg.py", work / "result.json", control, work, bundle, real_bundle]
    run_script(python, *arguments, library=library)
    return json.loads((work / "result.json").read_text()) | {"folder": work}


@pytest.mark.slow
def test_leg_is_what_it_says(leg, result):
    device = result["device"]
    assert device["tensorflow"] == leg[0].tensorflow
    assert device["python"].startswith(leg[0].python + ".")
    assert device["tensorrt_linked"] == device["tensorrt_loaded"] == list(leg[0].tensorrt)
    assert device["gpus"] == []


@pytest.mark.slow
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


@pytest.mark.slow
def test_onnx_is_put_together_as_exported(result, bundle, real_bundle):
    for folder in (bundle, real_bundle):
        description = read_description(folder)
        networks = description["networks"].items()
        expected = {name: network["onnx"]["sha256"] for name, network in networks}
        assert result["bundles"][description["name"]]["onnx"] == expected


@pytest.mark.slow
def test_old_opencv_cuts_faces_out_alike(result):
    assert [one["crop_difference"] for one in result["bundles"].values()] == [0, 0]


@pytest.mark.slow
def test_tf_trt_takes_each_network_whole(result):
    """TF-TRT's own segmenter, TensorRT's version faked, no engine built."""
    for one in result["bundles"].values():
        conversion = one["conversion"]
        assert conversion["exit_code"] == conversion["report"]["exit_code"] == 3
        assert conversion["report"]["kind"] == "TF-TRT's segmenter alone, no engine built"
        for report in conversion["report"]["networks"].values():
            assert report["engines"] == 1
            assert report["built"] == {}
            assert report["outside"].keys() <= {"Placeholder", "NoOp", "Identity"}
            (nodes,) = report["nodes"]
            assert 295 <= nodes <= 315
        for differences in conversion["segments"].values():
            assert differences
            assert max(differences.values()) < 1e-4


@pytest.mark.slow
def test_a_failed_build_is_converted_but_not_built(result):
    failed = result["failed"]
    assert failed["exit_code"] == 3
    assert failed["report"]["whole"]
    assert failed["report"]["built"] == {}
    assert "differences" not in failed["report"]
    assert "0 built; the build failed: No OpKernel was registered" in failed["text"]


@pytest.mark.slow
def test_engines_of_two_networks_have_two_names(result):
    """Or TensorFlow up to 2.11 takes one for the other."""
    names = result["bundles"]["course"]["conversion"]["engines"]
    assert re.fullmatch(r"TRTEngineOp_[\d_]+_classifier_FP16", *names["classifier"])
    assert re.fullmatch(r"TRTEngineOp_[\d_]+_regressor_FP16", *names["regressor"])


@pytest.mark.slow
def test_reports_are_read(leg, result):
    table = read_conversions(result["folder"])
    assert sorted(table["network"]) == ["affect", "classifier", "regressor"]
    assert set(table["engines"]) == {1}
    assert set(table["built"]) == {0}
    assert set(table["outside"]) == {"Identity, Placeholder"}
    assert table["difference"].isna().all()
    assert set(table["exit_code"]) == {3}
    assert set(table["tensorrt"]) == {".".join(str(number) for number in leg[0].tensorrt)}


@pytest.mark.slow
def test_tf_trt_breaks_up_what_it_should(result):
    assert not result["control"]["whole"]
    assert {"Cast", "ArgMax", "ResizeBilinear"} <= result["control"]["outside"].keys()


@pytest.mark.slow
def test_refuses_without_tensorrt_and_without_gpu(leg, result, bundle, tmp_path):
    chosen, python = leg
    text = run_script(python, bundle / "convert.py", exit_code=2, folder=tmp_path)
    assert "Refused: this TensorFlow finds no TensorRT (libnvinfer)" in text
    library = environments.build_stand_in(chosen, tmp_path / "library")
    text = run_script(python, bundle / "convert.py", exit_code=2, folder=tmp_path, library=library)
    assert "Refused: TensorFlow sees no GPU" in text
    assert not (tmp_path / "engines").exists()


@pytest.fixture(scope="module")
def old_python():
    return python_of(environments.LEGS[1])


@pytest.mark.slow
def test_benchmark_measures_what_is_there(old_python, bundle, tmp_path):
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
    times = read_benchmarks(tmp_path)
    assert list(times["runtime"]) == ["tensorflow", "frozen-graph", "tflite"]
    assert (times["p50"] > 0).all()
    assert times["difference"].max() < 1e-4
    header = (HERE.parents[2] / "benchmarks" / "nano.md").read_text()
    rows = [line for line in text.splitlines() if line.startswith("| tflite")]
    (columns,) = [line for line in header.splitlines() if line.startswith("| runtime | threads")]
    assert rows[0].count("|") == columns.count("|")


@pytest.mark.slow
def test_infer_says_what_the_kit_says(old_python, bundle, course, tmp_path):
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
