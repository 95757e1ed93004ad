"""Exports answer like what they were made from, or are refused; manifests tell how to use them."""

import hashlib
import json
import shutil
import sys

import keras
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from typer.testing import CliRunner

from affectkit import AffectPipeline
from affectkit.cli import app
from affectkit.data import load_faces, load_table
from affectkit.evaluation import read_metrics
from affectkit.export import open_source
from affectkit.export.export import verify_export
from affectkit.export.formats import check_packages, convert
from affectkit.faces import render_face
from affectkit.labels import EXPRESSIONS
from affectkit.models import (
    find_model,
    open_model,
    predict_table,
    save_model,
)
from affectkit.models.cards import SUFFIXES
from affectkit.pipeline import Face
from affectkit.preprocess import Preprocessing, scale_pixels

PREPROCESSING = Preprocessing(32, crop_margin=0.05, grey=True)  # of the course in tests/conftest.py
TOLERANCES = {"tflite-int8": 0.1, "onnx-int8": 0.1, "tflite-float16": 0.01, "onnx-float16": 0.01}
"""Greatest difference; of the exact formats 1e-5."""


def run(*arguments, exit_code=0):
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == exit_code, result.output
    assert "Traceback" not in result.output
    return " ".join(result.output.split())


@pytest.fixture(scope="module")
def table():
    return load_table("affectfaces", split="validation", limit=48)


@pytest.fixture(scope="module")
def faces(table):
    return scale_pixels(load_faces(table, PREPROCESSING)[0].astype(np.float32))


@pytest.mark.parametrize("name", SUFFIXES)
def test_an_export_answers_like_keras(course, exports, faces, name):
    source = open_model(course)
    expected = source(faces)
    loaded = open_model(exports[name])
    assert (loaded.preprocessing, loaded.temperature) == (PREPROCESSING, 1.5)
    (network,) = loaded.networks
    assert (network.image_size, network.outputs) == (32, {"expression": 8, "valence_arousal": 2})
    found = network(faces)
    for output, answers in found.items():
        assert answers.dtype == np.float32
        assert answers.shape == (48, network.outputs[output])
        assert np.ptp(expected[output], axis=0).max() > 0.2  # faces differ
        tolerance = TOLERANCES.get(name, 1e-5)
        np.testing.assert_allclose(answers, expected[output], atol=tolerance)
        alone = np.concatenate([network(face[None])[output] for face in faces[:8]])
        np.testing.assert_allclose(alone, answers[:8], atol=1e-5)


def test_a_manifest_tells_size_hash_and_origin_of_all_files(course, exports):
    for name, path in exports.items():
        manifest = json.loads(path.read_text("utf-8"))
        assert list(manifest["files"]) == [name]
        artefact = find_model(path).path
        assert artefact.name == "course" + SUFFIXES[name]
        files = [one for one in artefact.rglob("*") if one.is_file()] or [artefact]
        assert {path.parent / entry["name"] for entry in manifest["files"][name]} == set(files)
        for entry in manifest["files"][name]:
            content = (path.parent / entry["name"]).read_bytes()
            assert entry["bytes"] == len(content)
            assert entry["sha256"] == hashlib.sha256(content).hexdigest()
        for entry in manifest["source"]["files"]:
            content = (course / "models" / entry["name"]).read_bytes()
            assert entry["sha256"] == hashlib.sha256(content).hexdigest()
        assert Preprocessing(**manifest["preprocessing"]) == PREPROCESSING
        assert manifest["labels"] == list(EXPRESSIONS)
        assert (manifest["temperature"], manifest["training"]["dataset"]) == (1.5, "affectfaces")
        assert manifest["verification"]["affectfaces, test"]["faces"] == 256
        assert manifest["versions"]["keras"] == keras.__version__
        assert (manifest["calibration"] is None) == (not name.endswith("-int8"))
    assert len(list(exports["onnx"].parent.iterdir())) == 2 * len(SUFFIXES)


def test_tensors_have_the_names_and_shapes_of_the_manifest(exports):
    import onnxruntime
    import tensorflow as tf
    from ai_edge_litert.interpreter import Interpreter

    read = {name: find_model(path) for name, path in exports.items()}

    def described(name):
        manifest = read[name].card
        tensors = [manifest["input"], *manifest["outputs"].values()]
        return {one["name"]: one["shape"] for one in tensors}

    for name in ("tflite-int8", "tflite-float16"):
        interpreter = Interpreter(str(read[name].path))
        details = interpreter.get_input_details() + interpreter.get_output_details()
        assert {one["name"]: one["shape"].tolist() for one in details} == described(name)
        assert {one["dtype"] for one in details} == {np.float32}
    for name in ("onnx", "onnx-float16", "onnx-int8"):
        session = onnxruntime.InferenceSession(read[name].path)
        tensors = [*session.get_inputs(), *session.get_outputs()]
        assert {(one.shape[0], one.type) for one in tensors} == {("batch", "tensor(float)")}
        assert {one.name: [None, *one.shape[1:]] for one in tensors} == described(name)
    signature = tf.saved_model.load(read["saved-model"].path).signatures["serving_default"]
    tensors = [*signature.structured_input_signature[1].items()]
    tensors += signature.structured_outputs.items()
    shapes = {name: one.shape.as_list() for name, one in tensors}
    assert shapes == described("saved-model")
    graph = tf.Graph()
    with graph.as_default():
        content = read["frozen-graph"].path.read_bytes()
        tf.graph_util.import_graph_def(tf.compat.v1.GraphDef.FromString(content), name="")
    names = described("frozen-graph")
    assert {one: graph.get_tensor_by_name(one).shape.as_list() for one in names} == names


