"""Procedural skin: a colour texture of the head in cylindrical coordinates."""

from __future__ import annotations

import math
from functools import lru_cache

import cv2
import numpy as np

from affectkit.faces.assets import load_head
from affectkit.faces.sampling import stream

WIDTH, HEIGHT = 384, 320
HALF_ANGLE = math.radians(110)
TOP, BOTTOM = 12.0, -14.0  # centimetres above the eyes
AXIS_DEPTH = 4.0  # z of the cylinder's axis, in centimetres
# Middle line of the left eyebrow on the template, from the nose outwards, in centimetres.
BROW_PATH = np.array([(1.35, 1.9, 15.0), (2.3, 2.2, 14.8), (3.3, 2.4, 14.4), (4.3, 2.25, 13.8),
                      (5.4, 1.65, 12.6)])  # fmt: skip


def texture_coordinates(positions: np.ndarray) -> np.ndarray:
    """Texture pixel (V, 2) of template positions (V, 3): angle about the head axis, and height."""
    angle = np.arctan2(positions[:, 0], positions[:, 2] - AXIS_DEPTH)
    across = (angle / HALF_ANGLE + 1) / 2 * WIDTH
    down = (TOP - positions[:, 1]) / (TOP - BOTTOM) * HEIGHT
    return np.stack([across, down], 1).astype(np.float32) - 0.5


