"""Glasses and sunglasses, painted in linear light."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from affectkit.faces.camera import project
from affectkit.faces.colour import srgb_to_linear
from affectkit.faces.randomness import stream

_EYES = (slice(36, 42), slice(42, 48))
_TEMPLES = np.array([[-7.2, 0.3, 4.0], [7.2, 0.3, 4.0]], np.float32)


def add_glasses(
    image: np.ndarray, landmarks: np.ndarray, to_camera: Callable, frame: tuple, face: dict,
    light: float,
) -> np.ndarray:  # fmt: skip
    """Draw glasses on a picture (S, S, 3) float32 in linear RGB.

    The landmarks (68, 3) are those of the expressionless face, which carries the glasses, in
    centimetres; `to_camera` maps head space to camera space, `frame` is that of `camera.project`,
    `light` the mean light on the face.
    """
    rng = stream(face["subject"], "glasses_shape")
    size = image.shape[0]
    dark = face["glasses"] == "sun"
    colour = srgb_to_linear(rng.uniform(0, 0.35, 3) * rng.uniform(0.1, 1)) + 0.01
    pixels_per_cm = frame[0] / -to_camera(landmarks[27:28])[0, 2]
    line = max(1, round(float(rng.uniform(0.14, 0.3) * pixels_per_cm)))
    depth = float(landmarks[27, 2]) + 0.4
    strokes = [(curve, True) for curve in _rims(landmarks, depth, rng)]
    for curve, _ in strokes:
        lens = np.zeros((size, size), np.float32)
        cv2.fillPoly(lens, [_path(curve, to_camera, frame)], 1.0, cv2.LINE_8, 3)
        opacity = lens[..., None] * (0.92 if dark else 0.06)
        image = image + opacity * ((0.02 if dark else 0.35) * light - image)
    height = float(landmarks[36:48, 1].mean()) + 0.4
    bridge = [[-0.9, height, depth], [0, height + 0.3, depth + 0.1], [0.9, height, depth]]
    nearer = np.argmax(to_camera(_TEMPLES)[:, 2])
    side = float(np.sign(_TEMPLES[nearer, 0]))
    arm = [[side * 5.6, height, depth - 0.5], _TEMPLES[nearer].tolist()]
    strokes += [(np.array(bridge), False), (np.array(arm), False)]
    rims = np.zeros((size, size), np.float32)
    for curve, closed in strokes:
        path = _path(curve, to_camera, frame)
        cv2.polylines(rims, [path], closed, 1.0, line, cv2.LINE_8, 3)
    rims = cv2.GaussianBlur(rims, (0, 0), 0.6)[..., None]
    return (image + rims * (colour * light - image)).astype(np.float32)


def _rims(landmarks: np.ndarray, depth: float, rng: np.random.Generator) -> list[np.ndarray]:
    """Superellipses (40, 3) round the eyes, bent round the face."""
    width, height, power = rng.uniform(2.3, 2.8), rng.uniform(1.6, 2.2), rng.uniform(2, 4)
    angle = np.linspace(0, 2 * np.pi, 40)
    across = np.sign(np.cos(angle)) * np.abs(np.cos(angle)) ** (2 / power) * width
    along = np.sign(np.sin(angle)) * np.abs(np.sin(angle)) ** (2 / power) * height
    rims = []
    for part in _EYES:
        x, y = landmarks[part, :2].mean(0)
        bend = 0.02 * (np.abs(x + across) - 1) ** 2
        rims.append(np.stack([1.04 * x + across, y - 0.15 + along, depth - bend], 1))
    return rims


def _path(curve: np.ndarray, to_camera: Callable, frame: tuple) -> np.ndarray:
    """Points (N, 2) int32 in eighths of a pixel, as OpenCV draws with shift 3."""
    pixels = project(to_camera(curve.astype(np.float32)), frame)
    return np.rint(pixels * 8).astype(np.int32)
