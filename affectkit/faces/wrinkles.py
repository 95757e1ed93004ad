"""Wrinkles that action units and age draw into the skin."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np

from affectkit.faces.texture_space import HEIGHT, WIDTH, mirrored, noise, spot, strokes

SCALE = 2  # wrinkle maps have half the resolution of the skin texture
NAMES = ("forehead", "frown", "crow", "bunny", "nasolabial", "marionette", "dimple", "eye_bag",
         "chin")  # fmt: skip


@lru_cache(maxsize=1)
def wrinkle_masks() -> np.ndarray:
    """Depth maps (9, HEIGHT / 2, WIDTH / 2) float32 in [0, 1], in the order of `NAMES`."""
    forehead = [
        [(-4.2, y - 0.25), (-2.2, y + 0.15), (0, y), (2.2, y + 0.15), (4.2, y - 0.25)]
        for y in (3.7, 4.6, 5.4)
    ]
    crow = mirrored([[(5.0, 0.1 + s), (5.5, 0.1 + 2.2 * s), (6.0, 0.1 + 4 * s)]
                     for s in (-0.2, 0.02, 0.22)])  # fmt: skip
    chin = cv2.GaussianBlur(noise(np.random.default_rng(3), ((96, 1.0),)), (0, 0), 1.5)
    masks = dict(
        forehead=strokes(forehead, 2, 1.6),
        frown=strokes(
            mirrored([[(0.55, 3.0), (0.5, 2.2), (0.55, 1.4)], [(1.05, 2.8), (0.9, 2.3)]]), 2, 1.8
        ),
        crow=strokes(crow, 2, 1.3),
        bunny=strokes(
            mirrored([[(0.5, 0.3), (1.0, -0.3), (1.35, -1.0)], [(0.4, 1.0), (1.0, 0.6)]]), 2, 1.3
        ),
        nasolabial=strokes(
            mirrored([[(1.75, -4.0), (2.4, -4.9), (3.0, -6.0), (3.3, -7.0), (3.2, -7.7)]]), 3, 2.0
        ),
        marionette=strokes(mirrored([[(2.9, -7.3), (3.1, -8.2), (3.0, -9.2)]]), 2, 1.7),
        dimple=strokes(mirrored([[(3.45, -6.0), (3.65, -6.8), (3.45, -7.6)]]), 3, 1.7),
        eye_bag=strokes(
            mirrored([[(1.9, -0.95), (2.7, -1.3), (3.6, -1.35), (4.4, -0.95)]]), 2, 1.4
        ),
        chin=np.clip(chin / chin.std(), -1.5, 1.5) * 0.4 * spot(0, -9.4, 1.4, 1.0),
    )
    size = (WIDTH // SCALE, HEIGHT // SCALE)
    return np.stack([
        cv2.resize(masks[name].astype(np.float32), size, interpolation=cv2.INTER_AREA)
        for name in NAMES
    ])  # fmt: skip


def wrinkle_depths(units: dict[str, tuple[float, float]], side: int, age: float) -> np.ndarray:
    """Depths (9,) of the wrinkles on one side (0 left, 1 right) of the subject's face."""

    def unit(name: str) -> float:
        return units.get(name, (0.0, 0.0))[side]

    old = age * age
    smile = max(unit("AU12"), 0.8 * unit("AU9"), 0.9 * unit("AU10"), 0.5 * unit("AU6"))
    return np.array([
        0.25 * old + 0.8 * max(unit("AU1"), unit("AU2")) * (0.4 + 0.6 * age),
        0.2 * old + 0.9 * unit("AU4"),
        0.35 * old + 0.7 * unit("AU6"),
        0.9 * unit("AU9"),
        0.15 + 0.35 * age + 0.75 * smile,
        0.3 * old + 0.6 * max(unit("AU15"), 0.5 * unit("AU17")),
        0.9 * unit("AU14") + 0.25 * unit("AU12"),
        0.15 + 0.35 * age + 0.5 * max(unit("AU6"), unit("AU7")),
        1.2 * unit("AU17"),
    ], np.float32)  # fmt: skip


def wrinkle_map(
    units: dict[str, tuple[float, float]], age: float, variation: np.ndarray
) -> np.ndarray:
    """Depth (HEIGHT / 2, WIDTH / 2) float32 of the wrinkles of one image.

    `variation` (9,) makes some wrinkles of a subject deeper than others.
    """
    masks = wrinkle_masks()
    middle = masks.shape[2] // 2
    left = np.tensordot(wrinkle_depths(units, 0, age) * variation, masks[..., middle:], 1)
    right = np.tensordot(wrinkle_depths(units, 1, age) * variation, masks[..., :middle], 1)
    return np.concatenate([right, left], axis=1)
