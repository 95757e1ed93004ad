"""Colour spaces: sRGB, linear light, CIE L*a*b* and the skin's individual typology angle."""

from __future__ import annotations

import math

import numpy as np


def srgb_to_linear(value: np.ndarray) -> np.ndarray:
    """Decode sRGB in [0, 1] to linear light (IEC 61966-2-1)."""
    value = np.asarray(value, np.float32)
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def linear_to_srgb(value: np.ndarray) -> np.ndarray:
    """Encode linear light to sRGB, both in [0, 1]; values outside are clipped."""
    value = np.clip(value, 0, 1)
    return np.where(value <= 0.0031308, 12.92 * value, 1.055 * value ** (1 / 2.4) - 0.055)


def lab_to_linear(lightness: float, a: float, b: float) -> np.ndarray:
    """CIE L*a*b* (D65) to linear sRGB (3,) float32, clipped to [0.003, 1]."""
    y = (lightness + 16) / 116
    decoded = [
        value**3 if value > 6 / 29 else 3 * (6 / 29) ** 2 * (value - 4 / 29)
        for value in (y + a / 500, y, y - b / 200)
    ]
    xyz = np.array(decoded) * (0.9505, 1.0, 1.089)
    matrix = [[3.2406, -1.5372, -0.4986], [-0.9689, 1.8758, 0.0415], [0.0557, -0.2040, 1.0570]]
    return np.clip(np.array(matrix) @ xyz, 0.003, 1).astype(np.float32)


def skin_colour(ita: float, rng: np.random.Generator) -> np.ndarray:
    """Linear RGB (3,) of skin with an individual typology angle in degrees.

    ITA = atan((L* - 50) / b*) (Chardon et al., 1991), solved for L* with b* and a* drawn; L* is
    held within that of human skin, 26 to 74.
    """
    b = float(np.clip(17 + rng.normal(0, 1.8) - 3 * (ita < -20), 10, 22))
    lightness = float(np.clip(50 + b * math.tan(math.radians(ita)), 26, 74))
    return lab_to_linear(lightness, float(np.clip(11 + rng.normal(0, 1.4), 7, 15)), b)
