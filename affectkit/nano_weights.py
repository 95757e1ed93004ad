"""Take out of a file the weights that a SavedModel of the same network holds already."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np

LEAST_BYTES = 1024
"""Smaller tensors stay where they are."""


def take_out_weights(
    content: bytes, saved_model: bytes, graph: bytes
) -> tuple[bytes, list[dict[str, object]]]:
    """Take the weights out of a file; `affectkit.nano.bundle.put_in_weights` puts them back.

    Other formats keep the very same numbers, but some of them with the axes in another order.

    Parameters
    ----------
    content : bytes
        The file, of any format that keeps weights as little-endian float32, uncompressed.
    saved_model : bytes
        The content of a `saved_model.pb`.
    graph : bytes
        The GraphDef in it.

    Returns
    -------
    tuple of bytes and list of dict
        The file without the weights, and where each of them belongs, in the order of the file:
        "at", its place in the file; "from", its place in `saved_model`; "shape", of float32 there;
        and "axes", their order in the file. Weights that are not found in both stay in the file.
    """
    found = {}
    for weight, start in _weights(saved_model, graph):
        for axes in itertools.permutations(range(weight.ndim)):
            at = content.find(weight.transpose(axes).tobytes())
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
        end = at + 4 * int(np.prod(one["shape"]))
    rest.append(content[end:])
    return b"".join(rest), taken


def _weights(saved_model: bytes, graph: bytes) -> Iterator[tuple[np.ndarray, int]]:
    """Give the constants of a graph, and where in the file they lie as they are in memory."""
    import tensorflow as tf

    for node in tf.compat.v1.GraphDef.FromString(graph).node:
        if node.op != "Const" or node.attr["dtype"].type != tf.float32.as_datatype_enum:
            continue
        raw = node.attr["value"].tensor.tensor_content
        if len(raw) < LEAST_BYTES:
            continue
        start = saved_model.find(raw)
        if start >= 0:
            yield tf.make_ndarray(node.attr["value"].tensor), start
