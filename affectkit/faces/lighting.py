"""Light on the vertices: a six-sided ambient cube and a key light with baked soft shadows."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from affectkit.faces.assets import LOWER_TEETH, MOUTH_LINING, SKIN, TONGUE, UPPER_TEETH, load_head
from affectkit.faces.randomness import stream
from affectkit.faces.texture_space import AXIS_DEPTH

SHADOW_SHARPNESS = 45.0
AMBIENT_LEVEL, KEY_LEVEL = 0.6, 1.9
_WRAP = np.array([0.32, 0.16, 0.11], np.float32)  # red light travels furthest through skin


def key_direction(azimuth: float, elevation: float) -> np.ndarray:
    """Give the unit vector (3,) towards the key light; azimuth 0 is the camera, 90 image right."""
    a, e = math.radians(azimuth), math.radians(elevation)
    return np.array([math.sin(a) * math.cos(e), math.sin(e), math.cos(a) * math.cos(e)], np.float32)


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
    return (AMBIENT_LEVEL * cube).astype(np.float32)


def key_colour(face: dict) -> np.ndarray:
    """Linear RGB (3,) of the key light, strength included."""
    warmth = stream(face["seed"], "key_colour").uniform()
    colour = np.array([1.0, 0.86 + 0.1 * warmth, 0.68 + 0.4 * warmth], np.float32)
    return colour * np.float32(KEY_LEVEL * face["light_strength"])


def ambient_light(normals: np.ndarray, cube: np.ndarray) -> np.ndarray:
    """Ambient irradiance (P, 3) on normals (P, 3): Valve's ambient cube (McTaggart, 2004)."""
    positive, negative = np.maximum(normals, 0) ** 2, np.minimum(normals, 0) ** 2
    return positive @ cube[0::2] + negative @ cube[1::2]


@lru_cache(maxsize=1)
def vertex_openness() -> np.ndarray:
    """Ambient occlusion (V,) float32: baked mean visibility, and estimates inside the mouth."""
    head = load_head()
    openness = np.clip(head.visible.mean(0) / 0.55, 0.08, 1)
    depth = np.clip((head.positions[:, 2] - 11.5) / 3, 0.1, 1)
    for code, gain in ((UPPER_TEETH, 0.95), (LOWER_TEETH, 0.8), (TONGUE, 0.5)):
        part = np.unique(head.triangles[head.material == code])
        openness[part] = gain * depth[part]
    lining = np.unique(head.triangles[head.material == MOUTH_LINING])
    skin = np.unique(head.triangles[head.material == SKIN])
    openness[np.setdiff1d(lining, skin)] *= 0.4
    return openness.astype(np.float32)


def vertex_visibility(direction: np.ndarray) -> np.ndarray:
    """How much of a light from `direction` (3,) in head space reaches each vertex (V,), 0 to 1."""
    head = load_head()
    closeness = head.visibility_directions @ direction
    weights = np.exp(SHADOW_SHARPNESS * (closeness - closeness.max()))
    return (weights / weights.sum()).astype(np.float32) @ head.visible


@lru_cache(maxsize=1)
def _behind_hair() -> np.ndarray:
    place = load_head().positions
    angle = np.degrees(np.arctan2(np.abs(place[:, 0]), place[:, 2] - AXIS_DEPTH))
    return np.clip((angle - 58) / 25, 0, 1).astype(np.float32)


def light_vertices(normals: np.ndarray, turn: np.ndarray, face: dict, curtain: int) -> np.ndarray:
    """Light every vertex: normals (V + C, 3) in camera space, head-to-camera rotation `turn`.

    The last C = `curtain` vertices are long hair, lit without shadows. Returns (V + C, 6) float32:
    diffuse irradiance (linear RGB), gloss of the key light, Fresnel reflectance, visibility of the
    key light.
    """
    direction = key_direction(face["light_azimuth"], face["light_elevation"])
    visible = vertex_visibility(turn.T @ direction)
    openness = vertex_openness()
    if curtain:
        openness = openness * (1 - 0.5 * _behind_hair())
        visible = visible * (1 - 0.5 * _behind_hair())
        visible = np.concatenate([visible, np.ones(curtain, np.float32)])
        openness = np.concatenate([openness, np.ones(curtain, np.float32)])
    light = ambient_light(normals, ambient_cube(face)) * openness[:, None]
    cosine = normals @ direction
    diffuse = np.clip((cosine[:, None] + _WRAP) / (1 + _WRAP), 0, 1) * visible[:, None]
    light += key_colour(face) * diffuse
    half = direction + np.array([0, 0, 1], np.float32)
    highlight = np.clip(normals @ (half / np.linalg.norm(half)), 0, 1)
    oil = np.float32(stream(face["seed"], "oil").uniform(0.3, 1.4))
    gloss = (0.9 * highlight**18 + 1.2 * highlight**60) * np.clip(4 * cosine, 0, 1) * visible * oil
    fresnel = 0.035 + 0.5 * (1 - np.clip(normals[:, 2], 0, 1)) ** 5
    return np.column_stack([light, gloss, fresnel, visible]).astype(np.float32)
