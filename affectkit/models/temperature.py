"""What a network's probabilities say: how sure it is, and which expressions are plausible."""

from __future__ import annotations

import numpy as np

SMALLEST_PROBABILITY = 1e-7
"""Floor of a probability inside a logarithm (Keras' epsilon): 8-bit models do output 0."""


def apply_temperature(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """Soften (temperature > 1) or sharpen (< 1) probabilities: softmax(ln p / temperature).

    Parameters
    ----------
    probabilities : array-like
        Shape (n, k). Zeros count as 1e-7, so that a temperature can lift them.
    temperature : float
        Above 0.

    Returns
    -------
    numpy.ndarray
        float64, shape (n, k), rows sum to 1; the order within a row stays as it was.

    Raises
    ------
    ValueError
        If the temperature is not a number above 0.
    """
    if not (np.isfinite(temperature) and temperature > 0):
        raise ValueError(f"expected a temperature above 0, got {temperature!r}")
    floored = np.maximum(np.asarray(probabilities, float), SMALLEST_PROBABILITY)
    powers = floored ** (1 / temperature)  # the same, with the logarithm undone
    return powers / powers.sum(axis=1, keepdims=True)


def plausible_expressions(probabilities: np.ndarray, share: float) -> np.ndarray:
    """Tell which expressions are plausible: at least so probable, compared with the first.

    Parameters
    ----------
    probabilities : array-like
        Shape (n, k).
    share : float
        Of the row's greatest probability, 0..1: see `affectkit.evaluation.fit_plausible_share`. A
        temperature that was applied to the probabilities has to be applied to it too, as
        `share ** (1 / temperature)`; then the answer stays as it was.

    Returns
    -------
    numpy.ndarray
        bool, shape (n, k); at least one in each row.
    """
    probabilities = np.asarray(probabilities, float)
    return probabilities >= share * probabilities.max(axis=1, keepdims=True)
