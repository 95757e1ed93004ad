"""Colour of the visible surface points."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from affectkit.faces.assets import (
    HAIR,
    LEFT_EYE,
    LOWER_TEETH,
    MOUTH_LINING,
    RIGHT_EYE,
    SKIN,
    TONGUE,
    UPPER_TEETH,
    load_head,
)
from affectkit.faces.clothes import paint_clothes
from affectkit.faces.eyes import paint_eyes
from affectkit.faces.lighting import key_colour, key_direction
from affectkit.faces.randomness import stream
from affectkit.faces.wrinkles import SCALE

TOOTH_WIDTH = 0.75  # centimetres
WRINKLE_RELIEF, WRINKLE_SHADE = 0.32, 0.27


class Fragments(NamedTuple):
    """The visible surface points of one image, P of them in a square picture."""

    rows: np.ndarray
    columns: np.ndarray
    corners: np.ndarray
    weights: np.ndarray
    material: np.ndarray


def interpolate(values: np.ndarray, corners: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Interpolate vertex values (V, C) at points with corner vertices and weights (P, 3)."""
    total = values[corners[:, 0]] * weights[:, :1]
    total += values[corners[:, 1]] * weights[:, 1:2]
    total += values[corners[:, 2]] * weights[:, 2:]
    return total


def sample_texture(texture: np.ndarray, coordinates: np.ndarray) -> np.ndarray:
    """Bilinear samples (P, C) of a texture (H, W, C) at pixel coordinates (P, 2)."""
    count, row = len(coordinates), 1024
    padded = np.zeros((-(-count // row) * row, 2), np.float32)
    padded[:count] = coordinates
    maps = padded.reshape(-1, row, 2)
    sampled = cv2.remap(texture, maps, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return sampled.reshape(len(padded), -1)[:count]


def shade(
    fragments: Fragments, vertex_values: np.ndarray, normals: np.ndarray, texture: np.ndarray,
    wrinkles: np.ndarray, face: dict, size: int, pixels_per_cm: float,
) -> tuple[np.ndarray, float]:  # fmt: skip
    """Colour P fragments: linear RGB (P, 3) float32, and the mean light on the skin.

    Vertex values (V, 9) are light (6, see `lighting.light_vertices`), texture coordinates (2) and
    depth below the neckline in centimetres; normals are in camera space; the texture is linear RGB
    and shine; wrinkles are a `wrinkles.wrinkle_map`; `size` is the side of the picture.
    """
    points = interpolate(vertex_values, fragments.corners, fragments.weights)
    light, gloss, fresnel, visible = points[:, :3], points[:, 3], points[:, 4], points[:, 5]
    sampled = sample_texture(texture, points[:, 6:8])
    albedo, shine = sampled[:, :3].copy(), sampled[:, 3].copy()
    material = fragments.material
    skin = material == SKIN
    level = float(light[skin].mean()) if skin.any() else 0.5
    key = key_colour(face)

    depth = sample_texture(wrinkles, (points[:, 6:8] + 0.5) / SCALE - 0.5)[:, 0] * skin
    relief = _relief(depth, fragments, face, size, pixels_per_cm)
    light = np.maximum(light + key * (relief * visible)[:, None] + (0.25 * relief)[:, None], 0.02)
    albedo *= 1 - np.clip(WRINKLE_SHADE * depth, -0.1, 0.5)[:, None]

    glint = np.zeros(len(albedo), np.float32)
    _paint_mouth(albedo, shine, light, fragments, face)
    paint_clothes(albedo, shine, skin, points[:, 8], face)
    eye = np.flatnonzero((material == LEFT_EYE) | (material == RIGHT_EYE))
    if len(eye):
        corners, weights = fragments.corners[eye], fragments.weights[eye]
        place = interpolate(load_head().positions, corners, weights)
        facing = interpolate(normals, corners, weights)
        albedo[eye], glint[eye] = paint_eyes(material[eye], place, facing, face)
        shine[eye] = 0.05
    reflected = gloss[:, None] * key + light * (0.6 * fresnel)[:, None]
    colour = albedo * light + (1.4 * shine * fresnel)[:, None] * reflected
    return (colour + glint[:, None]).astype(np.float32), level


def _relief(
    depth: np.ndarray, fragments: Fragments, face: dict, size: int, pixels_per_cm: float
) -> np.ndarray:
    """Change of the cosine to the key light (P,) by the slope of the wrinkles."""
    height = np.zeros((size, size), np.float32)
    height[fragments.rows, fragments.columns] = -WRINKLE_RELIEF * depth
    direction = key_direction(face["light_azimuth"], face["light_elevation"])
    # Light from straight ahead shows no relief; keep some from above.
    across, up = float(direction[0]), float(max(direction[1], 0.3))
    kernel = np.array([[0, up, 0], [-across, 0, across], [0, -up, 0]], np.float32) / 2
    slope = cv2.filter2D(height, cv2.CV_32F, -kernel * pixels_per_cm * 0.45)
    return np.clip(slope[fragments.rows, fragments.columns], -0.5, 0.5)


def _paint_mouth(
    albedo: np.ndarray, shine: np.ndarray, light: np.ndarray, fragments: Fragments, face: dict
) -> None:
    """Colour, in place, teeth, tongue and the lining of the mouth."""
    material = fragments.material
    teeth = np.flatnonzero((material == UPPER_TEETH) | (material == LOWER_TEETH))
    if len(teeth):
        tone = stream(face["subject"], "teeth").uniform(0.8, 1.05)
        corners, weights = fragments.corners[teeth], fragments.weights[teeth]
        across = interpolate(load_head().positions[:, :1], corners, weights)
        gaps = np.exp(-((np.sin(np.pi * across / TOOTH_WIDTH) / 0.22) ** 2))
        albedo[teeth] = np.array([0.80, 0.75, 0.65]) * tone * (1 - 0.4 * gaps)
        shine[teeth] = 0.8
    tongue = material == TONGUE
    albedo[tongue] = (0.34, 0.10, 0.10)
    shine[tongue] = 0.8
    lining = material == MOUTH_LINING
    albedo[lining] = (0.16, 0.035, 0.03)
    light[lining] *= 0.35
    hair = material == HAIR
    shine[hair] = 0.2
