"""Save and load a model together with what its users must know: preprocessing, labels, training."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path

import keras

from affectkit.files.atomic import atomic_path, left_partials, remove_partials
from affectkit.files.json_forms import write_json
from affectkit.labels import EXPRESSIONS
from affectkit.models.build import get_backbone, task_of
from affectkit.models.cards import read_card
from affectkit.models.guards import DAMAGED, check_keras_file
from affectkit.models.runtimes import OUTPUTS, check_input, check_outputs
from affectkit.preprocess import Preprocessing
from affectkit.version import __version__

CARD_VERSION = 1


@dataclass(frozen=True)
class LoadedModel:
    """A model with its preprocessing and card.

    Attributes
    ----------
    model : keras.Model
        The network, not compiled.
    preprocessing : Preprocessing
        How its input is made.
    task : str
        "classification" or "regression".
    temperature : float
        Divides the logits of a classifier when calibrated probabilities are wanted; 1 = none.
    card : dict
        Everything in the JSON file beside the model.
    """

    model: keras.Model
    preprocessing: Preprocessing
    task: str
    temperature: float = 1.0
    card: dict[str, object] = field(default_factory=dict)


def save_model(
    model: keras.Model,
    path: str | Path,
    preprocessing: Preprocessing,
    training: dict[str, object] | None = None,
    temperature: float = 1.0,
) -> Path:
    """Write a `.keras` file and beside it a `.json` card.

    A process that is killed meanwhile leaves both as they were, or what `load_model` can finish.

    Parameters
    ----------
    model : keras.Model
        Classifier or regressor; saved without optimizer state.
    path : str or Path
        Ends in `.keras`; folders are made.
    preprocessing : Preprocessing
        Written to the card.
    training : dict, optional
        JSON-able facts: data set, protocol, profile, seed, epochs.
    temperature : float
        See `LoadedModel`.

    Returns
    -------
    Path
        The `.keras` file.

    Raises
    ------
    ValueError
        If the path does not end in `.keras`.
    """
    path = Path(path)
    if path.suffix != ".keras":
        raise ValueError(f"expected a path that ends in .keras, got {path.name!r}")
    _finish_interrupted_save(path)
    remove_partials(path.parent)
    with atomic_path(path) as partial:
        model.save(partial, include_optimizer=False)
        card = {
            "card_version": CARD_VERSION,
            "affectkit": __version__,
            "task": task_of(model),
            "outputs": list(EXPRESSIONS)
            if task_of(model) == "classification"
            else ["valence", "arousal"],
            "preprocessing": preprocessing.to_dict(),
            "temperature": temperature,
            "parameters": model.count_params(),
            "features": get_backbone(model).output_shape[-1],
            "sha256": _sha256(partial),
            "training": training or {},
        }
        # the card goes first: with it, _finish_interrupted_save knows the model that belongs to it
        write_json(card, path.with_suffix(".json"))
    return path


def load_model(path: str | Path) -> LoadedModel:
    """Load a model in Keras' safe mode with its card.

    Parameters
    ----------
    path : str or Path
        A `.keras` file written by `save_model`.

    Returns
    -------
    LoadedModel
        The model and how to feed it.

    Raises
    ------
    FileNotFoundError
        If the model or its card is missing.
    ValueError
        If the file is damaged, not what its card says, or not an affectkit model.
    """
    path = Path(path)
    card_path = path.with_suffix(".json")
    _finish_interrupted_save(path)
    for file in (path, card_path):
        if not file.is_file():
            raise FileNotFoundError(
                f"expected the model {path.name} and its card {card_path.name} side by side in "
                f"{path.parent}; {file.name} is missing. Train one with `affectkit train` or name "
                "another file"
            )
    card, preprocessing, temperature = read_card(
        card_path, "a model card of affectkit", "save the model again", {"sha256": str}
    )
    if _sha256(path) != card["sha256"]:
        raise ValueError(
            f"{path} is not the file that its card describes (SHA-256 differs); it is damaged or "
            "was replaced. Copy both files again"
        )
    check_keras_file(path)
    try:
        model = keras.models.load_model(path, compile=False, safe_mode=True)
        size, task = check_input(model.input_shape, path), task_of(model)
        check_outputs({OUTPUTS[task]: model.output_shape}, path)
    except (*DAMAGED, *_tensorflow_errors()) as error:
        raise ValueError(
            f"{path} can't be loaded as a Keras model ({error}); save it again"
        ) from error
    if size != preprocessing.image_size:
        raise ValueError(f"{path} takes {size} px, its card says {preprocessing.image_size}")
    return LoadedModel(model, preprocessing, task, temperature, card)


def _tensorflow_errors() -> tuple[type[Exception], ...]:
    import tensorflow as tf

    return (tf.errors.OpError,)


def _finish_interrupted_save(path: Path) -> None:
    """Put a model in its place if the process that saved it was killed after its card was there."""
    if not (left := left_partials(path.parent, path.name)):
        return
    try:
        sha256 = json.loads(path.with_suffix(".json").read_text("utf-8"))["sha256"]
    except (OSError, KeyError, TypeError, ValueError, RecursionError):
        return
    if path.is_file() and _sha256(path) == sha256:
        return
    for partial in left:
        if _sha256(partial) == sha256:
            partial.replace(path)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
