"""What is drawn into frames."""

import time

import numpy as np
import pytest

from affectkit.labels import EXPRESSION_COLOURS, EXPRESSIONS
from affectkit.pipeline import FaceAffect, draw_faces
from affectkit.pipeline.drawing import describe_face


def make_face(box=(200.0, 100.0, 120.0, 120.0), expression="Happy"):
    probabilities = dict.fromkeys(EXPRESSIONS, 0.05) | {expression: 0.65}
    return FaceAffect(box, 0.9, expression, probabilities, 0.5, -0.25)


def colour_bgr(name):
    text = EXPRESSION_COLOURS[name]
    return [int(text[start : start + 2], 16) for start in (5, 3, 1)]


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_the_box_has_the_colour_of_the_expression(expression):
    frame = np.zeros((360, 640, 3), np.uint8)
    assert draw_faces(frame, [make_face(expression=expression)]) is frame
    for x, y in ((200, 160), (320, 160), (260, 220)):  # left, right, lower edge
        assert frame[y, x].tolist() == colour_bgr(expression)
    assert not frame[150:200, 220:300].any()  # the face itself is left alone
    label = frame[70:99, 200:260].reshape(-1, 3).tolist()
    assert colour_bgr(expression) in label
    written = {"black": [0, 0, 0] in label, "white": [255, 255, 255] in label}
    dark = ("Sad", "Fear", "Anger", "Contempt")  # at least 4.5 to 1, by WCAG 2
    assert written == {"black": expression not in dark, "white": expression in dark}


def test_stage_times_are_written_at_the_lower_left():
    frame = np.full((360, 640, 3), 9, np.uint8)
    draw_faces(frame, [], {"detect": 1.5, "end to end": 4.0})
    assert (frame[:330] == 9).all()
    assert (frame[345:, :100] == 255).any()


def test_labels_stay_inside_frames_of_any_size():
    for height, width in ((24, 32), (360, 640), (2000, 1500)):
        for box in ((-50, -50, 4000, 4000), (width - 5, height - 5, 50, 50), (0, 0, 9, 9)):
            frame = np.zeros((height, width, 3), np.uint8)
            draw_faces(frame, [make_face(box)], {"detect": 1.0})
            assert frame.any()


def test_faces_of_a_regressor_or_classifier_alone_are_described():
    nothing = FaceAffect((0, 0, 9, 9), 1.0, None, {}, 0.1, -1.0)
    assert describe_face(nothing) == ["V +0.10 A -1.00"]
    torn = FaceAffect((0, 0, 9, 9), 1.0, "Sad", {"Sad": 0.41, "Fear": 0.2}, None, None)
    assert describe_face(torn) == ["Sad? 41 %"]
    only = FaceAffect((0, 0, 9, 9), 1.0, "Sad", {"Sad": 0.996}, None, None, track=0)
    assert describe_face(only) == ["0 Sad 100 %"]
    assert draw_faces(np.zeros((90, 90, 3), np.uint8), [nothing, only]).any()


def test_drawing_a_face_takes_less_than_0_3_milliseconds():
    frame = np.zeros((360, 640, 3), np.uint8)
    costs = []
    for _ in range(100):
        start = time.perf_counter()
        draw_faces(frame, [make_face()], dict.fromkeys("abcdefghijk", 1.0))
        costs.append(time.perf_counter() - start)
    assert np.median(costs) < 0.3e-3
