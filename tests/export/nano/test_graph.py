"""Graphs that old TensorFlow loads and TensorRT takes."""

import sys

import pytest

from affectkit.export import read_description
from affectkit.export.nano.graph import locate_graph


def test_graphs_hold_only_what_tensorrt_takes(bundle):
    for network in read_description(bundle)["networks"].values():
        operations = network["operations"]
        assert operations["Relu6"] == operations["Conv2D"] == 3
        assert operations["DepthwiseConv2dNative"] == 3
        assert not operations.keys() & {"VarHandleOp", "ReadVariableOp", "DisableCopyOnRead"}
        assert not operations.keys() & {"ArgMax", "Cast", "ResizeBilinear", "FusedBatchNormV3"}
        assert sum(operations.values()) == network["nodes"]


def test_the_frozen_graph_lies_in_the_saved_model(bundle, run_script, tmp_path):
    import tensorflow as tf

    for name, network in read_description(bundle)["networks"].items():
        place = network["frozen_graph"]
        content = (bundle / place["file"]).read_bytes()
        assert locate_graph(content) == (place["offset"], place["bytes"])
        run_script(sys.executable, bundle / "bundle.py", "--frozen-graphs", tmp_path)
        graph = tf.compat.v1.GraphDef.FromString((tmp_path / f"{name}.pb").read_bytes())
        message = tf.compat.v1.GraphDef.FromString(
            content[place["offset"] : place["offset"] + place["bytes"]]
        )
        assert graph == message
        assert len(graph.node) == network["nodes"]
        assert {node.device for node in graph.node} == {""}


def test_locate_graph_refuses_what_is_no_saved_model():
    with pytest.raises(ValueError, match="no SavedModel"):
        locate_graph(b"\x08\x01")
