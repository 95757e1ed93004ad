"""The networks of a Nano's bundle: each in three forms, compared with Keras."""

from __future__ import annotations

import hashlib
import tempfile
from collections import Counter
from pathlib import Path

import keras
import numpy as np

from affectkit.export import LABELS
from affectkit.export_check import EXACT, check_comparison, compare_networks
from affectkit.exported_networks import OnnxNetwork, SavedModelNetwork
from affectkit.nano.bundle import put_in_weights
from affectkit.nano_graph import (
    INPUT,
    convert_to_onnx,
    convert_to_tflite_float,
    locate_graph,
    portable_graph,
    quiet,
    write_saved_model,
)
from affectkit.nano_weights import take_out_weights
from affectkit.networks import KerasNetwork, LiteRTNetwork, Network

NAMES = {"expression": "classifier", "valence_arousal": "regressor"}
"""What a network with one output is called."""


def split_networks(model: keras.Model) -> dict[str, keras.Model]:
    """Give the networks that are converted each by itself.

    Parameters
    ----------
    model : keras.Model
        With a dict of outputs.

    Returns
    -------
    dict of str to keras.Model
        One network "affect" if both outputs share the backbone, since that is one engine; else
        "classifier" and "regressor", or the one of them that there is.
    """
    parts = {
        NAMES[name]: keras.Model(model.input, {name: one}) for name, one in model.output.items()
    }
    apart = sum(part.count_params() for part in parts.values()) == model.count_params()
    return parts if apart else {"affect": model}


@quiet()
def write_network(
    model: keras.Model, name: str, folder: Path, faces: np.ndarray
) -> tuple[dict[str, object], dict[str, dict]]:
    """Write a network in every form, and compare each with Keras.

    The weights of the ONNX file are left out: they are the SavedModel's. What is compared is the
    file that the device puts together again.

    Parameters
    ----------
    model : keras.Model
        With a dict of outputs.
    name : str
        Names files and folder.
    folder : Path
        The bundle.
    faces : numpy.ndarray
        float32, shape (n, size, size, 3), RGB, -1..1.

    Returns
    -------
    tuple of dict
        What bundle.json says of it, and `affectkit.export_check.compare_networks` by form.

    Raises
    ------
    ValueError
        If a form is not what it was made from.
    """
    graph, outputs = portable_graph(model), list(model.output)
    paths = {
        "saved_model": f"{name}/saved_model",
        "tflite": f"{name}/{name}.tflite",
    }
    for path in paths.values():
        (folder / path).parent.mkdir(exist_ok=True)
    write_saved_model(graph, outputs, folder / paths["saved_model"])
    tflite = convert_to_tflite_float(folder / paths["saved_model"])
    (folder / paths["tflite"]).write_bytes(tflite)
    file = f"{paths['saved_model']}/saved_model.pb"
    onnx, place = _write_onnx(convert_to_onnx(graph, outputs), graph, name, folder, file)
    original = KerasNetwork(model)
    written = {
        "saved_model": OneByOne(SavedModelNetwork(folder / paths["saved_model"])),
        "tflite": LiteRTNetwork(tflite),
        "onnx": OneByOne(onnx),
    }
    verification = {}
    for form, network in written.items():
        verification[form] = compare_networks(network, original, faces)
        check_comparison(verification[form], EXACT, f"{name} as {form}")
    return paths | {"onnx": place} | _describe(graph, model, folder, paths), verification


class OneByOne:
    """A network that takes one face at a time, for those who give it several."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self.image_size, self.outputs = network.image_size, network.outputs

    def __call__(self, faces: np.ndarray) -> dict[str, np.ndarray]:
        """Answer for faces; see `affectkit.networks.Network`."""
        answers = [self._network(face[None]) for face in faces]
        return {name: np.concatenate([one[name] for one in answers]) for name in self.outputs}


def _write_onnx(
    content: bytes, graph: bytes, name: str, folder: Path, file: str
) -> tuple[OnnxNetwork, dict[str, object]]:
    """Write what remains of an ONNX file without the weights in `file`.

    Returns
    -------
    tuple of OnnxNetwork and dict
        The network as the device puts it together, and how it does so, for bundle.json.
    """
    saved_model = (folder / file).read_bytes()
    rest, weights = take_out_weights(content, saved_model, graph)
    path = folder / "trtexec" / f"{name}.onnx.rest"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(rest)
    with tempfile.TemporaryDirectory() as temporary:
        whole = Path(temporary) / f"{name}.onnx"
        whole.write_bytes(put_in_weights(rest, saved_model, weights))
        network = OnnxNetwork(whole)
    return network, {
        "rest": path.relative_to(folder).as_posix(),
        "weights_in": file,
        "weights": weights,
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
    }


def _describe(
    graph: bytes, model: keras.Model, folder: Path, paths: dict[str, str]
) -> dict[str, object]:
    import tensorflow as tf
    from ai_edge_litert.interpreter import Interpreter

    nodes = tf.compat.v1.GraphDef.FromString(graph).node
    file = f"{paths['saved_model']}/saved_model.pb"
    content = (folder / file).read_bytes()
    offset, length = locate_graph(content)
    runner = Interpreter(str(folder / paths["tflite"])).get_signature_runner("serving_default")
    details = runner.get_input_details() | runner.get_output_details()
    return {
        "input": {
            "name": INPUT,
            "tensor": f"{INPUT}:0",
            "shape": [1, *model.input_shape[1:]],
            "dtype": "float32",
        },
        "outputs": {
            name: {
                "tensor": f"{name}:0",
                "shape": [1, int(one.shape[-1])],
                "dtype": "float32",
                "labels": LABELS[name],
            }
            for name, one in model.output.items()
        },
        "tflite_tensors": {name: detail["name"] for name, detail in details.items()},
        "frozen_graph": {
            "file": file,
            "offset": offset,
            "bytes": length,
            "sha256": hashlib.sha256(content[offset : offset + length]).hexdigest(),
        },
        "nodes": len(nodes),
        "operations": dict(Counter(node.op for node in nodes)),
        "parameters": model.count_params(),
    }
