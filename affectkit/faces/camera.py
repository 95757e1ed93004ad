"""Camera: framing, projection, and what a sensor and a codec do to the picture."""

from __future__ import annotations

import math

import cv2
import numpy as np

from affectkit.faces.colour import linear_to_srgb
from affectkit.faces.randomness import stream


def face_box(points: np.ndarray) -> np.ndarray:
    """Detector-like square face box (x, y, width, height) of landmark pixels (68, 2).

    From above the brows to the chin, centred on the face; not clipped to the image.
    """
    low, high = points.min(0), points.max(0)
    height = (high[1] - low[1]) * 1.22
    side = max(height, (high[0] - low[0]) * 1.02)
    centre_x = (low[0] + high[0]) / 2
    bottom = high[1] + 0.02 * height
    return np.array([centre_x - side / 2, bottom - (side + height) / 2, side, side])


def project(points: np.ndarray, frame: tuple[float, float, float]) -> np.ndarray:
    """Perspective projection of camera-space points (N, 3) to pixels (N, 2).

    `frame` is (focal length in pixels, x and y of the optical centre in pixels); the camera looks
    down -z.
    """
    focal, x, y = frame
    return np.stack(
        [x + focal * points[:, 0] / -points[:, 2], y - focal * points[:, 1] / -points[:, 2]], 1
    ).astype(np.float32)


def frame_face(landmarks: np.ndarray, size: int, face: dict) -> tuple[float, float, float]:
    """Choose the frame that shows the face with some margin, as AffectNet's crops do."""
    rng = stream(face["seed"], "framing")
    plane = project(landmarks, (1.0, 0.0, 0.0))
    x, y, side, _ = face_box(plane)
    focal = size * rng.uniform(0.62, 0.8) / side
    centre = np.array([x + side / 2, y + side / 2]) + rng.normal(0, 0.03, 2) * side
    wanted = (size - 1) / 2
    return focal, wanted - focal * centre[0], wanted - focal * (centre[1] - 0.03 * side)


def expose(image: np.ndarray, light: float, skin: float, face: dict) -> np.ndarray:
    """Turn linear light (S, S, 3) into an sRGB picture uint8, with a camera's faults.

    The exposure meter evens out most of the mean light on the face and half (in stops) of the
    difference between skin tones, `skin` being the linear reflectance.
    """
    rng = stream(face["seed"], "camera")
    gain = 0.43 / (max(light, 0.1) ** 0.75 * max(skin, 0.01) ** 0.5) * math.exp(rng.normal(0, 0.18))
    image = image * gain * np.exp(rng.normal(0, 0.05, 3)).astype(np.float32)
    image = np.where(image > 0.7, 0.7 + 0.3 * (1 - np.exp(-(image - 0.7) / 0.3)), image)
    size = image.shape[0]
    if face["blur"] > 0:
        image = cv2.GaussianBlur(image, (0, 0), max(face["blur"] * size / 112, 0.05))
    if rng.uniform() < 0.2:
        small = max(int(size * rng.uniform(0.35, 0.8)), 8)
        image = cv2.resize(image, (small, small), interpolation=cv2.INTER_AREA)
        image = cv2.resize(image, (size, size), interpolation=cv2.INTER_CUBIC)
    grain = abs(rng.normal(0, 0.012))
    shape = image.shape
    image = np.clip(image, 0, 1)
    image = image + rng.standard_normal(shape, np.float32) * np.sqrt(image * 0.3 + 0.02) * grain
    picture = linear_to_srgb(image)
    contrast = float(np.clip(rng.normal(1.06, 0.1), 0.75, 1.35))
    picture = np.clip((picture - 0.45) * contrast + 0.45, 0, 1)
    if face["grey"]:
        picture = np.repeat((picture @ np.array([0.299, 0.587, 0.114]))[..., None], 3, axis=2)
    picture = np.ascontiguousarray((picture * 255 + 0.5).astype(np.uint8)[..., ::-1])
    quality = int(rng.integers(45, 97))
    encoded = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return np.ascontiguousarray(cv2.imdecode(encoded, cv2.IMREAD_COLOR)[..., ::-1])
