"""Things in front of the face: glasses and occluders, painted over the picture in linear light."""

from __future__ import annotations

import cv2
import numpy as np

from affectkit.faces.camera import project
from affectkit.faces.colour import srgb_to_linear
from affectkit.faces.randomness import stream


def _fill(size, outline):
    mask = np.zeros((size, size), np.float32)
    cv2.fillPoly(mask, [np.rint(outline * 8).astype(np.int32)], 1.0, cv2.LINE_8, 3)
    return mask


def add_glasses(image, neutral_landmarks, to_camera, frame, face, ambient: float):
    """Draw glasses on `image` (S, S, 3).

    Parameters
    ----------
    neutral_landmarks : ndarray, shape (68, 3)
        Landmarks of the expressionless face, which carries the frame.
    to_camera : callable
        Maps head-space points (N, 3) to camera space.
    """
    rng = stream(face["subject"], "glasses_shape")
    size = image.shape[0]
    width, height = rng.uniform(2.3, 2.8), rng.uniform(1.6, 2.2)
    power = rng.uniform(2, 4)
    colour = srgb_to_linear(rng.uniform(0, 0.35, 3) * rng.uniform(0.1, 1)) + 0.01
    pixels_per_cm = frame[0] / -to_camera(neutral_landmarks[27:28])[0, 2]
    line = max(1, int(round(rng.uniform(0.14, 0.3) * pixels_per_cm)))
    rims = np.zeros((size, size), np.float32)
    angle = np.linspace(0, 2 * np.pi, 40)
    bow_x = np.sign(np.cos(angle)) * np.abs(np.cos(angle)) ** (2 / power) * width
    bow_y = np.sign(np.sin(angle)) * np.abs(np.sin(angle)) ** (2 / power) * height
    depth = neutral_landmarks[27, 2] + 0.4
    for part in (slice(36, 42), slice(42, 48)):
        x, y = neutral_landmarks[part, :2].mean(0)
        bend = 0.02 * (np.abs(x + bow_x) - 1) ** 2
        rim = np.stack([x * 1.04 + bow_x, y - 0.15 + bow_y, depth - bend], 1)
        outline = project(to_camera(rim.astype(np.float32)), frame)
        lens = _fill(size, outline)[..., None] * (0.92 if face["glasses"] == "sun" else 0.06)
        tint = 0.02 if face["glasses"] == "sun" else 0.35 * ambient
        image = image * (1 - lens) + lens * np.float32(tint)
        cv2.polylines(rims, [np.rint(outline * 8).astype(np.int32)], True, 1.0, line,
                      cv2.LINE_8, 3)  # fmt: skip
    y = neutral_landmarks[36:48, 1].mean()
    bridge = np.array([[-0.9, y + 0.4, depth], [0, y + 0.7, depth + 0.1], [0.9, y + 0.4, depth]])
    arms = [
        np.array([[side * 5.6, y + 0.4, depth - 0.5], [side * 7.2, y + 0.3, 4.0]])
        for side in (-1, 1)
    ]
    towards = to_camera(np.array([[-7.2, y, 4.0], [7.2, y, 4.0]], np.float32))[:, 2]
    shown = [arms[0]] if towards[0] > towards[1] else [arms[1]]
    for stroke in [bridge, *shown]:
        path = project(to_camera(stroke.astype(np.float32)), frame)
        cv2.polylines(rims, [np.rint(path * 8).astype(np.int32)], False, 1.0, line,
                      cv2.LINE_8, 3)  # fmt: skip
    rims = cv2.GaussianBlur(rims, (0, 0), 0.6)[..., None]
    return (image * (1 - rims) + rims * colour * ambient).astype(np.float32)


def add_occluder(image, skin, face, ambient: float):
    """Paint a hand or an object over part of `image` (S, S, 3)."""
    rng = stream(face["seed"], "occluder_shape")
    size = image.shape[0]
    mask = np.zeros((size, size), np.float32)
    extent = rng.uniform(0.16, 0.36) * size
    if face["occluder"] == "hand":
        colour = np.asarray(skin)
        start = rng.uniform(0.2, 0.7) * size
        lean = rng.uniform(-0.1, 0.1) * size
        for finger in range(int(rng.integers(2, 5))):
            x = start + finger * size * 0.085
            tip = (int(x + lean), int(size - extent * rng.uniform(0.85, 1.15)))
            cv2.line(mask, (int(x), size), tip, 1.0, int(size * 0.075), cv2.LINE_8)
        shading = 0.55 + 0.45 * cv2.GaussianBlur(mask, (0, 0), size * 0.02)
    else:
        colour = srgb_to_linear(rng.uniform(0, 0.9, 3))
        quad = np.array([[0, 0], [size, 0], [size, extent], [0, extent * rng.uniform(0.5, 1.5)]])
        turn = cv2.getRotationMatrix2D((size / 2, size / 2), 90.0 * int(rng.integers(4)), 1)
        quad = (quad + rng.normal(0, 0.03 * size, quad.shape)) @ turn[:, :2].T + turn[:, 2]
        cv2.fillPoly(mask, [quad.astype(np.int32)], 1.0)
        shading = np.ones((size, size), np.float32)
    mask = cv2.GaussianBlur(mask, (0, 0), size / 190)
    paint = shading[..., None] * colour.astype(np.float32) * np.float32(ambient)
    return (image * (1 - mask[..., None]) + mask[..., None] * paint).astype(np.float32)
