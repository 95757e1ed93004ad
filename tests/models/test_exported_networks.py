"""Files that are no exported networks are refused with their name."""

import sys

import numpy as np
import pytest

from affectkit.models import OnnxNetwork
from affectkit.models.cards import SUFFIXES
from affectkit.models.runtimes import load_network


@pytest.mark.parametrize("content", [b"", b"no model", bytes(range(256)) * 8])
@pytest.mark.parametrize("format", SUFFIXES)
def test_what_is_no_model_is_refused(tmp_path, format, content):
    path = tmp_path / f"it{SUFFIXES[format]}"
    if format == "saved-model":
        path.mkdir()
        (path / "saved_model.pb").write_bytes(content)
    else:
        path.write_bytes(content)
    with pytest.raises(ValueError, match=r"is no |expected outputs of"):
        load_network(path, format)


def test_other_models_are_refused(tmp_path):
    import tensorflow as tf
    from onnx import TensorProto, helper, save

    value = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, 4, 4, 3]) for name in "xy"
    ]
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", value[:1], value[1:])
    opset = [helper.make_opsetid("", 13)]
    save(helper.make_model(graph, opset_imports=opset, ir_version=8), tmp_path / "it.onnx")
    with pytest.raises(ValueError, match=r"expected outputs of expression, .*it\.onnx has y"):
        OnnxNetwork(tmp_path / "it.onnx")
    with pytest.raises(ValueError, match="at least 1 thread, got 0"):
        OnnxNetwork(tmp_path / "it.onnx", 0)
    with tf.Graph().as_default() as other:
        tf.raw_ops.Relu(features=tf.compat.v1.placeholder(tf.float32, (None, 4, 4, 3)), name="y")
    (tmp_path / "it.pb").write_bytes(other.as_graph_def().SerializeToString())
    with pytest.raises(ValueError, match=r"it\.pb"):
        load_network(tmp_path / "it.pb", "frozen-graph")
    module = tf.Module()
    spec = tf.TensorSpec((None, 4, 4, 3), tf.float32, name="face")
    module.run = tf.function(lambda face: {"y": face * np.float32(2)}, input_signature=[spec])
    tf.saved_model.save(module, tmp_path / "it", signatures={"serving_default": module.run})
    with pytest.raises(ValueError, match=r"expected outputs of expression, .* has y"):
        load_network(tmp_path / "it", "saved-model")


def test_onnx_runtime_is_asked_for_where_it_is_missing(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ImportError, match=r'pip install "affectkit\[onnx\]"'):
        OnnxNetwork(tmp_path / "it.onnx")
