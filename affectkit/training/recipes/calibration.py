"""The last step of a checkpoint's classifier: shift its head's biases, fit its temperature.

Everything here is fitted on held-out faces, given as their table and what `load_faces` read.

A network that learned from FER+, where Neutral is 70 times as frequent as Contempt, says Contempt
too seldom wherever it is less rare. Subtracting a share of the logarithm of each class' frequency
from its logit evens that out (Menon et al., 2021, arXiv:2007.07314, section 4.1).
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

MOST_LOSS = 0.01
"""So much accuracy on held-out faces may be given for the rare expressions."""

STRENGTHS = np.arange(0, 1.01, 0.1)


def save_calibrated(
    model: keras.Model,
    preprocessing: Preprocessing,
    held_out: HeldOut,
    facts: dict[str, object],
    path: Path,
) -> Model:
    """Save a classifier with the temperature that suits held-out faces, and load it again.

    `facts` about the training go to its card. Raises ValueError if there is no held-out face.
    """
    loaded = Model.of_keras(model, preprocessing)
    temperature = fit_temperature(_labels(held_out), predict_faces(loaded, *held_out))
    save_model(model, path, preprocessing, facts, temperature)
    return open_model(path)


def held_out_loss(path: Path, held_out: HeldOut) -> float:
    """Give a saved classifier's mean NLL, calibrated, on held-out faces: nats, ln 8 is no idea."""
    loaded = open_model(path)
    probabilities = apply_temperature(predict_faces(loaded, *held_out), loaded.temperature)
    return float(negative_log_likelihoods(_labels(held_out), probabilities).mean())


def favour_rare(classifier: Model, held_out: HeldOut, frequencies: np.ndarray, path: Path) -> Model:
    """Shift a classifier's head towards rare expressions, in place; save it calibrated, load it.

    `frequencies` (8,) are those of training, from `class_frequencies`. The card tells the strength,
    which held-out faces choose, as "favoured_rare".
    """
    calibrated = apply_temperature(predict_faces(classifier, *held_out), classifier.temperature)
    strength = choose_strength(_labels(held_out), np.log(calibrated), frequencies)
    shift_head(classifier.model, -strength * classifier.temperature * np.log(frequencies))
    facts = classifier.training | {"favoured_rare": strength}
    return save_calibrated(classifier.model, classifier.preprocessing, held_out, facts, path)


def correct_biases(classifier: Model, held_out: HeldOut, path: Path) -> Model:
    """Shift a classifier's head, in place, so that its answers are as frequent as the labels.

    A network that learned with class weights, or from faces where expressions have other shares,
    says some of them too often and others too seldom, which no temperature mends. The card tells
    what was added to the calibrated logits as "corrected_biases". Raises ValueError if an
    expression has no held-out face.
    """
    temperature, biases = fit_corrected_temperature(
        _labels(held_out), predict_faces(classifier, *held_out)
    )
    shift_head(classifier.model, temperature * biases)
    facts = classifier.training | {"corrected_biases": biases.round(4).tolist()}
    return save_calibrated(classifier.model, classifier.preprocessing, held_out, facts, path)


def _labels(held_out: HeldOut) -> np.ndarray:
    return held_out[0]["expression"].to_numpy(int)


def class_frequencies(expressions: np.ndarray, classes: int = 8) -> np.ndarray:
    """Give each class' share of the rows (sum 1); one that does not occur counts as one row."""
    counts = np.bincount(np.asarray(expressions, int), minlength=classes).clip(1)
    return counts / counts.sum()


def choose_strength(
    labels: np.ndarray,
    logits: np.ndarray,
    frequencies: np.ndarray,
    most_loss: float = MOST_LOSS,
) -> float:
    """Choose the largest of `STRENGTHS` that costs at most so much of held-out accuracy.

    `labels` (n,); `logits` (n, k) are calibrated: logarithms of probabilities, divided by the
    temperature; `frequencies` (k,). No smaller strength costs more than `most_loss`, either.
    """
    shift = np.log(frequencies)
    accuracy = np.array(
        [np.mean((logits - strength * shift).argmax(axis=1) == labels) for strength in STRENGTHS]
    )
    allowed = accuracy >= accuracy[0] - most_loss - 1e-12
    return float(STRENGTHS[np.argmin(allowed) - 1 if not allowed.all() else -1])


def shift_head(classifier: keras.Model, added: np.ndarray) -> None:
    """Add (8,) to the biases of a classifier's layer "expression", in place.

    What was chosen for calibrated logits is to be multiplied by the temperature. Raises ValueError
    if there is no such layer, or it has not as many units.
    """
    head = classifier.get_layer("expression")
    kernel, bias = head.get_weights()
    head.set_weights([kernel, bias + added.astype(bias.dtype)])
