"""A network as a graph of constants that TensorFlow 1.15 to 2.7 loads and TF-TRT takes whole."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import keras

from affectkit.export.formats import freeze

INPUT = "face"
"""Name of the graphs' placeholder."""

OPSET = 11
"""Of ONNX: TensorRT 8.2 reads opsets up to 13, its predecessors on the Nano (7.1) up to 11."""

OPTIMIZERS = ("constfold", "function", "arithmetic", "dependency", "constfold")
"""The passes of Grappler, TensorFlow's graph optimizer, that fold batch normalisation."""


@contextmanager
def quiet() -> Iterator[None]:
    """Keep back what TensorFlow says of its functions for version 1: old files need them."""
    import tensorflow as tf

    logger = tf.get_logger()
    level = logger.level
    logger.setLevel("ERROR")
    try:
        yield
    finally:
        logger.setLevel(level)


@quiet()
def portable_graph(model: keras.Model) -> bytes:
    """Freeze a network for one face at a time, fold it and leave out what old TensorFlow lacks.

    A plain export of today's TensorFlow does not load in an old one (unknown op DisableCopyOnRead,
    unknown attribute debug_name). Here are constants and operations of 2019 only.

    Parameters
    ----------
    model : keras.Model
        Input (batch, size, size, 3); a dict of outputs, whose keys name the nodes.

    Returns
    -------
    bytes
        A serialised GraphDef: placeholder "face" of shape (1, size, size, 3), then the outputs.
    """
    face = keras.Input(batch_shape=(1, *model.input_shape[1:]), name=INPUT)
    return make_portable(freeze(keras.Model(face, model(face))), [INPUT, *model.output])


def make_portable(graph: bytes, kept: list[str]) -> bytes:
    """Fold a frozen graph and leave out what old TensorFlow lacks; the nodes in `kept` stay."""
    folded = _fold(_parse(graph), kept)
    _strip(folded)
    return folded.SerializeToString(deterministic=True)


def write_saved_model(graph: bytes, outputs: list[str], folder: Path) -> None:
    """Write a graph as a SavedModel of TensorFlow 1, which all versions load.

    Parameters
    ----------
    graph : bytes
        From `portable_graph`.
    outputs : list of str
        Names of its outputs; they are the keys of the signature "serving_default" too.
    folder : Path
        Must not exist.
    """
    import tensorflow as tf

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
    """Find the frozen graph inside the content of a `saved_model.pb`.

    Returns
    -------
    tuple of int
        Offset and length in bytes: the graph is read from the file without a second copy of it.

    Raises
    ------
    ValueError
        If there is none.
    """
    # field 2 of SavedModel is a MetaGraphDef, whose field 2 is the GraphDef
    offset, length = _find_field(saved_model, 2, 0, len(saved_model))
    return _find_field(saved_model, 2, offset, offset + length)


def _find_field(content: bytes, wanted: int, position: int, end: int) -> tuple[int, int]:
    """Give offset and length of a message's first field of that number (Protocol Buffers' form)."""

    def varint() -> int:
        nonlocal position
        value = shift = 0
        while True:
            byte = content[position]
            position += 1
            value |= (byte & 127) << shift
            if byte < 128:
                return value
            shift += 7

    while position < end:
        number, kind = divmod(varint(), 8)
        length = varint() if kind == 2 else 0
        if kind == 0:
            varint()
        elif kind != 2:
            break
        if number == wanted and kind == 2:
            return position, length
        position += length
    raise ValueError(f"there is no field {wanted}: this is no SavedModel")


def convert_to_tflite_float(saved_model: Path) -> bytes:
    """Convert a SavedModel of `write_saved_model` to TFLite in float32."""
    import tensorflow as tf

    return tf.lite.TFLiteConverter.from_saved_model(str(saved_model)).convert()


def convert_to_onnx(graph: bytes, outputs: list[str]) -> bytes:
    """Convert a graph to ONNX opset 11, one face at a time, channels last.

    Parameters
    ----------
    graph : bytes
        From `portable_graph`.
    outputs : list of str
        Names of its outputs.

    Returns
    -------
    bytes
        The content of an `.onnx` file; its input and outputs are named as in the graph.
    """
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


def _drop_ports(graph: object, names: dict[str, str]) -> None:
    """Rename the inputs and outputs of an ONNX graph: "face:0" becomes "face"."""
    taken = {name for node in graph.node for name in (*node.input, *node.output)}
    free = {old: new for old, new in names.items() if new not in taken}
    for value in (*graph.input, *graph.output):
        value.name = free.get(value.name, value.name)
    for node in graph.node:
        node.input[:] = [free.get(name, name) for name in node.input]
        node.output[:] = [free.get(name, name) for name in node.output]


def _parse(graph: bytes) -> object:
    import tensorflow as tf

    return tf.compat.v1.GraphDef.FromString(graph)


def _fold(graph: object, kept: list[str]) -> object:
    """Run Grappler over a GraphDef."""
    import tensorflow as tf
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
    """Delete attributes that equal their default, and hints: an old TensorFlow may not know them.

    Names of devices go too.
    """
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
