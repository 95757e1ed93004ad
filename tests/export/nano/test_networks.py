"""Weights that two files of a bundle share: taken out here, put back on the device."""

import hashlib
import sys

import numpy as np
import pytest

from affectkit.export import read_description
from affectkit.export.nano.device.bundle import put_in_weights
from affectkit.export.nano.networks import take_out_weights
from affectkit.models import OnnxNetwork
from affectkit.preprocess import scale_pixels


@pytest.fixture(scope="module")
def onnx_files(bundle, run_script, tmp_path_factory):
    """The ONNX files that a bundle's own script puts together."""
    folder = tmp_path_factory.mktemp("onnx")
    text = run_script(sys.executable, bundle / "bundle.py", "--onnx", folder)
    for name in ("classifier.onnx", "regressor.float16.onnx"):
        assert f"wrote {folder / name}" in text
    assert f"build it: trtexec --onnx={folder / 'classifier.float16.onnx'} --stronglyT" in text
    return folder


@pytest.mark.parametrize("file", ["classifier.onnx", "classifier.float16.onnx"])
def test_onnx_is_of_opset_11_for_one_face(onnx_files, file, tensorrt_problems):
    import onnx

    model = onnx.load(onnx_files / file)
    assert tensorrt_problems(model, "10") == []
    assert tensorrt_problems(model, "8.2") == (["FLOAT16"] if "float16" in file else [])
    assert [(entry.domain, entry.version) for entry in model.opset_import if not entry.domain] == [
        ("", 11)
    ]
    (face,), (expression,) = model.graph.input, model.graph.output
    shape = [dimension.dim_value for dimension in face.type.tensor_type.shape.dim]
    assert (face.name, shape, expression.name) == ("face", [1, 32, 32, 3], "expression")


@pytest.mark.parametrize(
    ("form", "end", "size", "tolerance"),
    [("onnx", ".onnx", 4, 1e-4), ("onnx_float16", ".float16.onnx", 2, 1e-2)],
)
def test_onnx_is_put_together_from_what_the_saved_model_holds(
    bundle, onnx_files, form, end, size, tolerance
):
    description = read_description(bundle)
    for name, network in description["networks"].items():
        content = (onnx_files / f"{name}{end}").read_bytes()
        place = network[form]
        assert len(content) == place["bytes"] > size * 24_000  # after folding
        assert hashlib.sha256(content).hexdigest() == place["sha256"]
        rest = (bundle / place["rest"]).stat().st_size
        assert rest + sum(size * np.prod(one["shape"]) for one in place["weights"]) == len(content)
        assert rest < len(content) / 5
        answer = OnnxNetwork(onnx_files / f"{name}{end}")
        with np.load(bundle / "golden.npz") as golden:
            (output,) = network["outputs"]
            for face, expected in zip(golden["faces"], golden[output], strict=True):
                found = answer(scale_pixels(face[None].astype(np.float32)))[output]
                np.testing.assert_allclose(found[0], expected, rtol=0, atol=tolerance)


def test_weights_are_taken_out_and_put_back():
    import tensorflow as tf

    random = np.random.default_rng(0)
    kernel, dense, lost = (
        random.normal(size=shape).astype("<f4") for shape in ((3, 3, 8, 16), (64, 20), (512,))
    )
    with tf.Graph().as_default() as holder:
        for weight in (kernel, dense, lost, np.zeros(4, "<f4"), np.zeros(512, "<i4")):
            tf.constant(weight)
    graph = holder.as_graph_def().SerializeToString()
    turned = [kernel.transpose(3, 2, 0, 1).tobytes(), dense.T.tobytes()]
    content = b"".join([b"head", turned[1], b"more", turned[0], bytes(16), b"end"])
    rest, weights = take_out_weights(content, b"before" + graph, graph)
    assert rest == b"headmore" + bytes(16) + b"end"
    assert [(one["at"], one["shape"], one["axes"]) for one in weights] == [
        (4, [64, 20], [1, 0]),
        (4 + 5120 + 4, [3, 3, 8, 16], [3, 2, 0, 1]),
    ]
    assert put_in_weights(rest, b"before" + graph, weights) == content
    assert take_out_weights(b"none", graph, graph) == (b"none", [])
    halves = b"".join([b"head", dense.T.astype("<f2").tobytes(), b"end"])
    rest, weights = take_out_weights(halves, graph, graph, "float16")
    assert (rest, [one["at"] for one in weights]) == (b"headend", [4])
    assert put_in_weights(rest, graph, weights, "float16") == halves
