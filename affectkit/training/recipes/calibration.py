"""The last step of a checkpoint's classifier: shift its head's biases, fit its temperature.

Everything here is fitted on held-out faces, given as their table and what `load_faces` read.
"""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pandas as pd

from affectkit.evaluation.metrics.calibration import (
    fit_corrected_temperature,
    fit_temperature,
    negative_log_likelihoods,
)
from affectkit.models.inference import predict_faces
from affectkit.models.keras_models import save_model
from affectkit.models.opening import Model, open_model
from affectkit.models.temperature import apply_temperature
from affectkit.preprocess import Preprocessing

HeldOut = tuple[pd.DataFrame, np.ndarray]
"""A table of n rows with an expression each, and their faces: uint8, (n, size, size, 3), RGB."""


def save_calibrated(
    model: keras.Model,
    preprocessing: Preprocessing,
    held_out: HeldOut,
    facts: dict[str, object],
    path: Path,
) -> Model:
    """Save a classifier with the temperature that suits held-out faces, and load it again.

    Parameters
    ----------
    model : keras.Model
        Input float32, shape (batch, size, size, 3), RGB, -1..1; output 8 probabilities.
    preprocessing : Preprocessing
        How its input is made.
    held_out : tuple of DataFrame and ndarray
        See `HeldOut`.
    facts : dict
        About the training, for its card; JSON-able.
    path : Path
        Of the `.keras` file; its card is written beside it.

    Returns
    -------
    Model
        The saved classifier.

    Raises
    ------
    ValueError
        If there is no held-out face.
    """
    loaded = Model.of_keras(model, preprocessing)
    temperature = fit_temperature(_labels(held_out), predict_faces(loaded, *held_out))
    save_model(model, path, preprocessing, facts, temperature)
    return open_model(path)


def held_out_loss(path: Path, held_out: HeldOut) -> float:
    """Give a saved classifier's mean NLL on held-out faces, calibrated by its temperature.

    In nats, 0 or more; ln 8 = 2.08 is what equal probabilities give.
    """
    loaded = open_model(path)
    probabilities = apply_temperature(predict_faces(loaded, *held_out), loaded.temperature)
    return float(negative_log_likelihoods(_labels(held_out), probabilities).mean())


def favour_rare(
    classifier: Model, held_out: HeldOut, frequencies: np.ndarray, path: Path
) -> Model:
    """Shift a classifier's head towards rare expressions; see `affectkit.training.recipes.calibration`.

    Parameters
    ----------
    classifier : Model
        Changed in place.
    held_out : tuple of DataFrame and ndarray
        Strength and temperature are fitted on these.
    frequencies : numpy.ndarray
        Shape (8,), of the expressions in training, from `class_frequencies`.
    path : Path
        Where the result is saved; its card tells the strength as "favoured_rare".

    Returns
    -------
    Model
        The saved classifier.
    """
    calibrated = apply_temperature(predict_faces(classifier, *held_out), classifier.temperature)
    strength = choose_strength(_labels(held_out), np.log(calibrated), frequencies)
    shift_head(classifier.model, -strength * classifier.temperature * np.log(frequencies))
    facts = classifier.training | {"favoured_rare": strength}
    return save_calibrated(classifier.model, classifier.preprocessing, held_out, facts, path)


def correct_biases(classifier: Model, held_out: HeldOut, path: Path) -> Model:
    """Shift a classifier's head so that its expressions are as frequent as in held-out faces.

    A network that learned with class weights, or from faces where expressions have other shares,
    says some of them too often and others too seldom, which no temperature mends.

    Parameters
    ----------
    classifier : Model
        Changed in place.
    held_out : tuple of DataFrame and ndarray
        Biases and temperature are fitted on these.
    path : Path
        Where the result is saved; its card tells what was added to the calibrated logits as
        "corrected_biases".

    Returns
    -------
    Model
        The saved classifier.

    Raises
    ------
    ValueError
        If an expression has no held-out face.
    """
    temperature, biases = fit_corrected_temperature(
        _labels(held_out), predict_faces(classifier, *held_out)
    )
    shift_head(classifier.model, temperature * biases)
    facts = classifier.training | {"corrected_biases": biases.round(4).tolist()}
    return save_calibrated(classifier.model, classifier.preprocessing, held_out, facts, path)


def _labels(held_out: HeldOut) -> np.ndarray:
    return held_out[0]["expression"].to_numpy(int)


# FOLD affectkit.class_priors: """Let rare expressions speak up: shift a trained classifier's logits by how rare each class is.
#
# A network that learned from FER+, where Neutral is 70 times as frequent as Contempt, says Contempt
# too seldom wherever it is less rare. Subtracting a share of the logarithm of each class' frequency
# from its logit evens that out (Menon et al., 2021, arXiv:2007.07314, section 4.1).
# """
MOST_LOSS = 0.01
"""So much accuracy on held-out faces may be given for the rare expressions."""

STRENGTHS = np.arange(0, 1.01, 0.1)


def class_frequencies(expressions: np.ndarray, classes: int = 8) -> np.ndarray:
    """Give each class' share of the rows; one that does not occur counts as one row.

    Parameters
    ----------
    expressions : array-like of int
        Shape (n,), codes 0..classes - 1.
    classes : int
        How many there are.

    Returns
    -------
    numpy.ndarray
        float64, shape (classes,), sum 1.
    """
    counts = np.bincount(np.asarray(expressions, int), minlength=classes).clip(1)
    return counts / counts.sum()


def choose_strength(
    labels: np.ndarray,
    logits: np.ndarray,
    frequencies: np.ndarray,
    most_loss: float = MOST_LOSS,
) -> float:
    """Choose how far logits are shifted: as far as held-out accuracy allows.

    Parameters
    ----------
    labels : array-like of int
        Shape (n,), of held-out faces.
    logits : numpy.ndarray
        Shape (n, k), calibrated: the logarithms of probabilities, divided by the temperature.
    frequencies : numpy.ndarray
        Shape (k,), from `class_frequencies`.
    most_loss : float
        Accuracy that may be lost.

    Returns
    -------
    float
        The largest of `STRENGTHS`, 0..1, whose accuracy, and that of all smaller ones, is at most
        `most_loss` below the accuracy without a shift.
    """
    shift = np.log(frequencies)
    accuracy = np.array(
        [np.mean((logits - strength * shift).argmax(axis=1) == labels) for strength in STRENGTHS]
    )
    allowed = accuracy >= accuracy[0] - most_loss - 1e-12
    return float(STRENGTHS[np.argmin(allowed) - 1 if not allowed.all() else -1])


def shift_head(classifier: keras.Model, added: np.ndarray) -> None:
    """Add to the biases of a classifier's last layer, in place.

    Parameters
    ----------
    classifier : keras.Model
        With a softmax layer "expression".
    added : numpy.ndarray
        Float, shape (8,), any range. What was chosen for calibrated logits is to be multiplied by
        the temperature.

    Raises
    ------
    ValueError
        If the model has no layer of that name, or it has not as many units.
    """
    head = classifier.get_layer("expression")
    kernel, bias = head.get_weights()
    head.set_weights([kernel, bias + added.astype(bias.dtype)])