def srgb_to_linear(value) -> np.ndarray:
    """Decode sRGB in [0, 1] to linear light."""
    value = np.asarray(value, np.float32)
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


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

    ITA = atan((L* - 50) / b*) (Chardon et al., 1991), with L* held within that of human skin.
    """
    b = float(np.clip(17 + rng.normal(0, 1.8) - 3 * (ita < -20), 10, 22))
    lightness = float(np.clip(50 + b * math.tan(math.radians(ita)), 26, 74))
    return lab_to_linear(lightness, float(np.clip(11 + rng.normal(0, 1.4), 7, 15)), b)


def noise(rng, octaves, height=HEIGHT, width=WIDTH) -> np.ndarray:
    """Smooth noise: a sum of (cells across, amplitude) random grids enlarged to the size."""
    total = np.zeros((height, width), np.float32)
    for cells, amplitude in octaves:
        grid = rng.normal(size=(cells, cells)).astype(np.float32)
        total += amplitude * cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC)
    return total


def _spot(x, y, radius_x, radius_y):
    """A Gaussian spot at template (x, y) centimetres, mirrored to both sides."""
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
    angle = ((columns + 0.5) / WIDTH * 2 - 1) * HALF_ANGLE
    across = np.abs(angle) * 9.5
    height = TOP - (rows + 0.5) / HEIGHT * (TOP - BOTTOM)
    return np.exp(-(((across - x) / radius_x) ** 2) - ((height - y) / radius_y) ** 2)


def _polygon(points, softness):
    mask = np.zeros((HEIGHT, WIDTH), np.float32)
    cv2.fillPoly(mask, [np.rint((points + 0.5) * 8).astype(np.int32)], 1.0, cv2.LINE_8, 3)
    return cv2.GaussianBlur(mask, (0, 0), softness)


def smooth_curve(points, closed=True, steps=8) -> np.ndarray:
    """Catmull-Rom curve through points (N, 2)."""
    count = len(points)
    result = []
    for position in np.linspace(0, count if closed else count - 1, count * steps, endpoint=False):
        index = int(position)
        t = position - index
        neighbours = [index - 1, index, index + 1, index + 2]
        if closed:
            p = [points[i % count] for i in neighbours]
        else:
            p = [points[min(max(i, 0), count - 1)] for i in neighbours]
        result.append(0.5 * (2 * p[1] + (p[2] - p[0]) * t + (2 * p[0] - 5 * p[1] + 4 * p[2] - p[3])
                             * t**2 + (3 * p[1] - p[0] - 3 * p[2] + p[3]) * t**3))  # fmt: skip
    return np.array(result)


@lru_cache(maxsize=1)
def landmark_texture() -> np.ndarray:
    """Texture pixels (68, 2) of the landmarks on the template."""
    head = load_head()
    return texture_coordinates(head.positions[head.landmarks])


@lru_cache(maxsize=1)
def regions() -> dict[str, np.ndarray]:
    """Soft masks (HEIGHT, WIDTH) float32 of skin regions."""
    points = landmark_texture()
    eyes = np.zeros((HEIGHT, WIDTH), np.float32)
    for part in (slice(36, 42), slice(42, 48)):
        outline = np.rint((smooth_curve(points[part]) + 0.5) * 8).astype(np.int32)
        cv2.polylines(eyes, [outline], True, 1.0, 2, cv2.LINE_8, 3)
    beard = (_spot(4.5, -9, 4.0, 3.6) + _spot(0, -11, 4, 3.5) + _spot(7.5, -4, 2.2, 4)).clip(0, 1)
    moustache = _spot(1.2, -5.6, 1.9, 0.62)
    goatee = _spot(0, -9.2, 1.7, 2.2)
    lips = _polygon(smooth_curve(points[48:60]), 1.2)
    keep = 1 - np.clip(1.6 * cv2.GaussianBlur(lips, (0, 0), 1.5), 0, 1)
    return dict(
        lips=lips, eyelines=cv2.GaussianBlur(eyes, (0, 0), 1.0),
        cheeks=_spot(4.6, -3.6, 2.0, 1.8), nose=_spot(0, -3.6, 1.6, 2.0),
        eyelids=_spot(3.3, 0.95, 1.5, 0.6), under_eyes=_spot(3.1, -1.1, 1.4, 0.6),
        beard=beard * keep, moustache=moustache * keep, goatee=goatee * keep,
    )  # fmt: skip


def brow_mask(face: dict) -> np.ndarray:
    """Opacity (HEIGHT, WIDTH) of both eyebrows as strokes of hair."""
    rng = stream(face["subject"], "brows")
    scale = 2
    mask = np.zeros((HEIGHT * scale, WIDTH * scale), np.float32)
    masculine = face["gender"] < 0.5
    count = int(rng.uniform(90, 190) * (1.0 if masculine else 0.8))
    thickness = rng.uniform(3.4, 6.4) * (1.15 if masculine else 0.8)
    arch = rng.normal(0, 1.2)
    for side in (-1, 1):
        brow = texture_coordinates(BROW_PATH * np.array([side, 1, 1]))
        brow[2:4, 1] -= arch
        curve = smooth_curve(brow, closed=False)
        along = rng.uniform(size=count) ** 0.9
        start = curve[(along * (len(curve) - 1)).astype(int)]
        width = thickness * np.where(along < 0.35, 0.55 + 0.9 * along, 1 - (along - 0.35) / 0.75)
        offset = np.clip(rng.normal(0, 0.42, count), -1, 1)
        length = rng.uniform(4, 8.5, count) * (1 - 0.35 * along)
        angle = 1.05 * (1 - along) ** 1.6 - 0.12 + offset * 0.35 + rng.normal(0, 0.12, count)
        start = start + np.stack([np.zeros(count), offset * width], 1)
        end = start + length[:, None] * np.stack([side * np.cos(angle), -np.sin(angle)], 1)
        segments = np.rint(np.stack([start, end], 1) * scale * 8).astype(np.int32)
        for segment, strength in zip(segments, rng.uniform(0.45, 1, count), strict=True):
            cv2.line(mask, segment[0].tolist(), segment[1].tolist(), float(strength), 1,
                     cv2.LINE_8, 3)  # fmt: skip
    mask = cv2.resize(cv2.GaussianBlur(mask, (0, 0), 0.8), (WIDTH, HEIGHT),
                      interpolation=cv2.INTER_AREA)  # fmt: skip
    soft = cv2.GaussianBlur(mask, (0, 0), 2.0)
    return np.clip(1.5 * mask + 0.9 * soft, 0, 0.94) * rng.uniform(0.75, 1)


def skin_texture(face: dict) -> np.ndarray:
    """Linear RGB and shininess (HEIGHT, WIDTH, 4) float32 of one subject's skin."""
    rng = stream(face["subject"], "skin")
    area = regions()
    skin = skin_colour(face["skin_tone_ita"], rng)
    colour = np.ones((HEIGHT, WIDTH, 3), np.float32) * skin
    redness = (0.55 * area["cheeks"] + 0.75 * area["nose"]) * rng.uniform(0.1, 0.6)
    redness = np.clip(redness + 0.12 * noise(rng, ((6, 1), (14, 0.6))), -0.3, 1)
    colour *= 1 + redness[..., None] * np.array([0.10, -0.16, -0.14], np.float32)
    colour *= 1 + 0.05 * noise(rng, ((5, 1), (20, 0.5), (64, 0.5)))[..., None]
    shade = area["under_eyes"] * rng.uniform(0.1, 0.5) + area["eyelids"] * rng.uniform(0.1, 0.45)
    colour *= 1 - shade[..., None] * np.array([0.28, 0.38, 0.34], np.float32)
    pores = cv2.GaussianBlur(rng.normal(size=(HEIGHT, WIDTH)).astype(np.float32), (0, 0), 0.8)
    colour *= 1 + 0.10 * pores[..., None]
    makeup = face["makeup"]
    lip = skin * np.array([0.95, 0.58, 0.58], np.float32)
    stick = np.array([0.35, 0.03, 0.05], np.float32) * rng.uniform(0.5, 1.3)
    lip = (1 - 0.7 * makeup) * lip + 0.7 * makeup * stick
    lip_mask = np.clip(1.2 * area["lips"], 0, 1)[..., None] * 0.85
    colour = colour * (1 - lip_mask) + lip_mask * lip
    lid = (area["eyelids"] * makeup * 0.6)[..., None]
    colour = colour * (1 - lid) + lid * np.array([0.10, 0.06, 0.07], np.float32) * 1.3
    liner = np.clip(area["eyelines"] * (0.75 + 0.45 * makeup), 0, 0.85)[..., None]
    colour *= 1 - liner * np.array([0.75, 0.9, 0.9], np.float32)
    if face["beard"] > 0:
        colour = _add_beard(colour, skin, face, rng)
    brows = brow_mask(face)[..., None]
    colour = colour * (1 - brows) + brows * np.minimum(face["hair_colour"] * 0.9, 0.09)
    shine = 0.5 + 0.5 * (area["nose"] + 0.9 * area["lips"]) - 0.6 * brows[..., 0]
    return np.dstack([np.clip(colour, 0.002, 0.95), np.clip(shine, 0.05, 1.6)]).astype(np.float32)


def _add_beard(colour, skin, face, rng):
    area = regions()
    grain = cv2.GaussianBlur(rng.normal(size=(HEIGHT, WIDTH)).astype(np.float32), (0, 0), 0.7)
    grain = np.clip(0.62 + 0.38 * grain / grain.std(), 0, 1.3)
    full = np.maximum(area["beard"], area["moustache"])
    style = rng.integers(4)
    shape = (full, np.maximum(area["moustache"], area["goatee"]), area["moustache"], full)[style]
    amount = face["beard"]
    opacity = np.clip(full * min(amount, 0.45) * 0.75 * (0.75 + 0.25 * grain), 0, 1)
    hair = skin * 0.28
    if amount > 0.55:
        opacity = np.maximum(opacity, np.clip(shape * 1.3 * amount * grain, 0, 0.95))
        hair = np.minimum(face["hair_colour"] * 0.9, 0.2)
    return colour * (1 - opacity[..., None]) + opacity[..., None] * hair
