"""The comparison of networks with those of other packages, on the same crops."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from affectkit.pipeline.detect.blazeface import BlazeFace
from affectkit.pipeline.detect.face import EYE_DISTANCE, EYE_HEIGHT

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "compare_peers.py"


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("compare_peers", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_scores_by_hand(script):
    true = np.array([0, 0, 0, 1, 7])
    answers = np.eye(8)[[0, 0, 1, 1, 7]]
    answers[3] = np.eye(8)[7] + 0.5 * np.eye(8)[1]  # without Contempt it is Happy
    found = script.score(answers, true)
    assert found["accuracy"] == pytest.approx(3 / 5)
    assert found["accuracy_seven"] == pytest.approx(3 / 4)
    assert found["balanced_seven"] == pytest.approx((2 / 3 + 1) / 2)


def test_answers_of_peers_are_put_into_our_order(script):
    assert {name for names in script.PEERS.values() for name in names} == {
        "Neutral", "Happy", "Sad", "Surprise", "Fear", "Disgust", "Anger",
    }  # fmt: skip
    assert all(len(names) == script.SEVEN for names in script.PEERS.values())


@pytest.mark.needs_shared
def test_portraits_are_cut_as_fer2013_cuts(script, shared):
    yunet = shared / "models/face_detection_yunet_2026may.onnx"
    faces, true = script.read_london(shared / "data/london_faces", yunet)
    assert faces.shape == (40, 200, 200, 3)
    assert np.bincount(true).tolist() == [20, 20]
    eyes = np.array([BlazeFace()(face)[0].eyes for face in faces]) / 200
    assert np.median(eyes[:, 2] - eyes[:, 0]) == pytest.approx(EYE_DISTANCE, abs=0.03)
    assert np.median(eyes[:, 1]) == pytest.approx(EYE_HEIGHT, abs=0.04)


@pytest.mark.needs_shared
def test_a_checkpoint_is_asked_as_the_pipeline_asks_it(script, shared):
    from affectkit import AffectPipeline
    from affectkit.pipeline import Face

    yunet = shared / "models/face_detection_yunet_2026may.onnx"
    faces = script.read_london(shared / "data/london_faces", yunet)[0][:4]
    whole = AffectPipeline(detector=lambda image: [Face((0, 0, 200, 200), 1.0, (0, 0, 0, 0))])
    asked = script.ask_checkpoint("affectkit-real-int8", faces, None)
    answered = [whole(face)[0].expression for face in faces]
    from affectkit.labels import EXPRESSIONS

    assert [EXPRESSIONS[row.argmax()] for row in asked] == answered
