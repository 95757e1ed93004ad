"""Check predicted probabilities and fit them to a protocol's classes."""

from __future__ import annotations

import numpy as np

_SUM_TOLERANCE = 0.05


def check_probabilities(
    probabilities: np.ndarray, rows: int | None = None, classes: int = 8
) -> np.ndarray:
    """Check predicted probabilities and make every row sum to exactly 1.

    Parameters
    ----------
    probabilities : array-like
        Shape (n, classes), each row summing to 1 within 0.05 (8-bit models round).
    rows : int, optional
        Expected n.
    classes : int
        Expected number of columns.

    Returns
    -------
    numpy.ndarray
        float64, shape (n, classes).

    Raises
    ------
    ValueError
        If the shape is another, or a row is no probability distribution.
    """
    values = np.asarray(probabilities, float)
    expected = f"({'n' if rows is None else rows}, {classes})"
    if values.ndim != 2 or values.shape[1] != classes or rows not in (None, len(values)):
        raise ValueError(
            f"expected probabilities of shape {expected}, got {values.shape}; "
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
        Shape (n, 8), in the order of `EXPRESSIONS`, rows sum to 1.
    protocol : str
        Where it contains "7class", Contempt is dropped and the rest renormalised (to equal
        shares in a row that gave Contempt everything).

    Returns
    -------
    numpy.ndarray
        float64, shape (n, 8) or (n, 7), rows sum to 1.
    """
    values = check_probabilities(probabilities)
    if "7class" not in protocol:
        return values
    seven = values[:, :-1]
    sums = seven.sum(axis=1, keepdims=True)
    return np.where(sums > 0, seven / np.maximum(sums, 1e-300), 1 / seven.shape[1])
