"""From identity and action units to posed vertices and normals."""

from __future__ import annotations

import math

import numpy as np

from affectkit.faces.assets import Head


def identity_vertices(head: Head, macro: np.ndarray, detail: np.ndarray) -> np.ndarray:
    """Return the neutral head (V, 3) float32 of one subject, in centimetres.

    `macro` (12,) weighs `head.macro_names` (ethnicity x gender x age) and sums to one; `detail`
    (K,) weighs `head.detail_names`, each in about [0, 1].
    """
    moved = head.positions.ravel() + macro @ head.macros
    used = np.flatnonzero(detail)
    return (moved + detail[used] @ head.details[used]).reshape(-1, 3).astype(np.float32)


def macro_weights(ethnicity: np.ndarray, femininity: float, age: float) -> np.ndarray:
    """Weigh the macro targets (12,) by ethnicity shares (3,), femininity and age in [0, 1]."""
    gender = np.array([1 - femininity, femininity])
    years = np.array([1 - age, age])
    return np.einsum("e,g,a->ega", np.asarray(ethnicity), gender, years).ravel()


def expressive_vertices(head: Head, neutral: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Add morph targets (`weights`, shape (52,)) to the neutral vertices (V, 3)."""
    used = np.flatnonzero(weights)
    offset = weights[used] @ head.units[used]
    return neutral + offset.reshape(-1, 3).astype(np.float32)


def rotation(yaw: float, pitch: float, roll: float) -> np.ndarray:
    """Rotation matrix (3, 3) of a head pose in degrees, applied as roll @ yaw @ pitch.

    Positive yaw turns the face to the image's right, positive pitch looks down, positive roll
    tilts the head counter-clockwise in the image.
    """
    y, p, r = (math.radians(angle) for angle in (yaw, pitch, roll))
    about_y = [[math.cos(y), 0, math.sin(y)], [0, 1, 0], [-math.sin(y), 0, math.cos(y)]]
    about_x = [[1, 0, 0], [0, math.cos(p), -math.sin(p)], [0, math.sin(p), math.cos(p)]]
    about_z = [[math.cos(r), -math.sin(r), 0], [math.sin(r), math.cos(r), 0], [0, 0, 1]]
    return (np.array(about_z) @ np.array(about_y) @ np.array(about_x)).astype(np.float32)


def turn_eyes(head: Head, vertices: np.ndarray, yaw: float, pitch: float) -> np.ndarray:
    """Rotate both eyeballs by the gaze in degrees (same signs as the head pose)."""
    turned = vertices.copy()
    matrix = rotation(yaw, pitch, 0)
    for eye in head.eye_vertices:
        centre = vertices[eye].mean(0)
        turned[eye] = (vertices[eye] - centre) @ matrix.T + centre
    return turned


def vertex_normals(vertices: np.ndarray, quads: np.ndarray) -> np.ndarray:
    """Area-weighted unit normals (V, 3) float32 of a quad mesh (Q, 4).

    The normal of a quad is the cross product of its diagonals.
    """
    corners = vertices[quads]
    face = np.cross(corners[:, 2] - corners[:, 0], corners[:, 3] - corners[:, 1])
    weights = np.repeat(face, 4, axis=0)
    index = quads.ravel()
    normals = np.stack(
        [np.bincount(index, weights[:, axis], len(vertices)) for axis in range(3)], axis=1
    )
    normals /= np.linalg.norm(normals, axis=1, keepdims=True) + 1e-9
    return normals.astype(np.float32)
