"""Convert a network to each format that `affectkit export` writes."""

from __future__ import annotations

import importlib.util
import tempfile
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from affectkit.export.onnx_files import write_float16, write_float32, write_int8
from affectkit.export.weight_rounding import round_weights
from affectkit.models.cards import KINDS, LABELS

ONNX_PACKAGES = ("onnx", "onnxruntime", "tf2onnx")


def check_packages(format: str) -> None:
    """Raise ImportError if a package that the format needs is not installed."""
    missing = [name for name in ONNX_PACKAGES if importlib.util.find_spec(name) is None]
    if format.startswith("onnx") and missing:
        raise ImportError(
            f"exporting to ONNX needs {', '.join(missing)}: "
            'pip install "affectkit[onnx]" (or choose another format)'
        )


def convert(
    model: keras.Model,
    format: str,
    path: Path,
    calibration_faces: np.ndarray | None = None,
    tflite: Path | None = None,
) -> None:
    """Write a network with a dict of outputs, whose keys name the file's, in a format.

    TFLite takes one face at a time, the others any number. For int8, faces are needed as in
    `convert_to_tflite`; onnx-int8 takes an int8 file `tflite` of the network instead.
    """
    if format == "saved-model":
        _write_saved_model(model, path)
    elif format == "frozen-graph":
        path.write_bytes(freeze(model))
    elif format == "onnx":
        write_float32(model, path)
    elif format == "onnx-float16":
        write_float16(model, path)
    elif format == "onnx-int8" and tflite is not None:
        write_int8(tflite, tflite_tensor_names(tflite), path)
    elif format == "onnx-int8":
        with tempfile.TemporaryDirectory() as folder:
            tflite = Path(folder) / "network.tflite"
            convert(model, "tflite-int8", tflite, calibration_faces)
            convert(model, format, path, tflite=tflite)
    else:
        kind = format.removeprefix("tflite-")
        path.write_bytes(convert_to_tflite(model, kind, calibration_faces))


def freeze(model: keras.Model) -> bytes:
    """Turn a network into a graph whose weights are constants.

    Parameters
    ----------
    model : keras.Model
        Input float32 (batch, size, size, 3); a dict of outputs.

    Returns
    -------
    bytes
        A serialised GraphDef: placeholder "face", and nodes named as the model's outputs.
    """
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    frozen = convert_variables_to_constants_v2(_trace(model).get_concrete_function())
    return frozen.graph.as_graph_def().SerializeToString(deterministic=True)


def _trace(model: keras.Model) -> Callable[[tf.Tensor], dict[str, tf.Tensor]]:
    """Make a function of TensorFlow whose argument is "face" and whose results are named."""

    def answer(face: tf.Tensor) -> dict[str, tf.Tensor]:
        answers = model(face, training=False)
        return {name: tf.identity(one, name=name) for name, one in answers.items()}

    spec = tf.TensorSpec(model.input_shape, tf.float32, name="face")
    return tf.function(answer, input_signature=[spec])


def _write_saved_model(model: keras.Model, path: Path) -> None:
    """Write a SavedModel; Keras' own export stores every weight twice."""
    module = tf.Module()
    module.weights = [variable.value for variable in model.variables]
    module.answer = _trace(model)
    tf.saved_model.save(module, str(path), signatures={"serving_default": module.answer})


def convert_to_tflite(
    model: keras.Model, kind: str, calibration_faces: np.ndarray | None = None
) -> bytes:
    """Convert a Keras model to TFLite.

    Parameters
    ----------
    model : keras.Model
        Input float32 (batch, size, size, 3), RGB, -1..1; one output or a dict of outputs.
    kind : {"float16", "int8"}
        "float16" stores half-precision weights, about half the size; "int8" computes in integers,
        with a scale for each channel of the weights, about a quarter of the size. What rounding
        shifts is corrected first: `affectkit.export.weight_rounding`.
    calibration_faces : numpy.ndarray, optional
        float32, shape (n, size, size, 3), as the model takes them; needed for int8: the ranges of
        all activations are measured on them. Some hundred of the real kind are enough.

    Returns
    -------
    bytes
        The content of a `.tflite` file; input and outputs stay float32, a batch is one face.

    Raises
    ------
    ValueError
        If the kind is unknown, or int8 is asked for without faces.
    """
    if kind not in KINDS:
        raise ValueError(f"expected a kind of {', '.join(KINDS)}, got {kind!r}")
    if kind == "int8":
        if calibration_faces is None or not len(calibration_faces):
            raise ValueError(
                "int8 needs calibration_faces: some hundred faces as the model takes them"
            )
        model = round_weights(model, calibration_faces)
    signature = [keras.InputSpec(shape=(1, *model.input_shape[1:]), dtype="float32", name="face")]
    with tempfile.TemporaryDirectory() as folder:
        model.export(folder, format="tf_saved_model", input_signature=signature, verbose=False)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if kind == "float16":
            converter.target_spec.supported_types = [tf.float16]
        else:
            converter.representative_dataset = lambda: (
                [face[None].astype(np.float32)] for face in calibration_faces
            )
            converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        return converter.convert()


def describe_tensors(
    model: keras.Model, format: str, path: Path, batch: int | None = None
) -> dict[str, dict[str, object]]:
    """Give name, shape (None: any number of faces) and dtype of input and outputs, for a manifest.

    TFLite and SavedModel have the keys "face", "expression" and "valence_arousal" in their
    signature "serving_default" besides.
    """
    names = {name: name for name in ("face", *model.output)}
    if format == "frozen-graph":
        names = {name: f"{name}:0" for name in names}
    elif format.startswith("tflite"):
        names, batch = tflite_tensor_names(path), 1
    face = {
        "name": names["face"],
        "shape": [batch, *model.input_shape[1:]],
        "dtype": "float32",
    }
    outputs = {
        name: {
            "name": names[name],
            "shape": [batch, int(one.shape[-1])],
            "dtype": "float32",
            "labels": LABELS[name],
        }
        for name, one in model.output.items()
    }
    return {"input": face, "outputs": outputs}


def tflite_tensor_names(path: Path) -> dict[str, str]:
    """Give the name of the tensor behind each name of a TFLite file's signature."""
    from ai_edge_litert.interpreter import Interpreter

    runner = Interpreter(str(path)).get_signature_runner("serving_default")
    details = runner.get_input_details() | runner.get_output_details()
    return {name: detail["name"] for name, detail in details.items()}
