"""The networks of a Nano's bundle: each in four forms, compared with Keras.

The ONNX files are written without the weights that the SavedModel of the same network holds
already.
"""

from __future__ import annotations

import hashlib
import itertools
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from affectkit.export.check import TOLERANCES, check_comparison, compare_networks
from affectkit.export.formats import describe_tensors, tflite_tensor_names
from affectkit.export.nano.device.bundle import SUFFIXES, TYPES, put_in_weights
from affectkit.export.nano.graph import (
    convert_to_onnx,
    convert_to_tflite_float,
    halve_onnx,
    locate_graph,
    portable_graph,
    quiet,
    write_saved_model,
)
from affectkit.models.runtimes import (
    KerasNetwork,
    LiteRTNetwork,
    Network,
    OnnxNetwork,
    SavedModelNetwork,
)

NAMES = {"expression": "classifier", "valence_arousal": "regressor"}
"""What a network with one output is called."""

LEAST_BYTES = 1024
"""Smaller weights, in float32, stay in the ONNX files."""


def split_networks(model: keras.Model) -> dict[str, keras.Model]:
    """Give the networks that are converted each by itself.

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
    """Write a network in every form into a bundle, and compare each with Keras on faces.

    Gives what bundle.json says of it, and the comparison by form; ValueError if one is off. Of ONNX
    what is compared is the file that the device puts together again.
    """
    graph, outputs = portable_graph(model), list(model.output)
    paths = {"saved_model": f"{name}/saved_model", "tflite": f"{name}/{name}.tflite"}
    saved_model, tflite = (folder / path for path in paths.values())
    saved_model.parent.mkdir()
    write_saved_model(graph, outputs, saved_model)
    tflite.write_bytes(convert_to_tflite_float(saved_model))
    file = f"{paths['saved_model']}/saved_model.pb"
    written = {
        "saved_model": OneByOne(SavedModelNetwork(saved_model)),
        "tflite": LiteRTNetwork(tflite),
    }
    content, places = convert_to_onnx(graph, outputs), {}
    for form, one in (("onnx", content), ("onnx_float16", halve_onnx(content))):
        network, places[form] = _write_onnx(one, form, graph, name, folder, file)
        written[form] = OneByOne(network)
    original, verification = KerasNetwork(model), {}
    for form, network in written.items():
        verification[form] = compare_networks(network, original, faces)
        tolerance = TOLERANCES["onnx-float16" if form == "onnx_float16" else "onnx"]
        check_comparison(verification[form], tolerance, f"{name} as {form}")
    described = {
        **places,
        **describe_tensors(model, "frozen-graph", saved_model, batch=1),
        "tflite_tensors": tflite_tensor_names(tflite),
        **_describe_graph(graph, folder, file),
        "parameters": model.count_params(),
    }
    return paths | described, verification


class OneByOne:
    """A network that takes one face at a time, for those who give it several."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self.image_size, self.outputs = network.image_size, network.outputs

    def __call__(self, faces: np.ndarray) -> dict[str, np.ndarray]:
        """Answer for faces; see `affectkit.models.runtimes.Network`."""
        answers = [self._network(face[None]) for face in faces]
        return {name: np.concatenate([one[name] for one in answers]) for name in self.outputs}


def _describe_graph(graph: bytes, folder: Path, file: str) -> dict[str, object]:
    nodes = tf.compat.v1.GraphDef.FromString(graph).node
    content = (folder / file).read_bytes()
    offset, length = locate_graph(content)
    return {
        "frozen_graph": {
            "file": file,
            "offset": offset,
            "bytes": length,
            "sha256": hashlib.sha256(content[offset : offset + length]).hexdigest(),
        },
        "nodes": len(nodes),
        "operations": dict(Counter(node.op for node in nodes)),
    }


def _write_onnx(
    content: bytes, form: str, graph: bytes, name: str, folder: Path, file: str
) -> tuple[OnnxNetwork, dict[str, object]]:
    """Write what remains of an ONNX file without the weights in a SavedModel's `file`.

    Gives the network as the device puts it together, and how it does so, for bundle.json.
    """
    saved_model = (folder / file).read_bytes()
    kind = "float16" if form == "onnx_float16" else "float32"
    rest, weights = take_out_weights(content, saved_model, graph, kind)
    name += SUFFIXES[form]
    path = folder / "trtexec" / f"{name}.rest"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(rest)
    with tempfile.TemporaryDirectory() as temporary:
        whole = Path(temporary) / name
        whole.write_bytes(put_in_weights(rest, saved_model, weights, kind))
        network = OnnxNetwork(whole)
    return network, {
        "rest": path.relative_to(folder).as_posix(),
        "weights_in": file,
        "weights": weights,
        "type": kind,
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
    }


def take_out_weights(
    content: bytes, saved_model: bytes, graph: bytes, kind: str = "float32"
) -> tuple[bytes, list[dict[str, object]]]:
    """Take out of a file the weights in a SavedModel's graph; `put_in_weights` puts them back.

    They must be little-endian, uncompressed, and here rounded to `kind`; the axes may have another
    order. Gives the rest of the file, and where each weight belongs: see `put_in_weights`.
    """
    found = {}
    for weight, start in _weights(saved_model, graph):
        for axes in itertools.permutations(range(weight.ndim)):
            at = content.find(weight.transpose(axes).astype(TYPES[kind]).tobytes())
            if at >= 0:
                found[at] = {
                    "at": at,
                    "from": start,
                    "shape": list(weight.shape),
                    "axes": list(axes),
                }
                break
    rest, taken, end = [], [], 0
    for at, one in sorted(found.items()):
        if at < end:  # inside another one
            continue
        rest.append(content[end:at])
        taken.append(one)
        end = at + np.dtype(TYPES[kind]).itemsize * int(np.prod(one["shape"]))
    rest.append(content[end:])
    return b"".join(rest), taken


def _weights(saved_model: bytes, graph: bytes) -> Iterator[tuple[np.ndarray, int]]:
    """Give the constants of a graph, and where in the file they lie as they are in memory."""
    for node in tf.compat.v1.GraphDef.FromString(graph).node:
        if node.op != "Const" or node.attr["dtype"].type != tf.float32.as_datatype_enum:
            continue
        raw = node.attr["value"].tensor.tensor_content
        if len(raw) < LEAST_BYTES:
            continue
        start = saved_model.find(raw)
        if start >= 0:
            yield tf.make_ndarray(node.attr["value"].tensor), start
