"""A network as a graph of constants that TensorFlow 1.15 to 2.7 loads and TF-TRT takes whole."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import keras
import tensorflow as tf
from google.protobuf.empty_pb2 import Empty
from google.protobuf.unknown_fields import UnknownFieldSet
from tensorflow.core.protobuf.meta_graph_pb2 import MetaGraphDef
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

from affectkit.export.formats import freeze
from affectkit.export.onnx_files import rename, to_float16

INPUT = "face"
"""Name of the graphs' placeholder."""

OPSET = 11
"""Of ONNX: TensorRT 8.2 reads opsets up to 13, its predecessors on the Nano (7.1) up to 11."""

OPTIMIZERS = ("constfold", "function", "arithmetic", "dependency", "constfold")
"""The passes of Grappler, TensorFlow's graph optimizer, that fold batch normalisation."""


@contextmanager
def quiet() -> Iterator[None]:
    """Keep back what TensorFlow says of its functions for version 1: old files need them."""
    logger = tf.get_logger()
    level = logger.level
    logger.setLevel("ERROR")
    try:
        yield
    finally:
        logger.setLevel(level)


@quiet()
def portable_graph(model: keras.Model) -> bytes:
    """Freeze a network for one face at a time, and make it portable: see `make_portable`.

    The placeholder "face" has shape (1, size, size, 3); the model's keys name the outputs.
    """
    face = keras.Input(batch_shape=(1, *model.input_shape[1:]), name=INPUT)
    return make_portable(freeze(keras.Model(face, model(face))), [INPUT, *model.output])


def make_portable(graph: bytes, kept: list[str]) -> bytes:
    """Fold a frozen graph and leave out what old TensorFlow lacks.

    A plain export of today's TensorFlow does not load in an old one (unknown op DisableCopyOnRead,
    unknown attribute debug_name). Here are constants and operations of 2019 only.

    Parameters
    ----------
    graph : bytes
        A serialised GraphDef of constants and operations.
    kept : list of str
        Names of the nodes that stay: input and outputs.

    Returns
    -------
    bytes
        A serialised GraphDef that TensorFlow 1.15 to 2.7 loads.
    """
    folded = _fold(_parse(graph), kept)
    _strip(folded)
    return folded.SerializeToString(deterministic=True)


def write_saved_model(graph: bytes, outputs: list[str], folder: Path) -> None:
    """Write a graph as a SavedModel of TensorFlow 1, which all versions load, into a new folder.

    The outputs' names are the keys of the signature "serving_default" too.
    """
    v1 = tf.compat.v1
    with tf.Graph().as_default() as loaded, v1.Session(graph=loaded) as session:
        tf.import_graph_def(_parse(graph), name="")

        def describe(name: str) -> object:
            return v1.saved_model.build_tensor_info(loaded.get_tensor_by_name(f"{name}:0"))

        signature = v1.saved_model.build_signature_def(
            {INPUT: describe(INPUT)},
            {name: describe(name) for name in outputs},
            v1.saved_model.signature_constants.PREDICT_METHOD_NAME,
        )
        builder = v1.saved_model.Builder(str(folder))
        builder.add_meta_graph_and_variables(
            session,
            [v1.saved_model.tag_constants.SERVING],
            {v1.saved_model.signature_constants.DEFAULT_SERVING_SIGNATURE_DEF_KEY: signature},
            strip_default_attrs=True,
        )
        builder.save()


def locate_graph(saved_model: bytes) -> tuple[int, int]:
    """Give offset and length in bytes of the frozen graph inside a `saved_model.pb`.

    So no second copy of it is needed. ValueError if there is none.
    """
    content = saved_model
    for number in SavedModel.META_GRAPHS_FIELD_NUMBER, MetaGraphDef.GRAPH_DEF_FIELD_NUMBER:
        # a message without fields of its own keeps the bytes of each as they are in the file
        fields = UnknownFieldSet(Empty.FromString(content))
        content = next((one.data for one in fields if one.field_number == number), b"")
    if not content:
        raise ValueError("there is no graph in it: this is no SavedModel")
    return saved_model.index(content), len(content)


def convert_to_tflite_float(saved_model: Path) -> bytes:
    """Convert a SavedModel of `write_saved_model` to TFLite in float32."""
    return tf.lite.TFLiteConverter.from_saved_model(str(saved_model)).convert()


def convert_to_onnx(graph: bytes, outputs: list[str]) -> bytes:
    """Convert a graph to ONNX, one face at a time, channels last, named as in the graph."""
    import onnx
    import tf2onnx

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "In the future `np.object`", FutureWarning)
        model, _ = tf2onnx.convert.from_graph_def(
            _parse(graph),
            input_names=[f"{INPUT}:0"],
            output_names=[f"{name}:0" for name in outputs],
            opset=OPSET,
        )
    _drop_ports(model.graph, {f"{name}:0": name for name in (INPUT, *outputs)})
    onnx.checker.check_model(model)
    return model.SerializeToString(deterministic=True)


def halve_onnx(content: bytes) -> bytes:
    """Give an ONNX file of `convert_to_onnx` that computes in float16."""
    import onnx

    model = onnx.load_from_string(content)
    to_float16(model.graph)
    onnx.checker.check_model(model, full_check=True)
    return model.SerializeToString(deterministic=True)


def _drop_ports(graph: object, names: dict[str, str]) -> None:
    """Rename the inputs and outputs of an ONNX graph: "face:0" becomes "face"."""
    taken = {name for node in graph.node for name in (*node.input, *node.output)}
    free = {old: new for old, new in names.items() if new not in taken}
    rename(graph, free)


def _parse(graph: bytes) -> object:
    return tf.compat.v1.GraphDef.FromString(graph)


def _fold(graph: object, kept: list[str]) -> object:
    """Run Grappler over a GraphDef."""
    from tensorflow.core.protobuf import config_pb2, rewriter_config_pb2
    from tensorflow.python.grappler import tf_optimizer

    with tf.Graph().as_default() as loaded:
        tf.import_graph_def(graph, name="")
        meta_graph = tf.compat.v1.train.export_meta_graph(graph=loaded)
    fetches = meta_graph.collection_def["train_op"].node_list.value
    fetches.extend(f"{name}:0" for name in kept)
    config = config_pb2.ConfigProto()
    options = config.graph_options.rewrite_options
    options.optimizers.extend(OPTIMIZERS)
    options.meta_optimizer_iterations = rewriter_config_pb2.RewriterConfig.ONE
    options.min_graph_nodes = -1  # small graphs too
    return tf_optimizer.OptimizeGraph(config, meta_graph, graph_id=b"face")


def _strip(graph: object) -> None:
    """Delete devices, hints and attributes that equal their default: old ones may not know them."""
    from tensorflow.python.framework import op_def_registry

    for node in graph.node:
        node.device = ""
        known = {attribute.name: attribute for attribute in op_def_registry.get(node.op).attr}
        for name in list(node.attr):
            if name not in known or _is_default(node.attr[name], known[name]):
                del node.attr[name]


def _is_default(value: object, attribute: object) -> bool:
    if not attribute.HasField("default_value"):
        return False
    pair = (value, attribute.default_value)
    return len({one.SerializeToString(deterministic=True) for one in pair}) == 1