@pytest.mark.slow
def test_evaluation_of_every_export_is_that_of_its_source(course, exports, table):
    for name, path in exports.items():
        for one in (path, find_model(path).path):
            model = open_model(one)
            assert model.tasks == ("classification", "regression")
        for task, file in (("classification", "classifier"), ("regression", "regressor")):
            source = open_model(course / "models" / f"{file}.keras")
            assert model.for_task(task).temperature == source.temperature
            expected, _ = predict_table(source, table)
            found, _ = predict_table(model.for_task(task), table)
            np.testing.assert_allclose(found, expected, atol=TOLERANCES.get(name, 1e-5))


@pytest.mark.slow
def test_the_command_evaluates_an_export(course, exports, tmp_path):
    command = ["evaluate", find_model(exports["onnx"]).path, "--limit", 32, "--bootstrap", 0]
    run(*command, "--output", tmp_path)
    table = load_table("affectfaces", split="test", limit=32)
    for name, folder, columns in (
        ("classifier", tmp_path, [f"probability_{name.lower()}" for name in EXPRESSIONS]),
        ("regressor", tmp_path / "valence_arousal", ["predicted_valence", "predicted_arousal"]),
    ):
        expected, _ = predict_table(open_model(course / "models" / f"{name}.keras"), table)
        found = pd.read_csv(folder / "predictions.csv")
        np.testing.assert_allclose(found[columns], expected, atol=1e-5)
        assert read_metrics(folder / "metrics.json")["rows"] == 32


def test_the_pipeline_runs_an_export(course, exports):
    image = render_face(3, 128)[0]
    squares = [Face((0.0, 0.0, 128.0, 128.0), 1.0, (0.0, 0.0, 0.0, 0.0))]
    answers = []
    for model in (course, exports["onnx"], exports["saved-model"]):
        (face,) = AffectPipeline(model, lambda _: squares, threads=2)(image)
        answers.append([*face.probabilities.values(), face.valence, face.arousal])
    np.testing.assert_allclose(answers[1:], [answers[0]] * 2, atol=1e-5)


def test_an_export_of_another_model_is_refused(course, exports, faces):
    source = open_source(course)
    head = source.model.get_layer("expression")
    kernel, bias = head.get_weights()
    head.set_weights([kernel[:, ::-1], bias[::-1]])
    for name in ("onnx", "tflite-int8"):
        path = find_model(exports[name]).path
        with pytest.raises(ValueError, match=r"of expression .*the same expression for .*needed"):
            verify_export(path, name, source, {"drawn": faces})
    head.set_weights([kernel * 1.01, bias])
    with pytest.raises(ValueError, match="course.onnx .drawn. .*difference of expression .*1e-05"):
        verify_export(find_model(exports["onnx"]).path, "onnx", source, {"drawn": faces})


def test_what_half_precision_can_not_hold_is_refused_and_leaves_nothing(course, tmp_path):
    loaded = open_model(course / "models" / "classifier.keras")
    model = keras.models.clone_model(loaded.model)
    model.set_weights(loaded.model.get_weights())
    head = model.get_layer("expression")
    kernel, bias = head.get_weights()
    kernel[:, 0] += 1e6  # above 65504, the largest float16
    head.set_weights([kernel, bias])
    path = save_model(model, tmp_path / "large.keras", PREPROCESSING)
    text = run("export", path, "--format", "tflite-float16", "--output", tmp_path / "out",
               exit_code=2)  # fmt: skip
    assert "large.float16.tflite (affectfaces, test) is not what it was made from" in text
    assert list((tmp_path / "out").iterdir()) == []


def test_the_command_exports_one_network_and_looks_at_pictures(course, tmp_path):
    pictures = tmp_path / "pictures"
    (pictures / "more").mkdir(parents=True)
    for seed in range(3):
        Image.fromarray(render_face(seed, 256)[0]).save(pictures / "more" / f"{seed}.png")
    (pictures / "broken.png").write_bytes(b"no image")
    output = tmp_path / "out"
    command = ["export", course / "models" / "regressor.keras", "--format", "frozen-graph"]
    for _ in range(2):  # the second replaces the first
        text = run(*command, "--output", output, "--faces", pictures)
        assert "3 faces (pictures in pictures) differ from Keras by: valence_arousal" in text
        assert "broken.png can't be read" in text
        names = sorted(path.name for path in output.iterdir())
        assert names == ["regressor.frozen-graph.json", "regressor.pb"]
    manifest = json.loads((output / names[0]).read_text())
    assert list(manifest["outputs"]) == ["valence_arousal"]
    assert manifest["outputs"]["valence_arousal"]["labels"] == ["valence", "arousal"]
    assert manifest["verification"]["pictures in pictures"]["agreement"] is None
    assert open_model(output / "regressor.pb").tasks == ("regression",)


