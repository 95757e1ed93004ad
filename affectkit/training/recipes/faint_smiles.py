"""Faint smiles on neutral photographs, for networks that take slight smiles for Neutral.

The corners of a neutral mouth are moved up and outwards, cheeks and lower lids a little up (action
units 12 and 6 of FACS; Ekman, Friesen & Hager, 2002). Each such face comes with the same one moved
about elsewhere, so that a network learns smiles rather than traces of moving pixels.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pandas as pd

from affectkit.data.table import SOFT_LABEL_COLUMNS
from affectkit.labels import EXPRESSIONS

Landmarks = Callable[[np.ndarray], np.ndarray | None]
"""From an RGB image to eyes, nose and corners of the mouth, as `YuNet.find_landmarks`."""

NEUTRAL_SHARE = 0.8
"""Faces that at least so many of the raters called Neutral get a smile."""

SMILE_SHARE = 0.8
"""So much of the label of a face with a smile is Happy; the rest is Neutral."""

STRENGTHS = (0.08, 0.22)
"""Least and greatest way of a corner of the mouth, in distances between the eyes."""

SMILING, MOVED = "+smile", "+moved"
"""Ends of the image_id of a face with a smile, and of one moved about."""

_SEARCH_SIDE = 224
_LEAST_EYE_DISTANCE = 0.25
_MOST_TURNED = 0.2


def add_faint_smiles(
    table: pd.DataFrame, faces: np.ndarray, find_landmarks: Landmarks, seed: int = 0
) -> tuple[pd.DataFrame, np.ndarray]:
    """Append two versions of each neutral photograph that looks at the camera.

    Takes n rows of `affectkit.data.table` (those with the raters' votes count) and their faces,
    uint8 (n, size, size, 3), RGB. Gives them with, at the end, all that smile (image_id ends in
    `SMILING`; `SMILE_SHARE` Happy, the rest Neutral, no valence and arousal), then the same faces
    moved about (`MOVED`, labels as they were).
    """
    neutral = table["soft_neutral"] >= NEUTRAL_SHARE  # only photographs have votes
    smiling, moved, kept = [], [], []
    for row in np.flatnonzero(neutral):
        landmarks = _frontal_landmarks(faces[row], find_landmarks)
        if landmarks is None:
            continue
        generator = np.random.default_rng([seed, row])
        smiling.append(draw_smile(faces[row], landmarks, generator))
        moved.append(move_about(faces[row], landmarks, generator))
        kept.append(row)
    if not kept:
        return table, faces
    others = table.iloc[kept].copy()
    others[["valence", "arousal"]] = np.nan
    happy = others.assign(image_id=others["image_id"] + SMILING)
    happy["expression"] = EXPRESSIONS.index("Happy")
    happy[list(SOFT_LABEL_COLUMNS)] = 0.0
    happy["soft_happy"], happy["soft_neutral"] = SMILE_SHARE, 1 - SMILE_SHARE
    others["image_id"] += MOVED
    joined = pd.concat([table, happy.astype(table.dtypes), others.astype(table.dtypes)])
    joined = joined.reset_index(drop=True)
    joined.attrs = dict(table.attrs)
    return joined, np.concatenate([faces, np.stack(smiling), np.stack(moved)])


def draw_smile(
    face: np.ndarray, landmarks: np.ndarray, generator: np.random.Generator
) -> np.ndarray:
    """Move the corners of the mouth up and out, cheeks and lower lids up.

    `face` is uint8 (size, size, 3), RGB; `landmarks` (5, 2) are x, y in pixels of the eyes, the
    nose and the corners of the mouth, the left ones of the picture first. The generator draws the
    strength, and how much the two sides differ.
    """
    eyes, corners = landmarks[:2], landmarks[3:]
    across, up, distance = _axes(eyes)
    strength = generator.uniform(*STRENGTHS) * distance
    moves = [(corners.mean(axis=0), -0.25 * strength * up, 0.12)]
    for corner, eye, side in zip(corners, eyes, (-1, 1), strict=True):
        own = strength * generator.normal(1, 0.12)
        cheek = corner + (0.08 * side * across + 0.38 * up) * distance
        moves += [
            (corner, own * (0.85 * up + 0.55 * side * across), 0.2),
            (cheek, 0.45 * own * up, 0.18),
            (eye - 0.14 * distance * up, 0.25 * strength * up, 0.1),
        ]
    return _warp(face, moves, distance)


def move_about(
    face: np.ndarray, landmarks: np.ndarray, generator: np.random.Generator
) -> np.ndarray:
    """Move the mouth's corners down, the mouth sideways, or the cheeks anywhere: no smile."""
    corners = landmarks[3:]
    across, up, distance = _axes(landmarks[:2])
    strength = generator.uniform(*STRENGTHS) * distance
    kind = generator.integers(3)
    direction = generator.choice([-1, 1])
    moves = []
    for corner, side in zip(corners, (-1, 1), strict=True):
        own = strength * generator.normal(1, 0.12)
        if kind == 0:
            moves.append((corner, own * (-0.3 * up + 0.2 * side * direction * across), 0.2))
        elif kind == 1:
            moves.append((corner, 0.5 * own * direction * across, 0.3))
        else:
            cheek = corner + (0.1 * side * across + 0.38 * up) * distance
            moves.append((cheek, 0.4 * own * generator.normal(0, 1, 2), 0.2))
    return _warp(face, moves, distance)


def _axes(eyes: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """Give the face's directions to the right of the picture and up, and its eyes' distance."""
    distance = float(np.linalg.norm(eyes[1] - eyes[0]))
    across = (eyes[1] - eyes[0]) / distance
    return across, np.array([across[1], -across[0]]), distance


def _warp(face: np.ndarray, moves: list[tuple], distance: float) -> np.ndarray:
    """Move round spots by ways in pixels; each fades with a Gaussian of a share of the distance."""
    rows, columns = np.mgrid[: face.shape[0], : face.shape[1]].astype(np.float32)
    x, y = columns.copy(), rows.copy()
    for (centre_x, centre_y), way, spread in moves:
        squared = (columns - centre_x) ** 2 + (rows - centre_y) ** 2
        near = np.exp(-squared / (2 * (spread * distance) ** 2))
        x -= near * way[0]
        y -= near * way[1]
    x, y = x.astype(np.float32), y.astype(np.float32)
    return cv2.remap(face, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def _frontal_landmarks(face: np.ndarray, find_landmarks: Landmarks) -> np.ndarray | None:
    """Find the landmarks of a face that looks at the camera."""
    scale = _SEARCH_SIDE / face.shape[0]
    landmarks = find_landmarks(cv2.resize(face, (_SEARCH_SIDE, _SEARCH_SIDE)))
    if landmarks is None:
        return None
    landmarks = landmarks / scale
    across, _, distance = _axes(landmarks[:2])
    turned = abs((landmarks[2] - landmarks[:2].mean(axis=0)) @ across)
    if distance < _LEAST_EYE_DISTANCE * face.shape[0] or turned > _MOST_TURNED * distance:
        return None
    return landmarks
