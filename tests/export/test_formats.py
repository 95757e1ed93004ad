"""TFLite: the converted networks answer like the Keras ones."""

import keras
import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from affectkit.export import convert_to_tflite
from affectkit.models import (
    LiteRTNetwork,
    build_classifier,
    build_regressor,
    get_backbone,
    join_models,
)
from affectkit.models.cards import KINDS


@pytest.fixture(scope="module")
def networks():
    """Two networks of one backbone, with heads that tell faces apart."""
    keras.utils.set_random_seed(4)
    classifier = build_classifier(64, 0.35, weights="affectfaces")
    return classifier, build_regressor(classifier)


@pytest.fixture(scope="module")
def faces():
    from affectkit.faces import render_face

    pictures = np.stack([render_face(seed, 64)[0] for seed in range(16)])
    return pictures.astype(np.float32) / 127.5 - 1


@pytest.fixture(scope="module")
def contents(networks, faces):
    """Both networks joined, in each form."""
    joined = join_models(*networks)
    return {kind: convert_to_tflite(joined, kind, faces) for kind in KINDS}


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "tolerance"), [("float16", 2e-3), ("int8", 0.06)])
def test_converted_networks_answer_like_keras(networks, contents, faces, kind, tolerance):
    expected = join_models(*networks).predict(faces, verbose=0)
    network = LiteRTNetwork(contents[kind])
    assert (network.image_size, network.outputs) == (64, {"expression": 8, "valence_arousal": 2})
    found, mirrored = network(faces), network(faces[:, :, ::-1])
    for output, answers in expected.items():
        np.testing.assert_allclose(found[output], answers, atol=tolerance)
        # a mirrored face is another input, and gets another answer
        assert np.abs(found[output] - mirrored[output]).max() > 1e-4


@pytest.mark.slow
def test_int8_is_smaller_and_computes_in_integers(contents):
    assert len(contents["int8"]) < 0.8 * len(contents["float16"])
    interpreter = Interpreter(model_content=contents["int8"])
    interpreter.allocate_tensors()
    types = [detail["dtype"] for detail in interpreter.get_tensor_details()]
    assert sum(kind == np.int8 for kind in types) > 100
    assert sum(kind == np.float32 for kind in types) <= 5  # input and outputs only


def test_impossible_requests(networks):
    with pytest.raises(ValueError, match="expected a kind of float16, int8, got 'int4'"):
        convert_to_tflite(networks[0], "int4")
    with pytest.raises(ValueError, match="int8 needs calibration_faces"):
        convert_to_tflite(networks[0], "int8")
    with pytest.raises(ValueError, match="no TFLite model"):
        LiteRTNetwork(b"nothing of the kind")


def test_equal_backbones_become_one_and_others_stay_two(networks, faces):
    classifier, regressor = networks
    shared = join_models(classifier, regressor)
    assert shared.count_params() < 1.1 * classifier.count_params()
    other = build_regressor(classifier)
    backbone = get_backbone(other)
    backbone.set_weights([weight * 1.01 for weight in backbone.get_weights()])
    both = join_models(classifier, other)
    assert both.count_params() > 1.9 * classifier.count_params()
    for joined, second in ((shared, regressor), (both, other)):
        answers = joined(faces, training=False)
        np.testing.assert_allclose(answers["expression"], classifier(faces), atol=1e-5)
        np.testing.assert_allclose(answers["valence_arousal"], second(faces), atol=1e-5)
    with pytest.raises(ValueError, match="one input size, got 64 and 32 px"):
        join_models(classifier, build_regressor(build_classifier(32)))