def test_damaged_and_missing_files_are_refused(exports, tmp_path):
    for name in ("onnx", "saved-model"):
        shutil.copytree(exports[name].parent, tmp_path / name)
        manifest = tmp_path / name / exports[name].name
        exported = find_model(manifest)
        file = exported.path / "saved_model.pb" if exported.path.is_dir() else exported.path
        content = file.read_bytes()
        file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        with pytest.raises(ValueError, match="is damaged or was replaced"):
            open_model(manifest)
        file.unlink()
        with pytest.raises(FileNotFoundError, match=f"expected .*{file.name} beside its card"):
            open_model(manifest)
        file.write_bytes(content)
        manifest.unlink()
        with pytest.raises(FileNotFoundError, match=rf"{manifest.name} is missing, and without"):
            open_model(exported.path)
        for text, message in (
            ("{", "is not a model card of affectkit"),
            ('{"card_version": 9}', "not a model card of affectkit of version 2"),
            ('{"card_version": 2}', "is not a model card of affectkit: it has no name"),
        ):
            manifest.write_text(text)
            with pytest.raises(ValueError, match=message):
                open_model(manifest)
    text = run("evaluate", tmp_path / "absent.onnx", "--output", tmp_path / "out", exit_code=2)
    assert "absent.onnx is missing" in text
    (tmp_path / "other.tflite").write_bytes(b"")
    with pytest.raises(FileNotFoundError, match="Name the card instead"):
        open_model(tmp_path / "other.tflite")


def test_a_manifest_must_describe_its_network(exports, tmp_path):
    shutil.copytree(exports["onnx"].parent, tmp_path / "out")
    manifest = tmp_path / "out" / exports["onnx"].name
    content = json.loads(manifest.read_text())
    content["preprocessing"]["image_size"] = 96
    manifest.write_text(json.dumps(content))
    with pytest.raises(ValueError, match="takes 32 px .*its card says 96 px"):
        open_model(manifest)


def test_networks_that_are_fed_differently_are_not_joined(course, tmp_path):
    shutil.copytree(course, tmp_path / "run")
    path = tmp_path / "run" / "models" / "regressor.keras"
    save_model(open_model(path).model, path, Preprocessing(32))
    with pytest.raises(ValueError, match="differently prepared faces"):
        open_source(tmp_path / "run")
    path.unlink()
    with pytest.raises(FileNotFoundError, match=r"has no models/regressor\.keras"):
        open_source(tmp_path / "run")


@pytest.mark.parametrize(
    ("model", "format", "message"),
    [
        ("affectkit-real-int8", "onnx", "already exported; to convert its network, name"),
        ("./resnet", "onnx", "expected a checkpoint (affectkit-real, affectkit-real-float16"),
        ("absent.keras", "onnx", "absent.keras is missing"),
    ],
)
def test_an_error_is_one_message_and_exit_code_2(tmp_path, monkeypatch, model, format, message):
    monkeypatch.chdir(tmp_path)
    text = run("export", model, "--format", format, "--output", "out", exit_code=2)
    assert "Error: " in text
    assert message in text
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--faces", "absent"], "expected a folder of pictures, absent is none"),
        (["--faces", "."], "no face was found in the 0 pictures"),
        (["--dataset", "ferplus"], "needs a root folder"),
    ],
)
def test_faces_that_are_not_there_leave_nothing(course, tmp_path, monkeypatch, more, message):
    monkeypatch.chdir(tmp_path)
    text = run("export", course, "--format", "tflite-int8", "--output", "out", *more, exit_code=2)
    assert message in text
    assert list(tmp_path.iterdir()) == []


def test_missing_packages_are_named(monkeypatch):
    check_packages("onnx")
    monkeypatch.setitem(sys.modules, "tf2onnx", None)
    check_packages("frozen-graph")
    for name in ("onnx", "onnx-int8"):
        with pytest.raises(ImportError, match=r'needs tf2onnx: pip install "affectkit\[onnx\]"'):
            check_packages(name)


@pytest.mark.slow
def test_a_shipped_mobilenet_is_converted_exactly(tmp_path):
    source = open_source("affectkit-synthetic")
    rng = np.random.default_rng(0)
    faces = rng.uniform(-1, 1, (5, *source.model.input_shape[1:])).astype(np.float32)
    convert(source.model, "onnx", tmp_path / "network.onnx")
    result = verify_export(tmp_path / "network.onnx", "onnx", source, {"noise": faces})["noise"]
    assert result["agreement"] == 1
    assert max(one["maximum_difference"] for one in result["outputs"].values()) < 1e-5
