"""The two networks: a MobileNetV2 classifier, and the regressor made from its features.

The weights that they start from are checked before they are loaded.
"""

from __future__ import annotations

import os
import warnings
from pathlib import Path

import keras
import numpy as np

from affectkit.files.hashes import file_hash
from affectkit.labels import NUM_EXPRESSIONS
from affectkit.models.guards import DAMAGED, check_weights_file

BACKBONE = "backbone"
"""Name of the layer that turns faces into features in both networks."""

BUNDLED_ALPHA = 0.35
BUNDLED_WEIGHTS = Path(__file__).parents[1] / "assets" / "affectfaces_backbone.weights.h5"
"""The bundled start, and the width that it is for. Made by `affectkit train start`."""

ALPHAS = (0.35, 0.5, 0.75, 1.0, 1.3, 1.4)
"""Width multipliers for which Keras has ImageNet weights."""


def build_classifier(
    image_size: int = 96,
    alpha: float = 0.35,
    dropout: float = 0.2,
    weights: str | Path | None = None,
    batch_norm_momentum: float = 0.9,
) -> keras.Model:
    """Build MobileNetV2 with global average pooling, dropout and an 8-way softmax.

    Parameters
    ----------
    image_size : int
        Side of the square input in pixels.
    alpha : float
        Width multiplier of MobileNetV2 (Sandler et al., 2018, arXiv:1801.04381).
    dropout : float
        Share of the features dropped while training, 0..1 (excluding 1).
    weights : None, "affectfaces", "imagenet" or path
        Start from random weights; from the bundled backbone (alpha 0.35 only, see
        `affectkit.training.recipes.start`); from ImageNet (Keras downloads the file once); or from
        a `.weights.h5` file of `keras.applications.MobileNetV2(include_top=False)` of this alpha.
    batch_norm_momentum : float
        Of the moving statistics. Keras' own .999 needs thousands of steps to settle: in short
        runs from scratch the model then fails at test time only.

    Returns
    -------
    keras.Model
        Input float32 (batch, image_size, image_size, 3), RGB, -1..1. Output "expression" float32
        (batch, 8): probabilities in the order of `affectkit.labels.EXPRESSIONS`.

    Raises
    ------
    ValueError
        If the settings are out of range, or the weights can't be had or do not fit.
    """
    _check_dropout(dropout)
    backbone = build_backbone(image_size, alpha, weights, batch_norm_momentum)
    inputs = keras.Input((image_size, image_size, 3), name="face")
    features = keras.layers.Dropout(dropout, name="dropout")(backbone(inputs))
    head = keras.layers.Dense(
        NUM_EXPRESSIONS, activation="softmax", dtype="float32", name="expression"
    )
    return keras.Model(inputs, head(features), name="affect_classifier")


def build_regressor(classifier: keras.Model, dropout: float = 0.0) -> keras.Model:
    """Make the valence/arousal regressor from a trained classifier's features.

    The dropout and the softmax head are dropped and a 2-unit tanh head is attached to a copy of
    the backbone, so training the regressor leaves the classifier as it is. It never stands on the
    softmax: on eight probabilities it learns more slowly, as notebook 03 measures.

    Parameters
    ----------
    classifier : keras.Model
        From `build_classifier`; one that was not trained gives a regressor that starts without.
    dropout : float
        Share of the features dropped while training, 0..1 (excluding 1).

    Returns
    -------
    keras.Model
        Input as the classifier's. Output "valence_arousal" float32 (batch, 2) in [-1, 1].

    Raises
    ------
    ValueError
        If the model has no layer named "backbone", or the dropout is out of range.
    """
    _check_dropout(dropout)
    original = get_backbone(classifier)
    backbone = keras.models.clone_model(original)
    backbone.set_weights(original.get_weights())
    inputs = keras.Input(classifier.input_shape[1:], name="face")
    head = keras.layers.Dense(2, activation="tanh", dtype="float32", name="valence_arousal")
    features = backbone(inputs)
    if dropout:
        features = keras.layers.Dropout(dropout, name="dropout")(features)
    return keras.Model(inputs, head(features), name="affect_regressor")


def join_models(classifier: keras.Model, regressor: keras.Model) -> keras.Model:
    """Put both networks into one model with two outputs; equal backbones become one.

    Parameters
    ----------
    classifier, regressor : keras.Model
        From `build_classifier` and `build_regressor`.

    Returns
    -------
    keras.Model
        Input as the networks'. Outputs "expression" float32 (batch, 8) and "valence_arousal"
        float32 (batch, 2), as a dict.

    Raises
    ------
    ValueError
        If the two take inputs of different size.
    """
    if classifier.input_shape != regressor.input_shape:
        raise ValueError(
            f"expected two networks of one input size, got {classifier.input_shape[1]} and "
            f"{regressor.input_shape[1]} px"
        )
    inputs = keras.Input(classifier.input_shape[1:], name="face")
    features = get_backbone(classifier)(inputs)
    expression = classifier.get_layer("expression")(features)
    own = get_backbone(regressor)
    if not have_equal_weights(get_backbone(classifier), own):
        copy = keras.models.clone_model(own)
        copy.name = f"regressor_{BACKBONE}"
        copy.set_weights(own.get_weights())
        features = copy(inputs)
    outputs = {
        "expression": expression,
        "valence_arousal": regressor.get_layer("valence_arousal")(features),
    }
    return keras.Model(inputs, outputs, name="affect_networks")


