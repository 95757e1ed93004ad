"""Camera: framing, projection, and what a sensor and a codec do to the picture."""

from __future__ import annotations

import math

import cv2
import numpy as np

from affectkit.faces.sampling import stream
from affectkit.faces.skin import noise, srgb_to_linear


def linear_to_srgb(value: np.ndarray) -> np.ndarray:
    """Encode linear light to sRGB, both in [0, 1]."""
    value = np.clip(value, 0, 1)
    return np.where(value <= 0.0031308, 12.92 * value, 1.055 * value ** (1 / 2.4) - 0.055)


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


def background(size: int, face: dict) -> np.ndarray:
    """A blurred, random background (size, size, 3) in linear light."""
    rng = stream(face["seed"], "background")
    saturation = rng.choice([0.12, 0.3, 0.7], p=[0.45, 0.4, 0.15])

    def colour():
        grey = np.full(3, rng.uniform(0.05, 0.95))
        mixed = saturation * rng.uniform(0.05, 0.95, 3) + (1 - saturation) * grey
        return srgb_to_linear(mixed).astype(np.float32)

    first, second = colour(), colour()
    rows, columns = np.mgrid[0:size, 0:size].astype(np.float32) / size - 0.5
    angle = rng.uniform(0, 2 * math.pi)
    share = np.clip(columns * math.cos(angle) + rows * math.sin(angle) + 0.5, 0, 1)[..., None]
    image = first * (1 - share) + second * share
    if rng.uniform() < 0.75:
        for _ in range(int(rng.integers(3, 12))):
            tone = (colour() * rng.uniform(0.4, 1)).tolist()
            x, y = (int(value) for value in rng.integers(0, size, 2))
            width, height = (int(value) for value in rng.integers(4, size // 2, 2))
            if rng.uniform() < 0.55:
                corner = (x - width, y - 2 * height)
                cv2.rectangle(image, corner, (x + width // 2, y + height), tone, -1)
            else:
                cv2.ellipse(image, (x, y), (width // 2, height // 2), 0, 0, 360, tone, -1)
        image = cv2.GaussianBlur(image, (0, 0), float(rng.uniform(1.5, 12)) * size / 224)
        image *= 1 + 0.1 * noise(rng, ((8, 1), (32, 0.7)), size, size)[..., None]
    return np.clip(image, 0, 2).astype(np.float32)


def expose(image: np.ndarray, level: float, face: dict) -> np.ndarray:
    """Turn linear light (S, S, 3) into an sRGB picture uint8, with a camera's faults.

    `level` is the linear brightness of the lit face that the exposure meter aims at.
    """
    rng = stream(face["seed"], "camera")
    gain = 0.30 / max(level, 0.02) ** 0.75 * math.exp(rng.normal(0, 0.18))
    image = image * gain * np.exp(rng.normal(0, 0.05, 3)).astype(np.float32)
    image = np.where(image > 0.7, 0.7 + 0.3 * (1 - np.exp(-(image - 0.7) / 0.3)), image)
    size = image.shape[0]
    if face["blur"] > 0:
        image = cv2.GaussianBlur(image, (0, 0), max(face["blur"] * size / 112, 0.05))
    if rng.uniform() < 0.2:
        small = max(int(size * rng.uniform(0.35, 0.8)), 8)
        image = cv2.resize(image, (small, small), interpolation=cv2.INTER_AREA)
        image = cv2.resize(image, (size, size), interpolation=cv2.INTER_CUBIC)
    grain = abs(rng.normal(0, 0.018))
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
