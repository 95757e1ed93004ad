"""Colour of the visible surface points: materials, light and reflection."""

from __future__ import annotations

import cv2
import numpy as np

from affectkit.faces import lighting
from affectkit.faces.assets import (
    HAIR,
    LEFT_EYE,
    LOWER_TEETH,
    MOUTH_LINING,
    RIGHT_EYE,
    SKIN,
    TONGUE,
    UPPER_TEETH,
    Head,
)
from affectkit.faces.sampling import stream
from affectkit.faces.skin import HEIGHT, WIDTH, srgb_to_linear, texture_coordinates

IRIS_RADIUS, PUPIL_RADIUS = 0.60, 0.24
IRIS_COLOURS = ((0.055, 0.025, 0.012), (0.09, 0.045, 0.02), (0.12, 0.09, 0.05),
                (0.10, 0.17, 0.25), (0.10, 0.15, 0.10))  # fmt: skip
_WRAP = np.array([0.32, 0.16, 0.11], np.float32)


def interpolate(values, corners, weights):
    """Interpolate vertex values (V, C) at points with corner vertices and weights (P, 3)."""
    return (
        values[corners[:, 0]] * weights[:, :1]
        + values[corners[:, 1]] * weights[:, 1:2]
        + values[corners[:, 2]] * weights[:, 2:]
    )


