"""Render one face and its ground truth."""

from __future__ import annotations

from collections.abc import Iterable

import cv2
import numpy as np

from affectkit.faces import camera
from affectkit.faces.assets import HAIR, LASHES, SKIN, load_head
from affectkit.faces.background import background
from affectkit.faces.clothes import below_neckline
from affectkit.faces.expressions import morph_weights
from affectkit.faces.geometry import expressive_vertices, rotation, turn_eyes, vertex_normals
from affectkit.faces.glasses import add_glasses
from affectkit.faces.lighting import light_vertices
from affectkit.faces.occluders import add_occluder
from affectkit.faces.rasterize import barycentric, rasterize
from affectkit.faces.sampling import draw_face, skin_tone_category
from affectkit.faces.shading import Fragments, shade
from affectkit.faces.subject import Subject, load_subject
from affectkit.faces.wrinkles import wrinkle_map

SUPERSAMPLING = 2
PIVOT = np.array([0, -2, 6], np.float32)
LASH_OPACITY = 0.55
INSIDE_BIAS = 0.4  # centimetres
SMALLEST, GREATEST = 32, 1024


def render_face(seed: int, size: int = 112, **fixed: object) -> tuple[np.ndarray, dict]:
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
        All drawn parameters, among them the annotation (`expression`, `expression_second`,
        `valence`, `arousal`), and `landmarks` (68, 2) and `face_box` (x, y, width, height) in
        pixels, pixel centres at integers.

    Raises
    ------
    ValueError
        If the size or a parameter is impossible.
    """
    if not SMALLEST <= size <= GREATEST:
        raise ValueError(f"expected a size of {SMALLEST} to {GREATEST} pixels, got {size}")
    face = draw_face(seed, **fixed)
    head = load_head()
    subject = load_subject(face)
    scale = size * SUPERSAMPLING

    weights = morph_weights(face["action_units"], head.unit_names)
    moved = expressive_vertices(head, subject.neutral, weights)
    moved = turn_eyes(head, moved, face["gaze_yaw"], face["gaze_pitch"]) + subject.growth
    turn = rotation(face["yaw"], face["pitch"], face["roll"])
    away = np.array([0, 0, -face["distance"]], np.float32)

    def to_camera(points: np.ndarray) -> np.ndarray:
        return (points - PIVOT) @ turn.T + away

    vertices = to_camera(np.concatenate([moved, subject.curtain]))
    normals = _normals(moved, subject, turn)
    marks = vertices[head.landmarks]
    frame = camera.frame_face(marks, scale, face)
    pixels = camera.project(vertices, frame)
    nearness = np.clip(10 / -vertices[:, 2], 0, 1)
    picture = cv2.resize(background(size, face), (scale, scale), interpolation=cv2.INTER_LINEAR)

    triangles, material = _visible_triangles(subject, pixels)
    # The lips and cheeks hide teeth and lining that a wide morph pushes through them.
    inside = (material != SKIN) & (material != HAIR)
    bias = np.where(inside, 10 * INSIDE_BIAS / face["distance"] ** 2, 0).astype(np.float32)
    index, depth = rasterize(pixels, nearness, triangles, scale, scale, bias)
    rows, columns, corner_weights = barycentric(index, pixels, nearness, triangles)
    chosen = index[rows, columns]
    fragments = Fragments(rows, columns, triangles[chosen], corner_weights, material[chosen])
    neckline = np.concatenate([below_neckline(face), np.full(len(subject.curtain), -1)])
    light = light_vertices(normals, turn, face, len(subject.curtain))
    values = np.column_stack([light, subject.coordinates, neckline]).astype(np.float32)
    wrinkles = wrinkle_map(face["action_units"], face["age"], subject.wrinkle_variation)
    colour, level = shade(
        fragments, values, normals, subject.texture, wrinkles, face, scale,
        frame[0] / face["distance"],
    )  # fmt: skip
    picture *= np.float32(level * 1.1)
    picture[rows, columns] = colour
    _add_lashes(picture, pixels, nearness, depth, face)
    if face["glasses"] != "none":
        neutral = subject.neutral[head.landmarks]
        picture = add_glasses(picture, neutral, to_camera, frame, face, level)
    mark_pixels = camera.project(marks, frame)
    if face["occluder"] != "none":
        picture = add_occluder(picture, mark_pixels, subject.skin, face, level)
    picture = cv2.resize(picture, (size, size), interpolation=cv2.INTER_AREA)
    image = camera.expose(picture, level, subject.skin_level, face)
    landmarks = (mark_pixels + 0.5) / SUPERSAMPLING - 0.5
    return image, _truth(face, landmarks, size)


def _normals(moved: np.ndarray, subject: Subject, turn: np.ndarray) -> np.ndarray:
    """Camera-space normals (V + C, 3); the curtain's face the camera."""
    normals = vertex_normals(moved, load_head().quads) @ turn.T
    if not len(subject.curtain):
        return normals
    hanging = vertex_normals(subject.curtain, subject.curtain_quads) @ turn.T
    hanging *= np.where(hanging[:, 2:] < 0, -1, 1)
    return np.concatenate([normals, hanging])


def _visible_triangles(subject: Subject, pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Triangles (T, 3) to draw and their material (T,): no lashes, no skin that looks away."""
    head = load_head()
    quads = subject.curtain_quads + len(head.positions)
    hanging = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])
    triangles = np.concatenate([head.triangles, hanging])
    material = np.concatenate([head.material, np.full(len(hanging), HAIR, np.uint8)])
    a, b, c = (pixels[triangles[:, corner]] for corner in range(3))
    facing = (b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0] < 0
    keep = (facing | (material != SKIN)) & (material != LASHES)
    return triangles[keep], material[keep]


def _add_lashes(
    picture: np.ndarray, pixels: np.ndarray, nearness: np.ndarray, depth: np.ndarray, face: dict
) -> None:
    head = load_head()
    lashes = head.triangles[head.material == LASHES]
    index, near = rasterize(pixels, nearness, lashes, *depth.shape)
    shown = (index >= 0) & (near >= depth - 2e-4)
    opacity = np.float32(LASH_OPACITY + 0.3 * face["makeup"])
    picture[shown] *= 1 - opacity


def _truth(face: dict, landmarks: np.ndarray, size: int) -> dict:
    x, y, width, height = camera.face_box(landmarks)
    left, top = max(x, 0), max(y, 0)
    right, bottom = min(x + width, size), min(y + height, size)
    truth = {name: value for name, value in face.items() if name != "details"}
    truth["gender"] = "female" if face["femininity"] >= 0.5 else "male"
    truth["skin_tone"] = skin_tone_category(face["skin_tone_ita"])
    truth["landmarks"] = landmarks
    truth["face_box"] = (float(left), float(top), float(right - left), float(bottom - top))
    return truth


def render_sweep(
    seed: int, parameter: str, values: Iterable, size: int = 112, **fixed: object
) -> tuple[np.ndarray, list[dict]]:
    """Render the same face once for each value of one parameter.

    Parameters
    ----------
    seed : int
        Seed of the face.
    parameter : str
        Name of a parameter of `affectkit.faces.sampling.draw_face`, such as "light_azimuth".
    values : iterable
        Its values.
    size : int
        Width and height in pixels.
    **fixed
        Other parameters to set.

    Returns
    -------
    images : ndarray, shape (N, size, size, 3), uint8
        RGB pictures.
    truths : list of dict
        Ground truth of each.
    """
    results = [render_face(seed, size, **{**fixed, parameter: value}) for value in values]
    return np.stack([image for image, _ in results]), [truth for _, truth in results]
