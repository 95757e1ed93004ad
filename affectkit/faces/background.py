"""Backgrounds: blurred shapes and gradients in linear light."""

from __future__ import annotations

import math

import cv2
import numpy as np

from affectkit.faces.colour import srgb_to_linear
from affectkit.faces.randomness import stream
from affectkit.faces.texture_space import noise


def background(size: int, face: dict) -> np.ndarray:
    """Return a random background (size, size, 3) float32 in linear light."""
    rng = stream(face["seed"], "background")
    saturation = rng.choice([0.12, 0.3, 0.7], p=[0.45, 0.4, 0.15])

    def colour() -> np.ndarray:
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
            _add_shape(image, (colour() * rng.uniform(0.4, 1)).tolist(), rng)
        image = cv2.GaussianBlur(image, (0, 0), float(rng.uniform(0.7, 6)) * size / 112)
        image *= 1 + 0.05 * noise(rng, ((8, 1), (24, 0.7)), size, size)[..., None]
    return np.clip(image, 0, 2).astype(np.float32)


def _add_shape(image: np.ndarray, tone: list[float], rng: np.random.Generator) -> None:
    size = image.shape[0]
    x, y = (int(value) for value in rng.integers(0, size, 2))
    width, height = (int(value) for value in rng.integers(size // 50 + 1, size // 2, 2))
    if rng.uniform() < 0.55:
        corner = (x - width, y - 2 * height)
        cv2.rectangle(image, corner, (x + width // 2, y + height), tone, -1)
    else:
        cv2.ellipse(image, (x, y), (width // 2 + 1, height // 2 + 1), 0, 0, 360, tone, -1)
