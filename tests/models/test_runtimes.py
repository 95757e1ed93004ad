"""Networks as the pipeline runs them."""

import sys

import numpy as np

from affectkit.models import LiteRTNetwork, find_model


def test_a_profiler_that_keeps_every_frame_does_not_stop_a_network():
    """Dask samples what its threads do, and LiteRT counts who refers to its insides."""
    path = find_model("affectkit-synthetic-int8").path
    frames = []
    sys.setprofile(lambda frame, event, argument: frames.append(frame))
    try:
        network = LiteRTNetwork(path)
    finally:
        sys.setprofile(None)
    assert any(frame.f_code.co_name == "get_signature_runner" for frame in frames)
    answers = network(np.zeros((2, network.image_size, network.image_size, 3), np.float32))
    assert {name: answer.shape for name, answer in answers.items()} == {
        "expression": (2, 8),
        "valence_arousal": (2, 2),
    }
