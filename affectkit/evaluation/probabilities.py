"""Check predicted probabilities and fit them to a protocol's classes."""

from __future__ import annotations

import numpy as np

from affectkit.labels import NUM_EXPRESSIONS

_SUM_TOLERANCE = 0.05


def _check_probabilities(probabilities: np.ndarray) -> np.ndarray:
    """Check probabilities (n, 8) and make every row sum to exactly 1, as float64."""
    values = np.asarray(probabilities, float)
    if values.ndim != 2 or values.shape[1] != NUM_EXPRESSIONS:
        raise ValueError(
            f"expected probabilities of shape (n, {NUM_EXPRESSIONS}), got {values.shape}; "
            "give one row a table row, in the table's order"
        )
    sums = values.sum(axis=1)
    bad = ~(
        np.isfinite(values).all(axis=1)
        & (values >= 0).all(axis=1)
        & (abs(sums - 1) < _SUM_TOLERANCE)
    )
    if bad.any():
        raise ValueError(
            f"expected probabilities >= 0 that sum to 1; row {bad.argmax()} is "
            f"{np.array2string(values[bad.argmax()], precision=3)} ({bad.sum()} such rows). "
            "If these are logits, apply softmax first"
        )
    return values / sums[:, None]


def protocol_probabilities(probabilities: np.ndarray, protocol: str) -> np.ndarray:
    """Check probabilities of the 8 expressions and fit them to a protocol.

    Parameters
    ----------
    probabilities : array-like
        Shape (n, 8), in the order of `EXPRESSIONS`; each row sums to 1 within 0.05 (8-bit models
        round) and is made to sum to exactly 1.
    protocol : str
        Where it contains "7class", Contempt is dropped and the rest renormalised (to equal
        shares in a row that gave Contempt everything).

    Returns
    -------
    numpy.ndarray
        float64, shape (n, 8) or (n, 7), rows sum to 1.

    Raises
    ------
    ValueError
        If the shape is another, or a row is no probability distribution.
    """
    values = _check_probabilities(probabilities)
    if "7class" not in protocol:
        return values
    seven = values[:, :-1]
    sums = seven.sum(axis=1, keepdims=True)
    return np.where(sums > 0, seven / np.maximum(sums, 1e-300), 1 / seven.shape[1])