def sample_texture(texture, coordinates):
    """Bilinear samples (P, C) of a texture (H, W, C) at pixel coordinates (P, 2)."""
    count, row = len(coordinates), 1024
    padded = np.zeros((-(-count // row) * row, 2), np.float32)
    padded[:count] = coordinates
    maps = padded.reshape(-1, row, 2)
    sampled = cv2.remap(texture, maps, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return sampled.reshape(len(padded), -1)[:count]


def _unit(vectors):
    return vectors / (np.sqrt((vectors * vectors).sum(1, keepdims=True)) + 1e-9)


def _step(value, edge, softness):
    return np.clip((value - edge) / softness + 0.5, 0, 1)


def shade(head: Head, surface: dict) -> tuple[np.ndarray, float]:
    """Return linear RGB (P, 3) float32 of the points and the mean light level on the skin."""
    face, subject = surface["face"], surface["subject"]
    corners, weights, material = surface["corners"], surface["weights"], surface["material"]
    extra = len(subject.curtain)
    direction = lighting.key_direction(face["light_azimuth"], face["light_elevation"])
    lit = lighting.vertex_visibility(head, surface["turn"].T @ direction)
    template = np.concatenate([head.positions, subject.curtain])
    attributes = np.concatenate([
        np.concatenate([surface["normals"] @ surface["turn"].T, np.zeros((extra, 3))]),
        surface["vertices"],
        template,
        np.concatenate([texture_coordinates(head.positions), np.zeros((extra, 2))]),
        np.concatenate([lit, np.ones(extra)])[:, None],
        np.concatenate([lighting.vertex_openness(head), np.ones(extra)])[:, None],
        np.concatenate([subject.field, np.full(extra, 5.0)])[:, None],
        np.concatenate([head.ears, np.zeros(extra)])[:, None],
    ], axis=1).astype(np.float32)  # fmt: skip
    points = interpolate(attributes, corners, weights)
    normal, position, place = _unit(points[:, :3]), points[:, 3:6], points[:, 6:9]
    visible, openness, field, ears = points[:, 11], points[:, 12], points[:, 13], points[:, 14]
    view = _unit(-position)
    curtain = material == HAIR
    if curtain.any():
        normal[curtain] = _curtain_normals(place[curtain]) @ surface["turn"].T
    away = (normal * view).sum(1) < 0
    normal[away & (material != SKIN)] *= -1

    texture = sample_texture(subject.texture, points[:, 9:11])
    albedo, shine = texture[:, :3].copy(), texture[:, 3].copy()
    hair = _paint_hair(albedo, shine, material, place, field, ears, face)
    _paint_mouth(albedo, shine, openness, material, place, face)
    _paint_eyes(albedo, shine, openness, material, place, head, face)
    _paint_clothes(albedo, shine, material, place, face)

    cube = lighting.ambient_cube(face)
    light = lighting.ambient_light(normal, cube) * openness[:, None]
    key = lighting.key_colour(face)
    cosine = normal @ direction
    soft = (material == SKIN)[:, None] * (1 - hair[:, None]) * _WRAP + np.float32(0.05)
    diffuse = np.clip((cosine[:, None] + soft) / (1 + soft), 0, 1)
    light += key * diffuse * visible[:, None]
    half = _unit(direction + view)
    highlight = np.clip((normal * half).sum(1), 0, 1)
    facing = np.clip((normal * view).sum(1), 0, 1)
    fresnel = 0.035 + 0.5 * (1 - facing) ** 5
    oil = stream(face["seed"], "oil").uniform(0.3, 1.4)
    gloss = (0.9 * highlight**18 + 1.4 * highlight**70) * np.clip(cosine * 4, 0, 1) * visible * oil
    reflected = gloss[:, None] * key + 0.6 * light * fresnel[:, None]
    colour = albedo * light + (shine * fresnel * 1.4)[:, None] * reflected
    _add_catch_light(colour, material, normal, half, key, view)
    skin = (material == SKIN) & (hair < 0.5)
    level = float(np.percentile(light[skin].mean(1), 70)) if skin.any() else 0.5
    return colour.astype(np.float32), level


def _curtain_normals(place):
    outward = place * np.array([1, 0, 1], np.float32) - np.array([0, 0, 3], np.float32)
    outward[:, 1] = np.clip(place[:, 1] - 2, 0, 20) * 0.8
    return _unit(outward)


def _paint_hair(albedo, shine, material, place, field, ears, face):
    rng = stream(face["subject"], "hair_paint")
    phase = rng.uniform(0, 6, 3)
    angle = np.arctan2(place[:, 0], place[:, 2] - 4)
    strands = (
        np.sin(90 * angle + phase[0] + np.sin(place[:, 1]))
        + np.sin(151 * angle + phase[1])
        + np.sin(37 * angle + phase[2] + 0.5 * place[:, 1])
    ) / 3
    coverage = np.clip((field + 0.45 * strands) / 0.8, 0, 1)
    coverage *= (material == SKIN) * (1 - np.clip(3 * ears, 0, 1))
    coverage *= {"bald": 0.0, "buzz": 0.7}.get(face["hair"], 1.0)
    coverage[material == HAIR] = 1
    colour = face["hair_colour"] * (1 + 0.4 * strands[:, None])
    albedo += coverage[:, None] * (colour - albedo)
    shine += coverage * (0.35 - shine)
    return coverage


def _paint_mouth(albedo, shine, openness, material, place, face):
    rng = stream(face["subject"], "teeth")
    tone = rng.uniform(0.75, 1.05)
    lining = material == MOUTH_LINING
    albedo[lining] = (0.16, 0.035, 0.03)
    openness[lining] *= 0.3
    teeth = (material == UPPER_TEETH) | (material == LOWER_TEETH)
    albedo[teeth] = np.array([0.80, 0.74, 0.63]) * tone
    depth = np.clip((place[:, 2] - 11.5) / 3, 0.1, 1)
    openness[teeth] = 0.95 * depth[teeth]
    shine[teeth] = 1
    tongue = material == TONGUE
    albedo[tongue] = (0.32, 0.09, 0.09)
    openness[tongue] = 0.5 * depth[tongue]


def _paint_eyes(albedo, shine, openness, material, place, head, face):
    rng = stream(face["subject"], "eyes")
    brown = face["skin_tone_ita"] < 25
    iris = np.array(IRIS_COLOURS[rng.integers(0, 2) if brown else rng.integers(0, 5)])
    white = np.array([0.56, 0.53, 0.50]) * rng.uniform(0.85, 1.0)
    for number, code in enumerate((LEFT_EYE, RIGHT_EYE)):
        eye = material == code
        if not eye.any():
            continue
        centre = head.positions[head.eye_vertices[number]].mean(0)
        offset = place[eye] - centre
        radius = np.hypot(offset[:, 0], offset[:, 1])
        inside = _step(-radius, -IRIS_RADIUS, 0.1)[:, None]
        pupil = _step(-radius, -PUPIL_RADIUS, 0.08)[:, None]
        limbus = np.exp(-(((radius - IRIS_RADIUS) / 0.09) ** 2))[:, None]
        spokes = 1 + 0.2 * np.sin(np.arctan2(offset[:, 1], offset[:, 0]) * 23)[:, None]
        colour = white * (1 - inside) + iris * spokes * inside
        colour = colour * (1 - 0.55 * limbus) * (1 - pupil) + 0.004 * pupil
        albedo[eye] = colour
        shine[eye] = 0.1
        openness[eye] = np.clip(0.85 - 0.45 * np.clip(offset[:, 1], 0, 1), 0.2, 1)


def _paint_clothes(albedo, shine, material, place, face):
    rng = stream(face["seed"], "clothes")
    colour = srgb_to_linear(rng.uniform(0.05, 0.9, 3)).astype(np.float32)
    neckline = -16 - 2.5 * rng.uniform() * np.cos(place[:, 0] / 3)
    cloth = (material == SKIN) & (place[:, 1] < neckline)
    albedo[cloth] = colour
    shine[cloth] = 0.1


def _add_catch_light(colour, material, normal, half, key, view):
    eye = (material == LEFT_EYE) | (material == RIGHT_EYE)
    if eye.any():
        gloss = np.clip((normal[eye] * half[eye]).sum(1), 0, 1) ** 300
        window = _unit(np.array([0.15, 0.5, 1.0], np.float32) + view[eye])
        glint = np.clip((normal[eye] * window).sum(1), 0, 1) ** 250
        colour[eye] += gloss[:, None] * key * 0.6 + 0.25 * glint[:, None]
