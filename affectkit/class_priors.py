"""Let rare expressions speak up: shift a trained classifier's logits by how rare each class is.

A network that learned from FER+, where Neutral is 70 times as frequent as Contempt, says Contempt
too seldom wherever it is less rare. Subtracting a share of the logarithm of each class' frequency
from its logit evens that out (Menon et al., 2021, arXiv:2007.07314, section 4.1).
"""

from __future__ import annotations

import keras
import numpy as np

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
