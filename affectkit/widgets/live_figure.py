"""A figure with controls, for notebooks."""

from __future__ import annotations

import io
from collections.abc import Callable

import ipywidgets
import matplotlib.pyplot as plt


def live_figure(draw: Callable[..., object], **controls: ipywidgets.Widget) -> ipywidgets.VBox:
    """Show a matplotlib figure below controls, and draw it anew whenever one of them has moved.

    It is a picture, and no output area as `ipywidgets.interact` fills: those now and then keep
    papermill waiting for ever.

    Parameters
    ----------
    draw : callable
        Draws with pyplot; is called with the controls' values by name, and shows nothing.
    **controls : ipywidgets.Widget
        Sliders and the like, by the names of `draw`'s parameters. Give those of a slow figure
        `continuous_update=False`.

    Returns
    -------
    ipywidgets.VBox
        The controls and the figure.
    """
    picture = ipywidgets.Image(format="png")

    def redraw(_: object = None) -> None:
        draw(**{name: control.value for name, control in controls.items()})
        file = io.BytesIO()
        plt.savefig(file, format="png")
        plt.close()
        picture.value = file.getvalue()

    for control in controls.values():
        control.observe(redraw, "value")
    redraw()
    return ipywidgets.VBox([*controls.values(), picture])
