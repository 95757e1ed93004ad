"""A figure follows its controls, and leaves nothing open."""

import cv2
import ipywidgets
import matplotlib.pyplot as plt
import numpy as np

from affectkit.widgets import live_figure


def test_the_figure_follows_the_slider():
    seen = []

    def draw(size):
        seen.append(size)
        plt.figure(figsize=(size, 1), dpi=50)

    box = live_figure(draw, size=ipywidgets.IntSlider(2, 1, 4))
    slider, picture = box.children

    def width():
        return cv2.imdecode(np.frombuffer(picture.value, np.uint8), cv2.IMREAD_COLOR).shape[1]

    assert width() == 100
    slider.value = 3
    assert width() == 150
    assert seen == [2, 3]
    assert plt.get_fignums() == []
