"""Clothes: necklines and colours painted on the shoulders."""

from __future__ import annotations

import numpy as np

from affectkit.faces.assets import load_head
from affectkit.faces.colour import srgb_to_linear
from affectkit.faces.randomness import stream


def below_neckline(face: dict) -> np.ndarray:
    """Depth (V,) float32 in centimetres of every vertex below the collar; negative above it."""
    rng = stream(face["seed"], "neckline")
    x, y, z = load_head().positions.T
    front = np.clip((z - 1) / 4, 0, 1)
    style = rng.integers(3)
    line = rng.uniform(-17.5, -14.5)
    if style == 0:  # crew neck
        line = line - 0.8 * np.cos(x / 3) * front
    elif style == 1:  # V-neck
        line = line - np.clip(4.0 - 0.9 * np.abs(x), 0, 4) * front
    else:  # shirt or turtle neck
        line = line + 2.2 - 0.5 * np.cos(x / 2) * front
    return (line - y).astype(np.float32)


def paint_clothes(
    albedo: np.ndarray, shine: np.ndarray, skin: np.ndarray, depth: np.ndarray, face: dict
) -> None:
    """Colour, in place, the skin points (P,) that lie below the neckline."""
    rng = stream(face["seed"], "clothes")
    colour = srgb_to_linear(rng.uniform(0.05, 0.9, 3) * rng.uniform(0.4, 1)).astype(np.float32)
    second = srgb_to_linear(rng.uniform(0.05, 0.9, 3)).astype(np.float32)
    striped, width = rng.uniform() < 0.25, rng.uniform(0.8, 2.5)
    cloth = np.flatnonzero(skin & (depth > 0))
    if not len(cloth):
        return
    depth = depth[cloth]
    stripe = ((depth / width).astype(int) % 2 == 1) & striped
    albedo[cloth] = np.where(stripe[:, None], second, colour)
    albedo[cloth] *= np.where(depth < 0.7, 0.7, 1.0)[:, None]
    shine[cloth] = 0.08
