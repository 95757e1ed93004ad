"""Save networks of Keras with their cards, and load them from files that were checked."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import keras

from affectkit.files.atomic import atomic_path, left_partials
from affectkit.files.hashes import describe_files
from affectkit.models.build import build_classifier, build_regressor, join_models, task_of
from affectkit.models.cards import Architecture, ModelFile, find_model, make_card, write_card
from affectkit.models.guards import DAMAGED, check_keras_file, check_weights_file
from affectkit.models.runtimes import OUTPUTS, check_input, check_outputs
from affectkit.preprocess import Preprocessing


def save_model(
    model: keras.Model,
    path: str | Path,
    preprocessing: Preprocessing,
    training: dict[str, object] | None = None,
    temperature: float = 1.0,
) -> Path:
    """Write a `.keras` file and beside it a `.json` card.

    A process that is killed meanwhile leaves both as they were, or what `open_model` can finish.

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
        Divides the logits of a classifier when calibrated probabilities are wanted; 1 = none.

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
    card_path = path.with_suffix(".json")
    _finish_earlier_save(path, card_path)
    with atomic_path(path) as partial:
        model.save(partial, include_optimizer=False)
        (entry,) = describe_files(partial, path.parent)
        card = make_card(
            path.stem,
            {"keras": [entry | {"name": path.name}]},
            {OUTPUTS[task_of(model)]: {}},
            preprocessing,
            temperature,
            parameters=model.count_params(),
            training=training or {},
        )
        # the card goes first: with it, the next to open the model knows the file that belongs to it
        write_card(card, card_path)
    return path


def _finish_earlier_save(path: Path, card: Path) -> None:
    """Finish a save of this file that was killed; then remove what such saves have left of it."""
    left = [*left_partials(path.parent, path.name), *left_partials(path.parent, card.name)]
    if left and card.is_file():
        with suppress(OSError, ValueError):  # what can't be finished is about to be replaced
            find_model(path)
    for partial in left:
        partial.unlink(missing_ok=True)


def load_keras_file(file: ModelFile) -> keras.Model:
    """Load a `.keras` file in Keras' safe mode.

    Raises
    ------
    ValueError
        If it is damaged, or no network of a face.
    """
    import tensorflow as tf

    path = file.path
    check_keras_file(path)
    try:
        model = keras.models.load_model(path, compile=False, safe_mode=True)
        shapes, task = (model.input_shape, model.output_shape), task_of(model)
    except (*DAMAGED, tf.errors.OpError) as error:
        raise ValueError(
            f"{path} can't be loaded as a Keras model ({str(error)[:300]}); save it again"
        ) from error
    check_input(shapes[0], path)
    check_outputs({OUTPUTS[task]: shapes[1]}, path)
    return model


def load_weights(file: ModelFile) -> keras.Model:
    """Build the network of a checkpoint's card and load its weights: both outputs, as a dict."""
    check_weights_file(file.path)
    joined = _build(file.card["architecture"])
    try:
        joined.load_weights(file.path)
    except DAMAGED as error:
        raise ValueError(f"{file.path} does not fit its card ({error}); get both anew") from error
    return joined


def _build(architecture: Architecture) -> keras.Model:
    """Build the joined network of a card, with weights that are about to be overwritten."""
    classifier = build_classifier(architecture["image_size"], architecture["alpha"])
    regressor = build_regressor(classifier)
    if not architecture["shared_backbone"]:  # make them differ, so that both are kept
        backbone = regressor.get_layer("backbone")
        backbone.set_weights([weight + 1 for weight in backbone.get_weights()])
    return join_models(classifier, regressor)
