"""TFLite: the converted networks answer like the Keras ones."""

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from affectkit.export import convert_to_tflite, open_source
from affectkit.faces import render_face
from affectkit.models import LiteRTNetwork
from affectkit.models.cards import KINDS


@pytest.fixture(scope="module")
def faces():
    pictures = np.stack([render_face(seed, 32)[0] for seed in range(16)])
    return pictures.astype(np.float32) / 127.5 - 1


@pytest.fixture(scope="module")
def model(course):
    """One network with both outputs."""
    return open_source(course).model


@pytest.fixture(scope="module")
def contents(model, faces):
    """The network in each form."""
    return {kind: convert_to_tflite(model, kind, faces) for kind in KINDS}


@pytest.mark.parametrize(("kind", "tolerance"), [("float16", 5e-3), ("int8", 0.1)])
def test_converted_networks_answer_like_keras(model, contents, faces, kind, tolerance):
    expected = model.predict(faces, verbose=0)
    network = LiteRTNetwork(contents[kind])
    assert (network.image_size, network.outputs) == (32, {"expression": 8, "valence_arousal": 2})
    found, mirrored = network(faces), network(faces[:, :, ::-1])
    for output, answers in expected.items():
        np.testing.assert_allclose(found[output], answers, atol=tolerance)
        # a mirrored face is another input, and gets another answer
        assert np.abs(found[output] - mirrored[output]).max() > 1e-4


def test_int8_is_smaller_and_computes_in_integers(contents):
    assert len(contents["int8"]) < 0.8 * len(contents["float16"])
    interpreter = Interpreter(model_content=contents["int8"])
    interpreter.allocate_tensors()
    types = [detail["dtype"] for detail in interpreter.get_tensor_details()]
    assert sum(kind == np.int8 for kind in types) > 15
    assert sum(kind == np.float32 for kind in types) <= 5  # input and outputs only


def test_impossible_requests(model):
    with pytest.raises(ValueError, match="expected a kind of float16, int8, got 'int4'"):
        convert_to_tflite(model, "int4")
    with pytest.raises(ValueError, match="int8 needs calibration_faces"):
        convert_to_tflite(model, "int8")
    with pytest.raises(ValueError, match="no TFLite model"):
        LiteRTNetwork(b"nothing of the kind")
