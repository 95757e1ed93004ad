"""What every detector gives: faces, each in the square that the networks want."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

EYE_DISTANCE, EYE_HEIGHT, BOX_SIDE = 0.37, 0.39, 0.98
"""The eyes' distance, their height below the top, and BlazeFace's box, as shares of the side.

The first two are near the medians of FER2013's crops, which `affectkit-real` has learned from. The
third is larger than theirs, so that the box decides for faces that look away only. A test holds the
frames against those crops.
"""


@dataclass(frozen=True)
class Face:
    """One face that a detector found.

    Attributes
    ----------
    box : tuple of 4 float
        Left, top, width and height of the square that FER2013 would cut, in pixels; it may reach
        beyond the image.
    score : float
        0..1.
    eyes : tuple of 4 float
        x, y of the eye on the left of the picture, x, y of the other, in pixels.
    """

    box: tuple[float, float, float, float]
    score: float
    eyes: tuple[float, float, float, float]


def frame_face(eyes: np.ndarray, box_side: float) -> tuple[float, float, float, float]:
    """Give the square (left, top, width, height) that FER2013 would cut round a face, in pixels.

    The eyes, (2, 2), x and y of each, tell the side of a face that looks at the camera; the side of
    BlazeFace's box that of one that looks away, whose eyes are close together.
    """
    (left, top), (right, bottom) = eyes.tolist()  # plain numbers: quicker than numpy's functions
    distance = math.hypot(right - left, bottom - top)
    side = max(distance / EYE_DISTANCE, box_side / BOX_SIDE)
    x, y = (left + right) / 2, (top + bottom) / 2
    return x - side / 2, y - EYE_HEIGHT * side, side, side


def intersection_over_union(first: tuple[float, ...], second: tuple[float, ...]) -> float:
    """Give the shared part of two boxes (left, top, width, height): 0 apart, 1 the same."""
    width = min(first[0] + first[2], second[0] + second[2]) - max(first[0], second[0])
    height = min(first[1] + first[3], second[1] + second[3]) - max(first[1], second[1])
    if width <= 0 or height <= 0:
        return 0.0
    shared = width * height
    return shared / (first[2] * first[3] + second[2] * second[3] - shared)


def keep_distinct(faces: list[Face], shared: float = 0.4) -> list[Face]:
    """Leave out faces that were found again, the first stays; and sort the rest, the largest first.

    Two are the same if their squares share more than `shared` of the smaller one.
    """
    kept: list[Face] = []
    for face in faces:
        x, y, side, _ = face.box
        for other in kept:
            other_x, other_y, other_side, _ = other.box
            width = min(x + side, other_x + other_side) - max(x, other_x)
            height = min(y + side, other_y + other_side) - max(y, other_y)
            if min(width, height) > 0 and width * height > shared * min(side, other_side) ** 2:
                break
        else:
            kept.append(face)
    return sorted(kept, key=lambda face: -face.box[2])
