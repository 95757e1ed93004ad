"""Hands, masks and objects in front of the face, painted in linear light."""

from __future__ import annotations

import math

import cv2
import numpy as np

from affectkit.faces.colour import srgb_to_linear
from affectkit.faces.randomness import stream
from affectkit.faces.texture_space import smooth_curve

_HAND_TARGETS = (57, 48, 54, 5, 11, 8, 3, 13, 33)  # landmarks that fingertips may touch
_MASK_OUTLINE = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 29)


def add_occluder(
    image: np.ndarray, landmarks: np.ndarray, skin: np.ndarray, face: dict, light: float
) -> np.ndarray:
    """Paint the face's occluder ("hand", "mask" or "object") over a picture (S, S, 3) float32.

    In linear RGB; `landmarks` (68, 2) in pixels, `skin` (3,) colours the hand, `light` is the mean
    light on the face.
    """
    rng = stream(face["seed"], "occluder_shape")
    if face["occluder"] == "hand":
        return _add_hand(image, landmarks, skin * light, rng)
    if face["occluder"] == "mask":
        return _add_mask(image, landmarks, light, rng)
    return _add_object(image, light, rng)


def _blend(image: np.ndarray, mask: np.ndarray, paint: np.ndarray) -> np.ndarray:
    return (image + mask[..., None] * (paint - image)).astype(np.float32)


def _capsule(size: int, start: np.ndarray, end: np.ndarray, width: float) -> np.ndarray:
    mask = np.zeros((size, size), np.float32)
    ends = [tuple(int(value) for value in np.rint(point * 8)) for point in (start, end)]
    cv2.line(mask, *ends, 1.0, max(int(width), 1), cv2.LINE_8, 3)
    return mask


def _add_hand(
    image: np.ndarray, landmarks: np.ndarray, colour: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    size = image.shape[0]
    span = np.ptp(landmarks[:, 0])
    target = landmarks[rng.choice(_HAND_TARGETS)]
    outwards = 1.0 if target[0] >= landmarks[30, 0] else -1.0
    angle = math.radians(rng.uniform(50, 100))
    reach = np.array([outwards * math.cos(angle), math.sin(angle)])
    across = np.array([-reach[1], reach[0]])
    width, fingers = span * rng.uniform(0.1, 0.135), int(rng.integers(2, 5))
    palm = target + reach * span * 0.75 + across * width * (fingers - 1) / 2
    parts = [(palm, palm + reach * span * 1.5, width * 4.2)]
    for finger in range(fingers):
        bend = rng.normal(0, 0.05)
        tip = target + across * width * 1.02 * finger + reach * width * abs(finger - 1) * 0.5
        parts.append((tip + (reach + bend * across) * span * 0.9, tip, width))
    for start, end, thick in parts:
        mask = _capsule(size, start, end, thick)
        round_shade = cv2.GaussianBlur(mask, (0, 0), max(thick * 0.28, 0.5))
        mask = cv2.GaussianBlur(mask, (0, 0), size / 250)
        image = _blend(image, mask, colour * (0.35 + 0.65 * round_shade)[..., None])
    return image


def _add_mask(
    image: np.ndarray, landmarks: np.ndarray, light: float, rng: np.random.Generator
) -> np.ndarray:
    size = image.shape[0]
    outline = landmarks[list(_MASK_OUTLINE)].copy()
    outline[-1] += (landmarks[27] - landmarks[30]) * 0.2
    mask = np.zeros((size, size), np.float32)
    curve = np.rint(smooth_curve(outline) * 8).astype(np.int32)
    cv2.fillPoly(mask, [curve], 1.0, cv2.LINE_8, 3)
    colours = ((0.75, 0.8, 0.8), (0.35, 0.6, 0.8), (0.03, 0.03, 0.03))
    colour = np.array(colours[rng.integers(len(colours))]) * light * rng.uniform(0.7, 1)
    rows = np.arange(size, dtype=np.float32)[:, None]
    pleats = 1 + 0.12 * np.sin(rows / np.ptp(landmarks[:, 1]) * 40) * np.ones((1, size))
    round_shade = 0.55 + 0.45 * cv2.GaussianBlur(mask, (0, 0), size / 16)
    mask = cv2.GaussianBlur(mask, (0, 0), size / 250)
    return _blend(image, mask, colour * (pleats * round_shade)[..., None])


def _add_object(image: np.ndarray, light: float, rng: np.random.Generator) -> np.ndarray:
    size = image.shape[0]
    mask = np.zeros((size, size), np.float32)
    extent = rng.uniform(0.16, 0.36) * size
    quad = np.array([[0, 0], [size, 0], [size, extent], [0, extent * rng.uniform(0.5, 1.5)]])
    turn = cv2.getRotationMatrix2D((size / 2, size / 2), 90.0 * int(rng.integers(4)), 1)
    quad = (quad + rng.normal(0, 0.03 * size, quad.shape)) @ turn[:, :2].T + turn[:, 2]
    cv2.fillPoly(mask, [quad.astype(np.int32)], 1.0)
    mask = cv2.GaussianBlur(mask, (0, 0), size / 190)
    colour = srgb_to_linear(rng.uniform(0, 0.9, 3)) * light
    return _blend(image, mask, colour.astype(np.float32))
