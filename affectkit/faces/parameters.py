"""Names, limits and choices of the parameters of a face."""

from __future__ import annotations

import math
from numbers import Real

import numpy as np

from affectkit.faces.expressions import ACTION_UNITS, LARGEST_UNIT
from affectkit.faces.hair import STYLES
from affectkit.labels import EXPRESSIONS

LIMITS: dict[str, tuple[float, float]] = {
    "intensity": (0.0, 1.25),
    "blend": (0.0, 1.0),
    "age": (0.0, 1.0),
    "femininity": (0.0, 1.0),
    "skin_tone_ita": (-60.0, 65.0),
    "beard": (0.0, 1.0),
    "makeup": (0.0, 1.0),
    "gaze_yaw": (-35.0, 35.0),
    "gaze_pitch": (-25.0, 25.0),
    "yaw": (-90.0, 90.0),
    "pitch": (-60.0, 60.0),
    "roll": (-180.0, 180.0),
    "light_azimuth": (-180.0, 180.0),
    "light_elevation": (-90.0, 90.0),
    "light_strength": (0.0, 2.0),
    "blur": (0.0, 10.0),
    "distance": (30.0, 1000.0),
    "valence": (-1.0, 1.0),
    "arousal": (-1.0, 1.0),
}
"""Smallest and greatest value of each number (degrees, centimetres, pixels or shares)."""

CHOICES: dict[str, tuple[str, ...]] = {
    "expression": EXPRESSIONS,
    "expression_clean": EXPRESSIONS,
    "expression_second": EXPRESSIONS,
    "blend_with": EXPRESSIONS,
    "hair": STYLES,
    "glasses": ("none", "clear", "sun"),
    "occluder": ("none", "hand", "object", "mask"),
    "side": ("left", "right"),
}
"""Values of each parameter that is a name."""

OTHERS = ("subject", "ethnicity", "details", "hair_colour", "action_units", "grey")
NAMES = (*LIMITS, *CHOICES, *OTHERS)


def check_parameters(fixed: dict) -> None:
    """Refuse unknown names and values outside `LIMITS` or `CHOICES` with a ValueError."""
    for name, value in fixed.items():
        if name in LIMITS:
            low, high = LIMITS[name]
            if not isinstance(value, Real) or not low <= value <= high:
                raise ValueError(f"expected {name} between {low} and {high}, got {value!r}")
        elif name in CHOICES:
            if value not in CHOICES[name]:
                raise ValueError(f"expected {name} from {CHOICES[name]}, got {value!r}")
        elif name not in OTHERS:
            raise ValueError(f"expected a face parameter of {sorted(NAMES)}, got {name!r}")
    shares = np.asarray(fixed.get("ethnicity", (1, 0, 0)), float)
    whole = shares.shape == (3,) and math.isclose(shares.sum(), 1, abs_tol=1e-3)
    if not whole or (shares < 0).any():
        raise ValueError(
            "expected ethnicity as three shares (african, asian, caucasian) that sum to one, got "
            f"{fixed['ethnicity']!r}"
        )
    for unit, sides in fixed.get("action_units", {}).items():
        if unit not in ACTION_UNITS or len(sides) != 2 or not 0 <= max(sides) <= LARGEST_UNIT:
            raise ValueError(
                f"expected action_units as {{'AU12': (left, right)}} with values from 0 to "
                f"{LARGEST_UNIT}, got {unit!r}: {sides!r}"
            )
