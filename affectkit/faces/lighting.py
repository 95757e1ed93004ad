"""Light: a six-sided ambient cube, and a directional key light with baked soft shadows."""

from __future__ import annotations

import math

import numpy as np

from affectkit.faces.assets import Head
from affectkit.faces.sampling import stream

SHADOW_SHARPNESS = 45.0


def key_direction(azimuth: float, elevation: float) -> np.ndarray:
    """Unit vector (3,) towards the key light; azimuth 0 is the camera, positive is image right."""
    a, e = math.radians(azimuth), math.radians(elevation)
    return np.array(
        [math.sin(a) * math.cos(e), math.sin(e), math.cos(a) * math.cos(e)], np.float32
    )


def ambient_cube(face: dict) -> np.ndarray:
    """Linear RGB (6, 3) of ambient light from +x, -x, +y, -y, +z, -z."""
    rng = stream(face["seed"], "ambient")
    warmth = rng.normal(0, 0.5)
    tint = np.array([1 + 0.1 * warmth, 1, 1 - 0.12 * warmth])
    spread = 0.10 if rng.uniform() < 0.25 else 0.035
    cube = np.clip(tint * (1 + rng.normal(0, spread, (6, 3))), 0.2, 2)
    cube *= np.exp(rng.normal(0, 0.28, (6, 1)))
    cube[2] *= 1.15
    cube[3] *= 0.62
    return (0.75 * cube).astype(np.float32)


def key_colour(face: dict) -> np.ndarray:
    """Linear RGB (3,) of the key light, strength included."""
    warmth = stream(face["seed"], "key_colour").uniform()
    colour = np.array([1.0, 0.86 + 0.1 * warmth, 0.68 + 0.4 * warmth], np.float32)
    return colour * np.float32(1.6 * face["light_strength"])


def ambient_light(normals: np.ndarray, cube: np.ndarray) -> np.ndarray:
    """Ambient irradiance (P, 3) on normals (P, 3) (Valve's ambient cube, McTaggart 2004)."""
    squared = normals * normals
    total = np.zeros_like(normals)
    for axis in range(3):
        side = np.where(normals[:, axis] > 0, 2 * axis, 2 * axis + 1)
        total += squared[:, axis : axis + 1] * cube[side]
    return total


def vertex_visibility(head: Head, direction: np.ndarray) -> np.ndarray:
    """How much of a light from `direction` (3,) in head space reaches each vertex (V,), 0 to 1."""
    closeness = head.visibility_directions @ direction
    weights = np.exp(SHADOW_SHARPNESS * (closeness - closeness.max()))
    return (weights / weights.sum()).astype(np.float32) @ head.visible


def vertex_openness(head: Head) -> np.ndarray:
    """Ambient occlusion (V,): the mean visibility over the baked directions, scaled to 0..1."""
    return np.clip(head.visible.mean(0) / 0.55, 0.08, 1).astype(np.float32)
