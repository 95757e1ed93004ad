"""Hair: a displaced scalp for short styles and a curtain surface for long ones."""

from __future__ import annotations

import numpy as np

from affectkit.faces.assets import SKIN, Head
from affectkit.faces.geometry import vertex_normals
from affectkit.faces.sampling import stream
from affectkit.faces.skin import AXIS_DEPTH

# The hairline: height above the eyes (cm) by angle from the front (degrees).
HAIRLINE_ANGLES = (0, 25, 40, 52, 60, 70, 80, 90, 95, 110, 125, 145, 180)
HAIRLINE_HEIGHTS = (7.0, 6.9, 6.2, 4.8, 3.2, 1.8, -0.8, -0.8, 2.5, 1.0, -3.0, -6.5, -7.5)
THICKNESS = {"bald": 0.0, "buzz": 0.15, "short": 1.1, "fringe": 1.2, "medium": 1.1, "long": 1.0,
             "tied": 0.4}  # fmt: skip


def hair_field(positions: np.ndarray, face: dict) -> np.ndarray:
    """Height (V,) in centimetres of template positions above the subject's hairline."""
    rng = stream(face["subject"], "hairline")
    angle = np.degrees(
        np.arctan2(np.abs(positions[:, 0]), positions[:, 2] - AXIS_DEPTH)
    )
    line = np.interp(angle, HAIRLINE_ANGLES, HAIRLINE_HEIGHTS)
    shift = rng.normal(0, 0.4) + (1.5 * face["age"] * rng.uniform() if face["gender"] < 0.5 else 0)
    line = line + shift * np.exp(-((angle / 45) ** 2))
    if face["hair"] == "fringe":
        line = line - 3.2 * np.exp(-((angle / 42) ** 4))
    return (positions[:, 1] - line).astype(np.float32)


def grow_hair(head: Head, vertices: np.ndarray, field: np.ndarray, face: dict) -> np.ndarray:
    """Move scalp vertices (V, 3) outwards by the thickness of the hair."""
    thickness = THICKNESS[face["hair"]]
    if thickness == 0:
        return vertices
    rng = stream(face["subject"], "hair_volume")
    ramp = np.clip((field + 0.1) / 1.8, 0, 1)
    ramp = ramp * ramp * (3 - 2 * ramp) * (1 - np.clip(2 * head.ears, 0, 1))
    wave = 1 + 0.3 * np.sin(head.positions[:, 0] * 0.9 + rng.uniform(0, 6)) * np.sin(
        head.positions[:, 2] * 0.8 + rng.uniform(0, 6)
    )
    normals = vertex_normals(vertices, head.quads)
    amount = thickness * rng.uniform(0.7, 1.4) * ramp * wave
    skin = np.zeros(len(vertices), bool)
    skin[head.triangles[head.material == SKIN]] = True
    return vertices + normals * (amount * skin)[:, None]


def curtain(neutral: np.ndarray, face: dict) -> tuple[np.ndarray, np.ndarray]:
    """Long hair around the head as a surface: vertices (N, 3) and triangles (T, 3).

    Empty arrays for styles without it.
    """
    if face["hair"] not in ("medium", "long"):
        return np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int32)
    rng = stream(face["subject"], "curtain")
    bottom = rng.uniform(-13, -6) if face["hair"] == "medium" else rng.uniform(-24, -14)
    opening = np.radians(rng.uniform(52, 80))
    wave = rng.uniform(0, 1)
    phase = rng.uniform(0, 6)
    angle = np.linspace(opening, 2 * np.pi - opening, 49)[None, :]
    along = np.linspace(0, 1, 28)[:, None]
    top = neutral[:, 1].max() + 0.9
    side = np.abs(neutral[(np.abs(neutral[:, 1]) < 4)][:, 0]).max() + 0.2
    back = -neutral[neutral[:, 1] > 0][:, 2].min() + 1.0
    front = neutral[neutral[:, 1] > 6.5][:, 2].max()
    centre = (front - back) / 2
    depth = (front + back) / 2
    cap = along < 0.45
    lift = np.clip(along / 0.45, 0, 1) * np.pi / 2
    fall = np.clip((along - 0.45) / 0.55, 0, 1)
    radius = np.where(
        cap,
        np.sin(lift),
        1 + 0.10 * fall * (1 - fall) * 4 * (0.3 + wave)
        - 0.05 * fall + 0.03 * wave * np.sin(9 * fall + 3 * angle + phase),
    )  # fmt: skip
    height = np.where(cap, 1.5 + (top - 1.5) * np.cos(lift), 1.5 + (bottom - 1.5) * fall)
    x = side * radius * np.sin(angle) * (1 + 0.02 * np.sin(5 * angle + phase))
    z = centre + depth * radius * np.cos(angle) * np.where(np.cos(angle) > 0, 0.55, 1.0)
    points = np.stack(np.broadcast_arrays(x, height, z), -1).reshape(-1, 3).astype(np.float32)
    index = np.arange(28 * 49).reshape(28, 49)
    corners = (index[:-1, :-1], index[1:, :-1], index[1:, 1:], index[:-1, 1:])
    a, b, c, d = (corner.ravel() for corner in corners)
    triangles = np.concatenate([np.stack([a, b, c], 1), np.stack([a, c, d], 1)])
    return points, triangles.astype(np.int32)
