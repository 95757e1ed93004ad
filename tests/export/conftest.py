"""The exports of the course in `tests/conftest.py`, and what TensorRT takes."""

import json
from pathlib import Path

import pytest

from affectkit.export import export_model
from affectkit.models.cards import SUFFIXES


@pytest.fixture(scope="session")
def exports(course, tmp_path_factory):
    """The manifest of the course's networks in each format."""
    output = tmp_path_factory.mktemp("exports")
    return {name: export_model(course, name, output) for name in SUFFIXES}


@pytest.fixture(scope="session")
def tensorrt_problems():
    """Tell what in an ONNX model a version of TensorRT does not take, by NVIDIA's lists."""
    from onnx import TensorProto, numpy_helper

    listed = json.loads((Path(__file__).parent / "tensorrt.json").read_text("utf-8"))

    def find(model, version):
        known = listed[version]
        oldest, newest = known["opsets"]
        operators = set(" ".join(known["operators"]).split())
        problems = [
            f"opset {one.version}"
            for one in model.opset_import
            if not one.domain and not oldest <= one.version <= newest
        ]
        weights = {one.name: one for one in model.graph.initializer}
        types = {TensorProto.DataType.Name(one.data_type) for one in weights.values()}
        problems += sorted(types - set(known["weights"]))
        for node in model.graph.node:
            if node.domain or node.op_type not in operators:
                problems.append(f"{node.domain}{node.op_type}")
            elif node.op_type in ("QuantizeLinear", "DequantizeLinear"):
                value, *rest = (weights.get(name) for name in node.input)
                if None in rest or numpy_helper.to_array(rest[-1]).any():
                    problems.append(f"{node.op_type} with a zero point")
                elif value is not None and value.data_type != TensorProto.INT8:
                    problems.append(
                        f"{node.op_type} of {TensorProto.DataType.Name(value.data_type)}"
                    )
        return sorted(set(problems))

    return find
