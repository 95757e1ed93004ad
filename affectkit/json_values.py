"""Make values of NumPy ready to be written as JSON."""

from __future__ import annotations

import math

import numpy as np


def json_ready(value: object) -> object:
    """Turn numpy values into plain ones and NaN or infinity into None, all the way down."""
    if isinstance(value, dict):
        return {str(key): json_ready(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [json_ready(item) for item in value]
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if isinstance(value, (int, np.integer)):
        return int(value)
    if isinstance(value, (float, np.floating)):
        return float(value) if math.isfinite(value) else None
    return value
