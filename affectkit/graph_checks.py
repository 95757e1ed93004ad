"""Look into TensorFlow's graphs before they are run: a network computes, and does nothing else.

A graph can also read and write files; such operations are not on the list below.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

OPERATIONS = frozenset(
    (
        *("Const", "Identity", "IdentityN", "NoOp", "Placeholder", "PlaceholderWithDefault"),
        *("VarHandleOp", "ReadVariableOp", "DisableCopyOnRead", "PartitionedCall"),
        *("StatefulPartitionedCall", "StopGradient", "Cast", "Shape", "Fill", "Reshape", "Squeeze"),
        *("ExpandDims", "Transpose", "ConcatV2", "Split", "SplitV", "Pack", "Unpack", "Slice"),
        *("StridedSlice", "Tile", "Pad", "PadV2", "MirrorPad", "Select", "SelectV2"),
        *("Conv2D", "DepthwiseConv2dNative", "BiasAdd", "MatMul", "BatchMatMulV2", "Einsum"),
        *("FusedBatchNorm", "FusedBatchNormV3", "MaxPool", "AvgPool", "SpaceToBatchND"),
        *("BatchToSpaceND", "ResizeBilinear", "ResizeNearestNeighbor", "Mean", "Max", "Min", "Sum"),
        *("Prod", "Add", "AddV2", "AddN", "Sub", "Mul", "RealDiv", "Div", "DivNoNan", "Neg"),
        *("Abs", "Maximum", "Minimum", "SquaredDifference", "Square", "Sqrt", "Rsqrt", "Pow"),
        *("Exp", "Log", "Erf", "Tanh", "Sigmoid", "Relu", "Relu6", "LeakyRelu", "Elu", "Selu"),
        *("Softplus", "Softsign", "Softmax", "LogSoftmax", "ClipByValue", "Floor", "Round"),
    )
)
"""What networks for faces are made of."""

OBJECTS = {"variable", "function", "bare_concrete_function", "constant", "user_object"}
CLASSES = {
    *("_generic_user_object", "signature_map", "trackable_list_wrapper"),
    *("trackable_dict_wrapper", "trackable_tuple_wrapper"),
}
"""Objects in a SavedModel that do nothing when they are loaded."""


def check_operations(graph: object, source: str | Path) -> None:
    """Check a GraphDef with its functions.

    Raises
    ------
    ValueError
        If an operation is not one of `OPERATIONS`.
    """
    _refuse(_operations(graph) - OPERATIONS, source)


def check_saved_model(folder: str | Path) -> None:
    """Check that loading a SavedModel only makes variables and functions.

    Raises
    ------
    ValueError
        If `saved_model.pb` is damaged, or has other objects, which could act when loaded.
    """
    from google.protobuf.message import DecodeError
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    content = SavedModel()
    try:
        content.ParseFromString((Path(folder) / "saved_model.pb").read_bytes())
    except DecodeError as error:
        raise ValueError(f"{folder} is no SavedModel with a signature ({error})") from error
    graphs = content.meta_graphs
    if len(graphs) != 1:
        raise ValueError(f"{folder} is no SavedModel with a signature")
    if not graphs[0].HasField("object_graph_def"):  # of TensorFlow 1, where all of it may be run
        check_operations(graphs[0].graph_def, folder)
    nodes = graphs[0].object_graph_def.nodes
    kinds = {node.WhichOneof("kind") or "nothing" for node in nodes}
    classes = {node.user_object.identifier for node in nodes if node.HasField("user_object")}
    _refuse((kinds - OBJECTS) | (classes - CLASSES), folder)
    if graphs[0].asset_file_def:
        _refuse({"assets"}, folder)


def _operations(graph: object) -> set[str]:
    found = {node.op for node in graph.node}
    names = {function.signature.name for function in graph.library.function}
    for function in graph.library.function:
        found |= {node.op for node in function.node_def}
    return found - names


def _refuse(found: Iterable[str], source: str | Path) -> None:
    if found:
        raise ValueError(
            f"{source} uses {', '.join(sorted(found))[:200]}, which no network for faces needs: it "
            "is damaged, or made to do other things. Export the network again"
        )
