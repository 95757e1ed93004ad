"""Hair: a displaced scalp for short styles and a curtain surface for long ones."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np

from affectkit.faces.assets import SKIN, Head, load_head
from affectkit.faces.geometry import vertex_normals
from affectkit.faces.randomness import stream
from affectkit.faces.texture_space import (
    AXIS_DEPTH,
    HEIGHT,
    WIDTH,
    position_map,
    texture_coordinates,
)

STYLES = ("bald", "buzz", "short", "fringe", "curly", "medium", "long", "tied", "hat")
THICKNESS = {"bald": 0.0, "buzz": 0.2, "short": 1.2, "fringe": 1.3, "curly": 2.6, "medium": 1.1,
             "long": 1.0, "tied": 0.45, "hat": 1.0}  # fmt: skip
CURTAIN_ROWS, CURTAIN_COLUMNS = 26, 45
STRAND_HEIGHT = 64
# The hairline: height above the eyes (cm) by angle from the front (degrees).
_ANGLES = (0, 25, 40, 52, 60, 70, 80, 90, 96, 110, 125, 145, 180)
_HEIGHTS = (7.0, 6.9, 6.2, 4.8, 3.2, 1.8, -0.8, -0.8, 2.5, 1.0, -3.0, -6.5, -7.5)


def hair_field(positions: np.ndarray, face: dict) -> np.ndarray:
    """Height (...) in centimetres of template positions (..., 3) above the subject's hairline."""
    rng = stream(face["subject"], "hairline")
    x, y, z = positions[..., 0], positions[..., 1], positions[..., 2]
    angle = np.degrees(np.arctan2(np.abs(x), z - AXIS_DEPTH))
    if face["hair"] == "hat":
        return (y - 4.6 + 1.0 * np.cos(np.radians(angle))).astype(np.float32)
    line = np.interp(angle, _ANGLES, _HEIGHTS)
    recede = 1.6 * face["age"] * rng.uniform() if face["femininity"] < 0.5 else 0.0
    temples, peak = rng.uniform(0, 1.2), rng.uniform(-0.3, 0.6)
    shift = rng.normal(0, 0.35) + recede * (0.5 + np.exp(-(((angle - 32) / 14) ** 2)))
    shift = shift + temples * np.exp(-(((angle - 42) / 10) ** 2)) - peak * np.exp(-((x / 1.2) ** 2))
    line = line + shift * np.clip(1.6 - angle / 60, 0, 1)
    if face["hair"] == "fringe":
        swing = rng.uniform(-0.12, 0.12) * x
        line = line - rng.uniform(2.4, 3.6) * np.exp(-((angle / 44) ** 4)) + swing
    return (y - line).astype(np.float32)


def grow_hair(head: Head, vertices: np.ndarray, face: dict) -> np.ndarray:
    """Offsets (V, 3) that move scalp vertices outwards by the thickness of the hair."""
    thickness = THICKNESS[face["hair"]]
    if thickness == 0:
        return np.zeros_like(vertices)
    rng = stream(face["subject"], "hair_volume")
    field = hair_field(head.positions, face)
    ramp = np.clip((field + 0.1) / (0.7 if face["hair"] == "hat" else 2.6), 0, 1)
    ramp = ramp * ramp * (3 - 2 * ramp) * (1 - np.clip(2 * head.ears, 0, 1))
    x, y, z = head.positions.T
    phase = rng.uniform(0, 6, 3)
    lumps = 0.3 * np.sin(0.9 * x + phase[0]) * np.sin(0.8 * z + phase[1])
    if face["hair"] == "curly":
        lumps += 0.25 * np.sin(2.7 * x + phase[2]) * np.sin(2.4 * y) * np.sin(2.6 * z)
    if face["hair"] == "hat":
        lumps *= 0.2
    quiff = rng.uniform(0, 0.8) * np.clip((y - 7) / 4, 0, 1) * np.clip((z - 4) / 6, 0, 1)
    skin = np.zeros(len(vertices), bool)
    skin[head.triangles[head.material == SKIN]] = True
    amount = thickness * rng.uniform(0.7, 1.35) * ramp * (1 + lumps + quiff) * skin
    return vertex_normals(vertices, head.quads) * amount[:, None].astype(np.float32)