def have_equal_weights(first: keras.Model, second: keras.Model) -> bool:
    """Tell whether two networks have the same shapes and the very same weights."""
    pairs = zip(first.get_weights(), second.get_weights(), strict=False)
    same_number = len(first.weights) == len(second.weights)
    return same_number and all(np.array_equal(one, other) for one, other in pairs)


def get_backbone(model: keras.Model) -> keras.Model:
    """Give the layer that computes the features.

    Parameters
    ----------
    model : keras.Model
        A classifier or regressor of `affectkit.models`.

    Returns
    -------
    keras.Model
        The layer, itself a model.

    Raises
    ------
    ValueError
        If the model has no such layer.
    """
    names = [layer.name for layer in model.layers]
    if BACKBONE not in names:
        raise ValueError(
            f"expected a model of affectkit with a layer named {BACKBONE!r}, got the layers {names}"
        )
    return model.get_layer(BACKBONE)


def task_of(model: keras.Model) -> str:
    """Tell a model's task by its output: "classification" (8 units) or "regression" (2 units)."""
    shape = model.output_shape
    for units, task in ((NUM_EXPRESSIONS, "classification"), (2, "regression")):
        if isinstance(shape, tuple) and shape[1:] == (units,):
            return task
    raise ValueError(
        f"expected a model with 8 (expressions) or 2 (valence, arousal) outputs, got {shape}"
    )


def build_backbone(
    image_size: int, alpha: float, weights: str | Path | None, batch_norm_momentum: float
) -> keras.Model:
    """Build MobileNetV2 without its top, pooled to (batch, features); see `build_classifier`."""
    if image_size < 32:
        raise ValueError(f"MobileNetV2 needs an image_size of at least 32 pixels, got {image_size}")
    file = None if weights in (None, "", "imagenet") else Path(weights)
    if weights == "affectfaces":
        if alpha != BUNDLED_ALPHA:
            raise ValueError(
                f"the bundled weights 'affectfaces' are of alpha {BUNDLED_ALPHA}, got {alpha}; use "
                "that alpha, or weights=None, 'imagenet' or a file"
            )
        file = BUNDLED_WEIGHTS
    if weights == "imagenet" and alpha not in ALPHAS:
        raise ValueError(f"ImageNet weights exist for alpha {ALPHAS}, not for {alpha}")
    if file is not None and (not file.is_file() or file.suffix == ".keras"):
        found = "a whole model" if file.is_file() else "not a file"
        raise ValueError(
            f"weights {str(file)!r} is {found}; pass None, 'affectfaces', 'imagenet' or a "
            ".weights.h5 file of MobileNetV2(include_top=False)"
        )
    if file is not None:
        check_weights_file(file)
    if weights == "affectfaces":
        _check_bundled(file)
    if weights == "imagenet":
        _remove_broken_downloads()
    try:
        backbone = keras.applications.MobileNetV2(
            input_shape=(image_size, image_size, 3),
            alpha=alpha,
            include_top=False,
            pooling="avg",
            weights="imagenet" if weights == "imagenet" else None,
            name=BACKBONE,
        )
    except Exception as error:  # Keras raises a bare Exception when a download fails
        if weights != "imagenet":
            raise
        raise ValueError(
            "the ImageNet weights could not be downloaded (are you offline?). Use weights=None to "
            "start from scratch, or weights=PATH with a .weights.h5 file that you fetched before. "
            f"The cause: {error}"
        ) from error
    if file is not None:
        try:
            with warnings.catch_warnings():
                # of containers without weights, one for each list inside the model
                warnings.filterwarnings("ignore", "Skipping nested container")
                backbone.load_weights(file)
        except DAMAGED as error:
            raise ValueError(
                f"the weights in {str(file)!r} do not fit MobileNetV2 with alpha {alpha} without "
                f"its top; use the file made for this alpha. The cause: {error}"
            ) from error
    for layer in backbone.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = batch_norm_momentum
    return backbone


def _check_dropout(dropout: float) -> None:
    if not 0 <= dropout < 1:
        raise ValueError(f"expected a dropout of 0 up to (not including) 1, got {dropout}")


def _check_bundled(file: Path) -> None:
    expected = file.with_name(file.name.replace(".weights.h5", ".sha256")).read_text("utf-8")
    if file_hash(file) not in expected:
        raise ValueError(f"{file} is damaged (SHA-256 differs): reinstall affectkit")


def _remove_broken_downloads() -> None:
    """Remove ImageNet weights that a killed download left half done; Keras takes them for whole."""
    import h5py  # which Keras reads them with

    home = os.environ.get("KERAS_HOME") or Path.home() / ".keras"
    for path in (Path(home) / "models").glob("mobilenet_v2_weights_*_no_top.h5"):
        try:
            h5py.File(path).close()
        except OSError:
            path.unlink(missing_ok=True)
