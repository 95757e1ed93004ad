"""ONNX files for TensorRT and others: in float32, typed in float16, with the nodes of int8."""

from __future__ import annotations

import warnings
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

import keras
import numpy as np

if TYPE_CHECKING:
    import onnx

OPSET = 13
"""Of 2020, so that old runtimes read the file too; the first that has a scale for each channel."""

QUANTIZED = {"Conv", "Gemm"}
"""What takes integers; to round what goes into others, such as Softmax, would gain nothing."""

MOVING = {"QuantizeLinear", "DequantizeLinear", "Transpose", "Squeeze", "Reshape"}
"""What does not calculate."""


def write_float32(model: keras.Model, path: Path) -> None:
    """Write a network as it is."""
    import onnx

    signature = [keras.InputSpec(shape=model.input_shape, dtype="float32", name="face")]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "In the future `np.object`", FutureWarning)
        model.export(path, "onnx", False, signature, opset_version=OPSET)
    _save(onnx.load(path), path)


def write_float16(model: keras.Model, path: Path) -> None:
    """Write a network in float16 (see `to_float16`), normalisation folded: less is rounded so."""
    import onnx
    import onnxruntime

    write_float32(model, path)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(path)
    onnxruntime.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"])
    network = onnx.load(path)
    _replace(network.opset_import, [one for one in network.opset_import if not one.domain])
    to_float16(network.graph)
    _save(network, path)


def write_int8(tflite: Path, names: dict[str, str], path: Path) -> None:
    """Write the network of an int8 TFLite file with QuantizeLinear and DequantizeLinear nodes.

    `names` tells the tensor behind each name. As TensorRT demands, zero points are 0, so that what
    is never negative has half of the steps, and biases are float32.
    """
    import tf2onnx

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*tf.lite.Interpreter is deprecated", UserWarning)
        network, _ = tf2onnx.convert.from_tflite(str(tflite), opset=OPSET)
    rename(network.graph, {tensor: name for name, tensor in names.items()})
    _make_symmetric(network.graph)
    _save(network, path)


def to_float16(graph: onnx.GraphProto) -> None:
    """Make weights and activations of a float32 graph float16, from its third convolution on.

    Input and outputs stay float32. Of MobileNetV2's weights it is the first depthwise ones whose
    rounding shifts answers most; they are few, and stay, too.
    """
    from onnx import TensorProto, helper, numpy_helper

    convolutions = [at for at, node in enumerate(graph.node) if node.op_type == "Conv"]
    begin = convolutions[2] if len(convolutions) > 2 else 0
    first, rest = graph.node[:begin], graph.node[begin:]
    float32 = {one.name for one in graph.input} | {name for node in first for name in node.output}
    weights = {one.name: one for one in graph.initializer if one.data_type == TensorProto.FLOAT}
    halves = {name: f"{name}_float16" for name in (*float32, *weights)}
    halves |= {one.name: f"{one.name}_float16" for one in graph.output}
    crossing = sorted(float32 & {name for node in rest for name in node.input})
    rest = _renamed(rest, halves)
    casts = [(name, halves[name], TensorProto.FLOAT16) for name in crossing]
    casts += [(halves[one.name], one.name, TensorProto.FLOAT) for one in graph.output]
    casts = [helper.make_node("Cast", [old], [new], to=kind) for old, new, kind in casts]
    nodes = [*first, *casts[: len(crossing)], *rest, *casts[len(crossing) :]]
    used = {name for node in nodes for name in node.input}
    rounded = [
        numpy_helper.from_array(numpy_helper.to_array(one).astype(np.float16), halves[name])
        for name, one in weights.items()
    ]
    _replace(graph.initializer, [one for one in (*graph.initializer, *rounded) if one.name in used])
    _replace(graph.node, nodes)
    del graph.value_info[:]  # says float32


def rename(graph: onnx.GraphProto, names: dict[str, str]) -> None:
    """Rename tensors, inputs and outputs too."""
    for value in (*graph.input, *graph.output):
        value.name = names.get(value.name, value.name)
    _replace(graph.node, _renamed(graph.node, names))


def _renamed(nodes: list[onnx.NodeProto], names: dict[str, str]) -> list[onnx.NodeProto]:
    nodes = list(nodes)
    for node in nodes:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
    return nodes


def _replace(field: object, values: list[object]) -> None:
    """Put messages into a repeated field in the place of those that are there."""
    copies = [type(value).FromString(value.SerializeToString()) for value in values]
    del field[:]
    field.extend(copies)


def _make_symmetric(graph: onnx.GraphProto) -> None:
    """Set zero points to 0, with wider steps; leave out what is rounded for no QUANTIZED node."""
    from onnx import numpy_helper

    users = defaultdict(list)
    for node in graph.node:
        for name in node.input:
            users[name].append(node)

    def takers(name: str) -> set[str]:
        found = [takers(one.output[0]) if one.op_type in MOVING else {one.op_type}
                 for one in users[name]]  # fmt: skip
        return set().union(*found)

    held = {one.name: numpy_helper.to_array(one) for one in graph.initializer}
    nodes, left = [], {}
    for node in graph.node:
        node.input[:] = [left.get(name, name) for name in node.input]
        if node.op_type in ("QuantizeLinear", "DequantizeLinear"):
            value, scale, zero = (held.get(name) for name in node.input)
            if value is None and not takers(node.output[0]) & QUANTIZED:
                left[node.output[0]] = node.input[0]
                continue
            if value is None:
                name = f"{node.input[1]}_{zero}"
                held[name] = np.float32(scale * (127.5 + abs(zero + 0.5)) / 127)
                held["zero"] = np.int8(0)
                node.input[1:] = [name, "zero"]
            elif value.dtype == np.int32:
                held[node.output[0]] = np.float32(value * scale)
                continue
        nodes.append(node)
    used = sorted({name for node in nodes for name in node.input} & set(held))
    _replace(graph.initializer, [numpy_helper.from_array(held[name], name) for name in used])
    _replace(graph.node, nodes)
    rename(graph, {left[one.name]: one.name for one in graph.output if one.name in left})
    del graph.value_info[:]


def _save(network: onnx.ModelProto, path: Path) -> None:
    """Write a network for any number of faces, once it is known to be correct ONNX."""
    import onnx

    for tensor in (*network.graph.input, *network.graph.output):
        tensor.type.tensor_type.shape.dim[0].dim_param = "batch"
    onnx.checker.check_model(network, full_check=True)
    onnx.save(network, path)