@lru_cache(maxsize=1)
def strand_pattern() -> np.ndarray:
    """Brightness variation (HEIGHT, WIDTH) float32 of combed strands, zero mean, unit spread."""
    rng = np.random.default_rng(5)
    total = np.zeros((HEIGHT, WIDTH), np.float32)
    for across, down, amplitude in ((384, 3, 1), (256, 4, 1), (128, 6, 0.9), (60, 6, 0.8)):
        grid = rng.standard_normal((down * 2, across), np.float32)
        total += amplitude * cv2.resize(grid, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    return total / total.std()


@lru_cache(maxsize=1)
def _scalp_mask() -> np.ndarray:
    head = load_head()
    ears = np.zeros((HEIGHT, WIDTH), np.float32)
    marked = np.flatnonzero(head.ears > 0.5)
    pixels = np.rint(texture_coordinates(head.positions[marked])).astype(int)
    ears[pixels[:, 1].clip(0, HEIGHT - 1), pixels[:, 0].clip(0, WIDTH - 1)] = 1
    ears = cv2.morphologyEx(ears, cv2.MORPH_CLOSE, np.ones((9, 9), np.uint8))
    return 1 - cv2.GaussianBlur(cv2.dilate(ears, np.ones((3, 3), np.uint8)), (0, 0), 1.0)


def paint_hair(texture: np.ndarray, face: dict) -> tuple[np.ndarray, np.ndarray]:
    """Paint the scalp hair on a skin texture (HEIGHT, WIDTH, 4).

    Returns the texture and the hair's opacity (HEIGHT, WIDTH).
    """
    rng = stream(face["subject"], "hair_paint")
    field = hair_field(position_map(), face)
    strands = np.roll(strand_pattern(), int(rng.integers(WIDTH)), axis=1)
    if face["hair"] == "hat":
        opacity = np.clip(field / 0.25 + 0.5, 0, 1)
        ribs = 1 + 0.15 * np.sin(np.arange(WIDTH) * rng.uniform(0.6, 1.6))[None, :, None]
        colour = rng.uniform(0.02, 0.6, 3) * ribs * (1 - 0.3 * (field < 1.6))[..., None]
        shine = 0.1
    else:
        softness = {"buzz": 1.6, "curly": 0.6}.get(face["hair"], 0.8)
        opacity = np.clip((field + 0.16 * strands * softness) / softness, 0, 1)
        opacity *= {"bald": 0.0, "buzz": 0.75}.get(face["hair"], 1.0)
        opacity *= _scalp_mask()
        colour = face["hair_colour"] * np.clip(1 + 0.35 * strands, 0.2, 2)[..., None]
        shine = 0.2
    texture = texture.copy()
    texture[..., :3] += opacity[..., None] * (colour - texture[..., :3])
    texture[..., 3] += opacity * (shine - texture[..., 3])
    return texture.astype(np.float32), opacity.astype(np.float32)


def curtain(neutral: np.ndarray, face: dict) -> tuple[np.ndarray, np.ndarray]:
    """Long hair around the head as a surface: vertices (N, 3) and quads (Q, 4).

    Empty arrays for styles without it.
    """
    if face["hair"] not in ("medium", "long"):
        return np.zeros((0, 3), np.float32), np.zeros((0, 4), np.int32)
    rng = stream(face["subject"], "curtain")
    bottom = rng.uniform(-13, -6) if face["hair"] == "medium" else rng.uniform(-24, -14)
    opening, part = np.radians(rng.uniform(50, 78)), rng.uniform(-0.25, 0.25)
    wave, phase, volume = rng.uniform(0, 1), rng.uniform(0, 6), rng.uniform(0.2, 1.3)
    across = np.linspace(0, 1, CURTAIN_COLUMNS)[None, :]
    angle = opening + part + across * 2 * (np.pi - opening)
    along = np.linspace(0, 1, CURTAIN_ROWS)[:, None]
    top = neutral[:, 1].max() + 0.5 + 0.5 * volume
    side = np.abs(neutral[np.abs(neutral[:, 1]) < 4][:, 0]).max() + 0.1 + 0.4 * volume
    back = -neutral[neutral[:, 1] > 0][:, 2].min() + 1.0
    front = neutral[neutral[:, 1] > 6.5][:, 2].max()
    centre, depth = (front - back) / 2, (front + back) / 2
    cap = along < 0.45
    lift = np.clip(along / 0.45, 0, 1) * np.pi / 2
    fall = np.clip((along - 0.45) / 0.55, 0, 1)
    sway = 0.03 * wave * np.sin(9 * fall + 3 * angle + phase)
    straight = 1 + 0.10 * fall * (1 - fall) * 4 * (0.3 + wave) - 0.05 * fall + sway
    radius = np.where(cap, np.sin(lift), straight)
    height = np.where(cap, 1.5 + (top - 1.5) * np.cos(lift), 1.5 + (bottom - 1.5) * fall)
    height = height + 0.8 * fall * np.sin(23 * angle + phase) * np.sin(7 * angle)
    x = side * radius * np.sin(angle) * (1 + 0.02 * np.sin(5 * angle + phase))
    z = centre + depth * radius * np.cos(angle) * np.where(np.cos(angle) > 0, 0.55, 1.0)
    points = np.stack(np.broadcast_arrays(x, height, z), -1).reshape(-1, 3)
    index = np.arange(points.shape[0]).reshape(CURTAIN_ROWS, CURTAIN_COLUMNS)
    corners = (index[:-1, :-1], index[1:, :-1], index[1:, 1:], index[:-1, 1:])
    return points.astype(np.float32), np.stack([c.ravel() for c in corners], 1).astype(np.int32)


def curtain_coordinates(below: int) -> np.ndarray:
    """Coordinates (N, 2) of the curtain's vertices in a strand pattern `below` rows down."""
    across = np.linspace(4, WIDTH - 5, CURTAIN_COLUMNS)
    down = below + np.linspace(4, HEIGHT - 5, CURTAIN_ROWS)
    grid = np.stack(np.meshgrid(across, down), -1)
    return grid.reshape(-1, 2).astype(np.float32)
