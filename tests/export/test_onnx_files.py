"""ONNX files: what computes in float16, what in integers, and what TensorRT makes of them."""

import numpy as np
import onnx
import onnxruntime
import pytest
from ai_edge_litert.interpreter import Interpreter
from onnx import TensorProto, helper, numpy_helper

from affectkit.data import load_faces, load_table
from affectkit.export import drawn_faces, export_model
from affectkit.export.onnx_files import to_float16
from affectkit.models import find_model, open_model
from affectkit.preprocess import scale_pixels

FORMS = ("onnx", "onnx-float16", "onnx-int8")


def graph_of(operator, weight):
    """A graph of one operation, which takes x and a weight and gives y."""
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [2]) for name in "xy"]
    weights = [numpy_helper.from_array(np.float32(weight), "weight")]
    node = helper.make_node(operator, ["x", "weight"], ["y"])
    return helper.make_graph([node], "it", values[:1], values[1:], weights)


def model_of(graph, opset=13):
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


@pytest.fixture(scope="module")
def models(exports):
    return {form: onnx.load(find_model(exports[form]).path) for form in FORMS}


def kinds(model):
    return {TensorProto.DataType.Name(one.data_type) for one in model.graph.initializer}


def test_half_precision_rounds_weights_and_products():
    """2049 lies between 2048 and 2050, the float16 beside it; a third is 0.33325195 in float16."""
    graph = graph_of("Mul", 2049.0)
    to_float16(graph)
    session = onnxruntime.InferenceSession(model_of(graph).SerializeToString())
    (answer,) = session.run(None, {"x": np.float32([1.0, 1 / 3])})
    assert answer.dtype == np.float32
    assert answer[0] == 2048
    np.testing.assert_allclose(answer[1], 2048 * 0.33325195, atol=0.5)  # steps of 0.5 there
    assert abs(answer[1] - 2049 / 3) > 0.2


def test_float16_holds_from_the_third_convolution_on(models):
    graph = models["onnx-float16"].graph
    weights = {one.name: one.data_type for one in graph.initializer}
    convolutions = [
        {weights[name] for name in node.input[1:]} for node in graph.node if node.op_type == "Conv"
    ]
    assert convolutions == [{TensorProto.FLOAT}] * 2 + [{TensorProto.FLOAT16}] * 4
    assert [node.op_type for node in graph.node].count("Cast") == 3  # one in, two answers out
    assert kinds(models["onnx"]) - {"INT64"} == {"FLOAT"}


def test_int8_has_the_weights_and_scales_of_tflite_with_zero_points_of_0(exports, models):
    interpreter = Interpreter(str(find_model(exports["tflite-int8"]).path))
    interpreter.allocate_tensors()
    graph, ranges, filters = models["onnx-int8"].graph, set(), 0
    weights = {one.name: numpy_helper.to_array(one) for one in graph.initializer}
    held = [np.sort(one, axis=None) for one in weights.values() if one.dtype == np.int8]
    for detail in interpreter.get_tensor_details():
        scales = detail["quantization_parameters"]["scales"]
        if detail["dtype"] == np.int8 and len(scales) == 1:
            (zero,) = detail["quantization_parameters"]["zero_points"]
            ranges.add(max(128 + zero, 127 - zero) * scales[0] / 127)
        if detail["dtype"] == np.int8 and len(scales) > 1:
            values = np.sort(interpreter.get_tensor(detail["index"]), axis=None)
            filters += any(np.array_equal(values, one) for one in held)
    assert filters >= 6  # three convolutions, and three of a channel each
    nodes = [node for node in graph.node if node.op_type == "QuantizeLinear"]
    assert len(nodes) >= 7  # the face, what each convolution gives, and their mean
    for node in nodes:
        scale, zero = (weights[name] for name in node.input[1:])
        assert zero == 0
        assert min(abs(scale - one) / one for one in ranges) < 1e-5


def test_probabilities_are_not_rounded_to_integers(exports):
    model = open_model(exports["onnx-int8"])
    answers = model(drawn_faces(model.preprocessing, 16))
    for values in answers.values():
        assert len(np.unique(values)) > 0.9 * values.size


def test_tensorrt_takes_the_forms_that_are_for_it(models, tensorrt_problems):
    assert tensorrt_problems(models["onnx"], "8.2") == []
    for model in models.values():
        assert tensorrt_problems(model, "10") == []
    assert tensorrt_problems(models["onnx-float16"], "8.2") == ["FLOAT16"]
    assert tensorrt_problems(models["onnx-int8"], "8.2") == ["INT8"]


def test_what_tensorrt_does_not_take_is_found(tensorrt_problems):
    model = model_of(graph_of("Mod", 2.0), 17)
    assert tensorrt_problems(model, "8.2") == ["Mod", "opset 17"]
    assert tensorrt_problems(model, "10") == []
    graph = graph_of("QuantizeLinear", 0.5)
    graph.initializer.append(numpy_helper.from_array(np.int8(-128), "zero"))
    graph.node[0].input.append("zero")
    assert tensorrt_problems(model_of(graph), "10") == ["QuantizeLinear with a zero point"]


@pytest.fixture(scope="module")
def real_exports(tmp_path_factory):
    """The manifests of affectkit-real; int8 from the file that ships with it."""
    output = tmp_path_factory.mktemp("real")
    return {form: export_model("affectkit-real", form, output) for form in FORMS}


@pytest.mark.slow
def test_forms_of_affectkit_real_are_what_their_manifests_say(real_exports, tensorrt_problems):
    for form, manifest in real_exports.items():
        exported = find_model(manifest)
        model = onnx.load(exported.path)
        assert tensorrt_problems(model, "10") == []
        assert (tensorrt_problems(model, "8.2") == []) == (form == "onnx")
    assert exported.card["calibration"] == {"file": "affectkit-real.int8.tflite"}
    assert exported.path.stat().st_size < 3_000_000


@pytest.mark.slow
@pytest.mark.needs_shared
def test_forms_of_affectkit_real_agree_on_photographs(real_exports, shared):
    source = open_model("affectkit-real")
    table = load_table("ferplus", shared / "data" / "ferplus", "test", limit=500)
    faces = scale_pixels(load_faces(table, source.preprocessing)[0].astype(np.float32))
    expected = source(faces)
    firsts = expected["expression"].argmax(axis=1)
    for form, least, tolerance in zip(FORMS, (1, 0.99, 0.98), (1e-4, 1e-2, 0.4), strict=True):
        found = open_model(real_exports[form])(faces)
        assert (found["expression"].argmax(axis=1) == firsts).mean() >= least
        for output, answers in expected.items():
            np.testing.assert_allclose(found[output], answers, atol=tolerance)
