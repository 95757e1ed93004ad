"""Names of before `open_model`, until all rooms have moved."""

from __future__ import annotations

from pathlib import Path

from affectkit.models.cards import find_model
from affectkit.models.opening import Model, open_model

Networks = Model
find_checkpoint = read_manifest = find_model


def LoadedModel(model, preprocessing, task=None, temperature=1.0, card=None):  # noqa: N802, ANN001, ANN201
    """See `Model.of_keras`."""
    return Model.of_keras(model, preprocessing, temperature, card)


def load_model(path: str | Path) -> Model:
    """See `open_model`."""
    return open_model(path)


def load_networks(model: str | Path, threads: int = 1) -> Model:
    """See `open_model`."""
    return open_model(model, threads)


def load_any_models(name: str | Path) -> dict[str, Model]:
    """See `Model.for_task`."""
    model = open_model(name)
    return {task: model.for_task(task) for task in model.tasks}


def load_source(model: str | Path) -> Model:
    """See `open_model`."""
    return open_model(model)


load_checkpoint = load_any_models
