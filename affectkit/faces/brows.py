"""Eyebrows as strokes of hair."""

from __future__ import annotations

import cv2
import numpy as np

from affectkit.faces.randomness import stream
from affectkit.faces.texture_space import HEIGHT, WIDTH, smooth_curve, texture_coordinates

# Middle line of the left eyebrow on the template, from the nose outwards, in centimetres.
BROW_PATH = np.array([(1.3, 1.85, 15.0), (2.3, 2.15, 14.8), (3.3, 2.35, 14.4), (4.3, 2.2, 13.8),
                      (5.3, 1.6, 12.7)])  # fmt: skip


def brow_mask(face: dict) -> np.ndarray:
    """Opacity (HEIGHT, WIDTH) float32 of both eyebrows."""
    rng = stream(face["subject"], "brows")
    scale = 2
    mask = np.zeros((HEIGHT * scale, WIDTH * scale), np.float32)
    masculine = face["femininity"] < 0.5
    count = int(rng.uniform(90, 180) * (1.0 if masculine else 0.8))
    thickness = rng.uniform(3.4, 6.2) * (1.15 if masculine else 0.8)
    arch = rng.normal(0, 1.0)
    drop = rng.normal(0, 0.8)
    for side in (-1, 1):
        brow = texture_coordinates(BROW_PATH * np.array([side, 1, 1]))
        brow[:, 1] += drop
        brow[2:4, 1] -= arch
        curve = smooth_curve(brow, closed=False)
        along = rng.uniform(size=count) ** 0.9
        start = curve[(along * (len(curve) - 1)).astype(int)]
        width = thickness * np.where(along < 0.35, 0.55 + 0.9 * along, 1 - (along - 0.35) / 0.75)
        offset = np.clip(rng.normal(0, 0.42, count), -1, 1)
        length = rng.uniform(4, 8.5, count) * (1 - 0.35 * along)
        angle = 1.05 * (1 - along) ** 1.6 - 0.12 + offset * 0.35 + rng.normal(0, 0.12, count)
        start = start + np.stack([np.zeros(count), offset * width], 1)
        end = start + length[:, None] * np.stack([side * np.cos(angle), -np.sin(angle)], 1)
        segments = np.rint(np.stack([start, end], 1) * scale * 8).astype(np.int32)
        for segment, strength in zip(segments, rng.uniform(0.45, 1, count), strict=True):
            cv2.line(mask, segment[0].tolist(), segment[1].tolist(), float(strength), 1,
                     cv2.LINE_8, 3)  # fmt: skip
    mask = cv2.resize(mask, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
    soft = cv2.GaussianBlur(mask, (0, 0), 2.0)
    return np.clip(1.6 * mask + 1.0 * soft, 0, 0.94) * rng.uniform(0.8, 1)
