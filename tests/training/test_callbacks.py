"""The learning-rate schedule by hand; the callbacks' work is seen in test_training.py."""

import math

import pytest

from affectkit.training.callbacks import cosine_learning_rate


def test_warm_up_then_half_a_cosine():
    rates = [cosine_learning_rate(step, 100, 1.0) for step in range(101)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[9] == rates[10] == 1.0
    assert rates[55] == pytest.approx(0.5)
    assert rates[100] == pytest.approx(0.0)
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[40] == pytest.approx((1 + math.cos(math.pi / 3)) / 2)


def test_shortest_training():
    assert cosine_learning_rate(0, 1, 0.2) == 0.2
