"""The two networks: a MobileNetV2 classifier, and the regressor made from its features."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np

from affectkit.backbone import BACKBONE, build_backbone
from affectkit.labels import NUM_EXPRESSIONS


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
        `affectkit.pretraining`); from ImageNet (Keras downloads the file once); or from a
        `.weights.h5` file of `keras.applications.MobileNetV2(include_top=False)` of this alpha.
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
    if not 0 <= dropout < 1:
        raise ValueError(f"expected a dropout of 0 up to (not including) 1, got {dropout}")
    backbone = build_backbone(image_size, alpha, weights, batch_norm_momentum)
    inputs = keras.Input((image_size, image_size, 3), name="face")
    features = keras.layers.Dropout(dropout, name="dropout")(backbone(inputs))
    head = keras.layers.Dense(
        NUM_EXPRESSIONS, activation="softmax", dtype="float32", name="expression"
    )
    return keras.Model(inputs, head(features), name="affect_classifier")


def build_regressor(classifier: keras.Model) -> keras.Model:
    """Make the valence/arousal regressor from a trained classifier's features.

    The dropout and the softmax head are dropped and a 2-unit tanh head is attached to a copy of
    the backbone, so training the regressor leaves the classifier as it is. It never stands on the
    softmax: eight probabilities that sum to one have thrown away what tells a faint smile from a
    broad one.

    Parameters
    ----------
    classifier : keras.Model
        From `build_classifier`.

    Returns
    -------
    keras.Model
        Input as the classifier's. Output "valence_arousal" float32 (batch, 2) in [-1, 1].

    Raises
    ------
    ValueError
        If the model has no layer named "backbone".
    """
    original = get_backbone(classifier)
    backbone = keras.models.clone_model(original)
    backbone.set_weights(original.get_weights())
    inputs = keras.Input(classifier.input_shape[1:], name="face")
    head = keras.layers.Dense(2, activation="tanh", dtype="float32", name="valence_arousal")
    return keras.Model(inputs, head(backbone(inputs)), name="affect_regressor")


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
    """Tell a model's task by its output: "classification" (8 units) or "regression" (2 units).

    Raises
    ------
    ValueError
        If the output has another shape.
    """
    units = model.output_shape[-1]
    tasks = {NUM_EXPRESSIONS: "classification", 2: "regression"}
    if units not in tasks:
        raise ValueError(
            f"expected a model with 8 (expressions) or 2 (valence, arousal) outputs, got {units}"
        )
    return tasks[units]
