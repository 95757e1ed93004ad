"""Procedural skin: the colour and shine texture of one subject's head."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np

from affectkit.faces.assets import load_head
from affectkit.faces.colour import skin_colour
from affectkit.faces.randomness import stream
from affectkit.faces.texture_space import (
    HEIGHT,
    WIDTH,
    noise,
    polygon,
    smooth_curve,
    spot,
    texture_coordinates,
)

# Middle line of the left eyebrow on the template, from the nose outwards, in centimetres.
BROW_PATH = np.array([(1.3, 1.85, 15.0), (2.3, 2.15, 14.8), (3.3, 2.35, 14.4), (4.3, 2.2, 13.8),
                      (5.3, 1.6, 12.7)])  # fmt: skip


@lru_cache(maxsize=1)
def regions() -> dict[str, np.ndarray]:
    """Soft masks (HEIGHT, WIDTH) float32 of skin regions."""
    head = load_head()
    points = texture_coordinates(head.positions[head.landmarks])
    lines = np.zeros((HEIGHT, WIDTH), np.float32)
    for part in (slice(36, 42), slice(42, 48)):
        outline = np.rint(smooth_curve(points[part]) * 8).astype(np.int32)
        cv2.polylines(lines, [outline], True, 1.0, 2, cv2.LINE_8, 3)
    lips = polygon(smooth_curve(points[48:60]), 1.0)
    away = 1 - np.clip(1.8 * cv2.GaussianBlur(lips, (0, 0), 1.5), 0, 1)
    jaw = spot(4.6, -9.5, 3.6, 2.9) + spot(0, -11.0, 4, 3.2) + spot(6.6, -4.5, 1.6, 3.2)
    beard = np.clip(1.6 * jaw - 0.25, 0, 1)
    masks = dict(
        lips=lips,
        lip_line=polygon(smooth_curve(points[60:68]), 0.8),
        eye_lines=cv2.GaussianBlur(lines, (0, 0), 1.0),
        cheeks=spot(4.4, -3.4, 2.0, 1.8),
        nose=spot(0, -3.6, 1.6, 1.8),
        forehead=spot(0, 4.6, 3.5, 1.6),
        eyelids=spot(3.2, 1.0, 1.5, 0.6),
        under_eyes=spot(3.0, -1.2, 1.5, 0.6),
        sockets=spot(2.2, 1.1, 1.3, 0.9),
        beard=beard * away,
        moustache=np.clip(1.4 * spot(1.2, -5.55, 1.7, 0.6), 0, 1) * away,
        goatee=np.clip(1.4 * spot(0, -9.3, 1.6, 2.0) - 0.1, 0, 1) * away,
        freckles=spot(2.6, -2.2, 3.2, 1.7),
    )
    return {name: mask.astype(np.float32) for name, mask in masks.items()}


def skin_texture(face: dict) -> np.ndarray:
    """Linear RGB and shine (HEIGHT, WIDTH, 4) float32 of one subject's skin, without hair."""
    rng = stream(face["subject"], "skin")
    area = regions()
    skin = skin_colour(face["skin_tone_ita"], rng)
    redness = (0.55 * area["cheeks"] + 0.75 * area["nose"]) * rng.uniform(0.1, 0.6)
    redness = np.clip(redness + 0.1 * noise(rng, ((6, 1), (14, 0.6))), -0.3, 1)
    colour = skin * (1 + redness[..., None] * np.array([0.10, -0.16, -0.14], np.float32))
    tone = 0.045 * noise(rng, ((5, 1), (20, 0.6), (64, 0.6)))
    pores = rng.standard_normal((HEIGHT, WIDTH), np.float32)
    tone += 0.035 * cv2.GaussianBlur(pores, (0, 0), 0.8)
    tired = rng.uniform(0.1, 0.6) * (0.6 + 0.6 * face["age"])
    dark = area["under_eyes"] * tired + area["eyelids"] * rng.uniform(0.1, 0.45)
    dark += 0.35 * area["sockets"]
    colour *= (1 + tone - 0.3 * dark)[..., None] ** np.array([0.9, 1.05, 1.0], np.float32)
    colour = _add_freckles(colour, rng)
    colour = _add_lips(colour, skin, face["makeup"], rng)
    lid = (area["eyelids"] * face["makeup"] * 0.55)[..., None]
    colour += lid * (np.array([0.12, 0.07, 0.09], np.float32) * 1.2 - colour)
    liner = np.clip(area["eye_lines"] * (0.85 + 0.5 * face["makeup"]), 0, 0.9)[..., None]
    colour *= 1 - liner * np.array([0.75, 0.88, 0.9], np.float32)
    if face["beard"] > 0:
        colour = _add_beard(colour, skin, face, rng)
    brows = _brow_mask(face)
    brow_colour = np.minimum(face["hair_colour"] * 0.9, 0.09)
    colour += brows[..., None] * (brow_colour - colour)
    shine = 0.5 + 0.5 * (area["nose"] + 0.6 * area["forehead"] + 0.9 * area["lips"])
    shine = np.clip(shine * (1 + 0.2 * tone) - 0.6 * brows, 0.05, 1.6)
    return np.dstack([np.clip(colour, 0.002, 0.95), shine]).astype(np.float32)


def _add_freckles(colour: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    if rng.uniform() >= 0.12:
        return colour
    grain = cv2.GaussianBlur(rng.standard_normal((HEIGHT, WIDTH), np.float32), (0, 0), 0.9)
    spots = np.clip(grain / grain.std() - 1.4, 0, 1) * regions()["freckles"] * rng.uniform(0.3, 0.9)
    return colour * (1 - spots[..., None] * np.array([0.4, 0.6, 0.7], np.float32))


def _add_lips(
    colour: np.ndarray, skin: np.ndarray, makeup: float, rng: np.random.Generator
) -> np.ndarray:
    area = regions()
    natural = skin * np.array([0.92, 0.52, 0.53], np.float32)
    stick = np.array([0.36, 0.03, 0.05], np.float32) * rng.uniform(0.5, 1.3)
    lips = (1 - 0.7 * makeup) * natural + 0.7 * makeup * stick
    mask = np.clip(1.2 * area["lips"], 0, 1)[..., None] * 0.88
    colour = colour + mask * (lips - colour)
    return colour * (1 - 0.35 * area["lip_line"][..., None])


def _add_beard(
    colour: np.ndarray, skin: np.ndarray, face: dict, rng: np.random.Generator
) -> np.ndarray:
    area = regions()
    grain = cv2.GaussianBlur(rng.standard_normal((HEIGHT, WIDTH), np.float32), (0, 0), 0.7)
    grain = np.clip(0.7 + 0.3 * grain / grain.std(), 0, 1.3)
    full = np.maximum(area["beard"], area["moustache"])
    shape = (
        full, np.maximum(area["moustache"], area["goatee"]), area["moustache"], full
    )[rng.integers(4)]  # fmt: skip
    amount = face["beard"]
    opacity = np.clip(full * min(amount, 0.45) * 0.8 * (0.75 + 0.25 * grain), 0, 1)
    hair = skin * 0.28
    if amount > 0.5:
        opacity = np.maximum(opacity, np.clip(shape * 1.25 * amount * grain, 0, 0.95))
        hair = np.minimum(face["hair_colour"] * 0.9, 0.2)
    return colour + opacity[..., None] * (hair - colour)


def _brow_mask(face: dict) -> np.ndarray:
    """Opacity (HEIGHT, WIDTH) float32 of both eyebrows, drawn as strokes of hair."""
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
