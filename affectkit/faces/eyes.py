"""Eyeballs: sclera, iris, pupil, the lid's shadow and the catch-light."""

from __future__ import annotations

import numpy as np

from affectkit.faces.assets import LEFT_EYE, RIGHT_EYE, load_head
from affectkit.faces.lighting import key_direction
from affectkit.faces.randomness import stream

IRIS_RADIUS, PUPIL_RADIUS = 0.60, 0.25  # centimetres
IRIS_COLOURS = ((0.055, 0.025, 0.012), (0.09, 0.045, 0.02), (0.12, 0.09, 0.05),
                (0.10, 0.17, 0.25), (0.10, 0.15, 0.10))  # fmt: skip


def _inside(radius: np.ndarray, edge: float, softness: float) -> np.ndarray:
    return np.clip((edge - radius) / softness + 0.5, 0, 1)[:, None]


def paint_eyes(
    material: np.ndarray, place: np.ndarray, normals: np.ndarray, face: dict
) -> tuple[np.ndarray, np.ndarray]:
    """Colour points (P,) of the eyeballs, by template position and camera-space normal (P, 3).

    Returns the albedo (P, 3), linear RGB, darkened under the upper lid; and the strength (P,) of
    the mirrored light.
    """
    head = load_head()
    rng = stream(face["subject"], "eyes")
    brown = face["skin_tone_ita"] < 25
    iris = np.array(IRIS_COLOURS[rng.integers(0, 2) if brown else rng.integers(0, 5)])
    white = np.array([0.60, 0.57, 0.54]) * rng.uniform(0.85, 1.0)
    pupil_radius = PUPIL_RADIUS * rng.uniform(0.8, 1.2)
    albedo = np.empty((len(place), 3), np.float32)
    for number, code in enumerate((LEFT_EYE, RIGHT_EYE)):
        chosen = material == code
        centre = head.positions[head.eye_vertices[number]].mean(0)
        offset = place[chosen] - centre
        radius = np.hypot(offset[:, 0], offset[:, 1])
        iris_part = _inside(radius, IRIS_RADIUS, 0.1)
        limbus = np.exp(-(((radius - IRIS_RADIUS) / 0.09) ** 2))[:, None]
        spokes = 1 + 0.2 * np.sin(np.arctan2(offset[:, 1], offset[:, 0]) * 23)[:, None]
        colour = white * (1 - iris_part) + iris * spokes * iris_part
        colour *= (1 - 0.55 * limbus) * (1 - _inside(radius, pupil_radius, 0.08))
        shade = 0.95 - 0.45 * np.clip(offset[:, 1] - 0.05, 0, 1)
        corner = 1 - 0.35 * np.clip(np.abs(offset[:, 0]) - 0.6, 0, 1)
        albedo[chosen] = colour * (shade * corner)[:, None]
    half = key_direction(face["light_azimuth"], face["light_elevation"])
    half = half + np.array([0, 0, 1])
    window = np.array([0.15, 0.5, 2.0])
    key = np.clip(normals @ (half / np.linalg.norm(half)), 0, 1) ** 160
    ambient = np.clip(normals @ (window / np.linalg.norm(window)), 0, 1) ** 160
    strength = 0.15 + 0.9 * face["light_strength"]
    return albedo, (strength * key + 0.3 * ambient).astype(np.float32)
