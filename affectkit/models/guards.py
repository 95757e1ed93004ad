"""Look into files of networks before Keras and TensorFlow do: a network computes, nothing else.

Keras' safe mode refuses code in a model. A model can still name classes that read files or fetch
them, and claim any size; a graph of TensorFlow can read and write files. What is not on the lists
below is refused.
"""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

MEMBERS = {"config.json", "metadata.json", "model.weights.h5"}
"""What a `.keras` file holds."""

LAYERS = frozenset(
    (
        *("Functional", "Sequential", "Model", "InputLayer", "__keras_tensor__", "DTypePolicy"),
        *("Dense", "Conv1D", "Conv2D", "Conv2DTranspose", "DepthwiseConv2D", "SeparableConv2D"),
        *("BatchNormalization", "LayerNormalization", "GroupNormalization", "UnitNormalization"),
        *("Activation", "ReLU", "LeakyReLU", "PReLU", "ELU", "Softmax", "Rescaling"),
        *("Normalization", "Add", "Average", "Concatenate", "Maximum", "Minimum", "Multiply"),
        *("Subtract", "Dot", "AveragePooling2D", "GlobalAveragePooling2D", "GlobalMaxPooling2D"),
        *("MaxPooling2D", "ZeroPadding2D", "Cropping2D", "UpSampling2D", "Flatten", "Reshape"),
        *("Permute", "RepeatVector", "Identity", "Dropout", "SpatialDropout2D", "GaussianNoise"),
        *("GaussianDropout", "AlphaDropout", "ActivityRegularization", "EinsumDense"),
        *("MultiHeadAttention", "Attention"),
    )
)
"""Layers, and other classes of a network's description, that only compute."""

MODULES = ("keras.initializers", "keras.regularizers", "keras.constraints", "keras.activations")
"""Modules all of whose classes only compute."""

LARGEST = 1 << 16
"""No size in a network is larger."""

NAMES = {"seed", "shared_object_id"}
"""Keys of whole numbers that are no sizes."""

MOST_LAYERS = 10_000
FREE_BYTES = 256 << 20
MOST_COMPRESSED = 100
"""Weights of more than `FREE_BYTES` are at most so many times as large as in the file."""

DAMAGED = (
    *(OSError, ValueError, TypeError, LookupError, AttributeError, RuntimeError, ArithmeticError),
    *(ImportError, AssertionError, MemoryError, zipfile.BadZipFile, zlib.error, EOFError),
    SystemError,  # of h5py, where reading fails in the middle of HDF5's own code
)
"""What h5py and Keras raise, as a spoilt file happens to meet them."""


def check_keras_file(path: str | Path) -> None:
    """Check a `.keras` file.

    Raises
    ------
    ValueError
        If it is damaged, has other members, names classes that are not listed here, or claims
        sizes that no network has.
    """
    path = Path(path)
    try:
        with zipfile.ZipFile(path) as file:
            problem = _find_in_archive(file, path.stat().st_size)
    except DAMAGED as error:
        problem = str(error)[:300]
    if problem is not None:
        raise ValueError(f"{path} can't be loaded as a Keras model ({problem}); save it again")


def check_weights_file(path: str | Path) -> None:
    """Check a `.weights.h5` file.

    Raises
    ------
    ValueError
        If it is damaged, refers to other files, or would unpack to far more than its size.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            problem = _find_in_weights(file, path.stat().st_size)
    except DAMAGED as error:
        problem = str(error)[:300]
    if problem is not None:
        raise ValueError(f"{path} is not a file of weights ({problem}); get it anew")


def _most_bytes(size: int) -> int:
    return max(FREE_BYTES, MOST_COMPRESSED * size)


def _find_in_archive(file: zipfile.ZipFile, size: int) -> str | None:
    """Say what is wrong with the members of a `.keras` file of so many bytes; None if nothing."""
    names = file.namelist()
    if set(names) != MEMBERS or len(names) != len(MEMBERS):
        return f"it holds {', '.join(names)[:80]}"
    if sum(one.file_size for one in file.infolist()) > _most_bytes(size):
        return "it would unpack to far more than a network"
    for name in ("config.json", "metadata.json"):
        if problem := _find_in_config(json.loads(file.read(name))):
            return problem
    with file.open("model.weights.h5") as member:
        return _find_in_weights(member, size)


def _find_in_config(config: object) -> str | None:
    layers = 0
    for key, value in _walk(config):
        if isinstance(value, dict) and "class_name" in value:
            layers += 1
            name, module = value["class_name"], value.get("module")
            if not all(isinstance(one, str) for one in (name, "" if module is None else module)):
                return f"it uses {str(module)[:80]}.{str(name)[:80]}"
            known = module in MODULES or name in LAYERS
            home = module is None or module == "keras" or module.startswith("keras.")
            if not (home and known) or layers > MOST_LAYERS:
                return f"it uses {str(module)[:80]}.{name[:80]}"
        if isinstance(value, (int, float)) and key not in NAMES and not abs(value) <= LARGEST:
            return f"{str(key)[:80]} is {str(value)[:80]}"
    return None


def _walk(config: object) -> Iterator[tuple[object, object]]:
    waiting = [(None, config)]
    while waiting:
        key, value = waiting.pop()
        yield key, value
        if isinstance(value, dict):
            waiting += value.items()
        elif isinstance(value, list):
            waiting += [(key, one) for one in value]


def _find_in_weights(source: BinaryIO, size: int) -> str | None:
    """Say what is wrong with an HDF5 file of weights; None if nothing."""
    import h5py

    total = 0

    def check_link(name: str, link: object) -> str | None:
        return None if isinstance(link, h5py.HardLink) else f"its {name[:80]} lies elsewhere"

    def check_object(name: str, found: object) -> str | None:
        nonlocal total
        if not isinstance(found, h5py.Dataset):
            return None
        if found.external or found.is_virtual:
            return f"its {name[:80]} lies in another file"
        if found.dtype.kind not in "biufSUO":
            return f"its {name[:80]} is no weight"
        total += (found.size or 0) * found.dtype.itemsize
        return "it would unpack to far more than its size" if total > _most_bytes(size) else None

    with h5py.File(source, "r") as file:
        # what a visitor returns ends the visit; it must not raise inside HDF5's own code
        return file.visititems_links(check_link) or file.visititems(check_object)


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
