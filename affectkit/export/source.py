"""What can be exported: a checkpoint, a model file or a course's run, as one network of Keras."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import keras

from affectkit.models.opening import Model, open_model
from affectkit.models.runtimes import OUTPUTS, KerasNetwork


def open_source(model: str | Path) -> Model:
    """Open what is to be exported.

    Parameters
    ----------
    model : str or Path
        As `affectkit.models.open_model` takes it: a checkpoint in its float32 form, such as
        "affectkit-real", a `.keras` file with its card, or the run folder of a course, whose two
        networks become one.

    Returns
    -------
    Model
        Of one network of Keras, whose `.model` gives a dict of outputs.

    Raises
    ------
    ValueError
        If it is exported already, or as `open_model`.
    FileNotFoundError
        If a file is missing, also one of a run's two networks.
    """
    source = open_model(model)
    folder = Path(model).expanduser() / "models"
    if len(source.outputs) == 1 and folder.is_dir():
        there = "regressor" if source.task == "classification" else "classifier"
        raise FileNotFoundError(
            f"expected the run folder of a course, {folder.parent} has no models/{there}.keras; "
            "name a .keras file to export one network"
        )
    network = source.model
    if not isinstance(network.output, dict):
        network = keras.Model(network.input, {OUTPUTS[source.task]: network.output})
    return replace(source, networks=(KerasNetwork(network),))
