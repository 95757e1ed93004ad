"""Render one face and its ground truth."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np

from affectkit.faces import camera, lighting
from affectkit.faces.accessories import add_glasses, add_occluder
from affectkit.faces.assets import HAIR, LASHES, SKIN, load_head
from affectkit.faces.expressions import morph_weights
from affectkit.faces.geometry import (
    expressive_vertices,
    identity_vertices,
    macro_weights,
    rotation,
    turn_eyes,
    vertex_normals,
)
from affectkit.faces.hair import curtain, grow_hair, hair_field
from affectkit.faces.rasterize import barycentric, rasterize
from affectkit.faces.sampling import draw_face, skin_tone_category
from affectkit.faces.shading import shade
from affectkit.faces.skin import skin_texture

SUPERSAMPLING = 2
PIVOT = np.array([0, -2, 6], np.float32)
SUBJECT_KEYS = ("subject", "age", "gender", "skin_tone_ita", "hair", "beard", "makeup")
_GREATEST_SIZE = 1024


class _Subject:
    """What is the same in all images of a subject: neutral vertices, texture, hair."""

    def __init__(self, face: dict):
        head = load_head()
        macro = macro_weights(face["ethnicity"], face["gender"], face["age"])
        self.neutral = identity_vertices(head, macro, face["details"])
        self.texture = skin_texture(face)
        self.field = hair_field(head.positions, face)
        grown = grow_hair(head, self.neutral, self.field, face)
        self.growth = grown - self.neutral
        self.curtain, self.curtain_triangles = curtain(self.neutral, face)


@lru_cache(maxsize=4)
def _cached_subject(key) -> _Subject:
    return _Subject(dict(key[1]))


class _Key(tuple):
    """Hashes by its first item only, a digest of the subject's parameters."""

    def __hash__(self):
        return hash(self[0])

    def __eq__(self, other):
        return self[0] == other[0]


def _subject(face: dict) -> _Subject:
    names = (*SUBJECT_KEYS, "ethnicity", "details", "hair_colour")
    digest = b"|".join(np.asarray(face[name]).tobytes() for name in names)
    return _cached_subject(_Key((digest, tuple((name, face[name]) for name in names))))


def render_face(seed: int, size: int = 112, **fixed) -> tuple[np.ndarray, dict]:
    """Render one synthetic face.

    Parameters
    ----------
    seed : int
        Zero or more. The same seed and arguments give the same image.
    size : int
        Width and height in pixels, 32 to 1024.
    **fixed
        Parameters to set instead of draw, see `affectkit.faces.sampling.draw_face`; for example
        ``yaw=20``, ``expression_clean="Happy"``, ``intensity=1.0`` or ``subject=7``.

    Returns
    -------
    image : ndarray, shape (size, size, 3), uint8
        RGB picture in sRGB.
    truth : dict
        All drawn parameters, the annotation (`expression`, `expression_second`, `valence`,
        `arousal`), `landmarks` (68, 2) and `face_box` (x, y, width, height), both in pixels.

    Raises
    ------
    ValueError
        If the size or a parameter is impossible.
    """
    if not 32 <= size <= _GREATEST_SIZE:
        raise ValueError(f"expected a size of 32 to {_GREATEST_SIZE} pixels, got {size}")
    face = draw_face(seed, **fixed)
    head = load_head()
    subject = _subject(face)
    weights = morph_weights(face["action_units"], head.unit_names)
    moved = expressive_vertices(head, subject.neutral, weights)
    moved = turn_eyes(head, moved, face["gaze_yaw"], face["gaze_pitch"]) + subject.growth
    turn = rotation(face["yaw"], face["pitch"], face["roll"])
    shift = np.array([0, 0, -face["distance"]], np.float32)

    def to_camera(points):
        return (points - PIVOT) @ turn.T + shift

    vertices = to_camera(np.concatenate([moved, subject.curtain]))
    normals = vertex_normals(moved, head.quads)
    scale = size * SUPERSAMPLING
    marks = vertices[head.landmarks]
    frame = camera.frame_face(marks, scale, face)
    keep = head.material != LASHES
    triangles = np.concatenate([head.triangles[keep], subject.curtain_triangles + len(moved)])
    material = np.concatenate(
        [head.material[keep], np.full(len(subject.curtain_triangles), HAIR, np.uint8)]
    )
    pixels = camera.project(vertices, frame)
    front = _front_facing(pixels, triangles) | (material != SKIN)
    triangles, material = triangles[front], material[front]
    nearness = np.clip(10.0 / -vertices[:, 2], 0, 1)
    index, _ = rasterize(pixels, nearness, triangles, scale, scale)
    rows, columns, corner_weights = barycentric(index, pixels, nearness, triangles)
    chosen = index[rows, columns]
    surface = dict(
        corners=triangles[chosen], weights=corner_weights, material=material[chosen],
        vertices=vertices, normals=normals, turn=turn, units=face["action_units"],
        subject=subject, face=face, pixels_per_cm=frame[0] / face["distance"],
    )  # fmt: skip
    colour, level = shade(head, surface)
    picture = camera.background(scale, face) * np.float32(level * 1.1)
    picture[rows, columns] = colour
    if face["glasses"] != "none":
        neutral = subject.neutral[head.landmarks]
        picture = add_glasses(picture, neutral, to_camera, frame, face, level)
    if face["occluder"] != "none":
        skin = subject.texture[..., :3].mean((0, 1))
        picture, _ = add_occluder(picture, skin, face, level)
    picture = cv2.resize(picture, (size, size), interpolation=cv2.INTER_AREA)
    image = camera.expose(picture, level * _skin_level(subject), face)
    landmarks = (camera.project(marks, frame) + 0.5) / SUPERSAMPLING - 0.5
    return image, _truth(face, landmarks, size)


def _skin_level(subject) -> float:
    return float(subject.texture[..., :3].mean())


def _front_facing(pixels, triangles):
    a, b, c = (pixels[triangles[:, corner]] for corner in range(3))
    ab, ac = b - a, c - a
    return ab[:, 0] * ac[:, 1] - ab[:, 1] * ac[:, 0] < 0


def _truth(face: dict, landmarks: np.ndarray, size: int) -> dict:
    x, y, width, height = camera.face_box(landmarks)
    left, top = max(x, 0), max(y, 0)
    right, bottom = min(x + width, size), min(y + height, size)
    truth = {name: value for name, value in face.items() if name != "details"}
    truth["skin_tone"] = skin_tone_category(face["skin_tone_ita"])
    truth["landmarks"] = landmarks
    truth["face_box"] = (float(left), float(top), float(right - left), float(bottom - top))
    return truth


def render_sweep(seed: int, parameter: str, values, size: int = 112, **fixed):
    """Render the same face once for each value of one parameter.

    Parameters
    ----------
    seed : int
        Seed of the face.
    parameter : str
        Name of a parameter of `affectkit.faces.sampling.draw_face`, such as "light_azimuth".
    values : iterable
        Its values.

    Returns
    -------
    images : ndarray, shape (N, size, size, 3), uint8
        RGB pictures.
    truths : list of dict
        Ground truth of each.
    """
    results = [render_face(seed, size, **{**fixed, parameter: value}) for value in values]
    return np.stack([image for image, _ in results]), [truth for _, truth in results]
