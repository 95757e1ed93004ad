"""The texture space of the head: a cylindrical map of the template, with drawing in centimetres."""

from __future__ import annotations

import math
from functools import lru_cache

import cv2
import numpy as np

from affectkit.faces.assets import SKIN, load_head
from affectkit.faces.rasterize import barycentric, rasterize

WIDTH, HEIGHT = 384, 288
TOP, BOTTOM = 12.0, -14.0  # centimetres above the eyes
AXIS_DEPTH = 4.0  # z of the cylinder's axis, in centimetres
_FRONT_ANGLE, _FRONT_SHARE = math.radians(95), 0.84  # the face has most of the width


def texture_coordinates(positions: np.ndarray) -> np.ndarray:
    """Texture pixels (V, 2) float32 of template positions (V, 3).

    Across: the angle about the head's axis, evenly spaced up to 95 degrees to either side of the
    nose and compressed behind. Down: the height from 12 cm above the eyes to 14 cm below.
    """
    angle = np.arctan2(positions[:, 0], positions[:, 2] - AXIS_DEPTH)
    share = np.interp(
        np.abs(angle), (0, _FRONT_ANGLE, math.pi), (0, _FRONT_SHARE, 1), right=1
    ) * np.sign(angle)
    across = (share + 1) / 2 * WIDTH
    down = (TOP - positions[:, 1]) / (TOP - BOTTOM) * HEIGHT
    return np.stack([across, down], 1).astype(np.float32) - 0.5


@lru_cache(maxsize=1)
def position_map() -> np.ndarray:
    """Template position (HEIGHT, WIDTH, 3) float32 of every texel, filled where there is none."""
    head = load_head()
    triangles = head.triangles[head.material == SKIN]
    pixels = texture_coordinates(head.positions)
    corners = pixels[triangles]
    sane = np.ptp(corners[..., 0], axis=1) < WIDTH / 4
    triangles = triangles[sane]
    radius = np.hypot(head.positions[:, 0], head.positions[:, 2] - AXIS_DEPTH)
    nearness = np.clip(radius / 40, 0, 1)
    index, _ = rasterize(pixels, nearness, triangles, HEIGHT, WIDTH)
    rows, columns, weights = barycentric(index, pixels, np.ones(len(pixels)), triangles)
    corners = triangles[index[rows, columns]]
    result = np.zeros((HEIGHT, WIDTH, 3), np.float32)
    result[rows, columns] = np.einsum("pc,pcx->px", weights, head.positions[corners])
    known = np.zeros((HEIGHT, WIDTH), np.float32)
    known[rows, columns] = 1
    for scale in (1.5, 4, 12, 40):
        spread = cv2.GaussianBlur(known, (0, 0), scale)
        filled = cv2.GaussianBlur(result, (0, 0), scale) / np.maximum(spread, 1e-6)[..., None]
        empty = (known == 0) & (spread > 1e-3)
        result[empty] = filled[empty]
        known[empty] = 1
    return result


@lru_cache(maxsize=1)
def _front_vertices() -> np.ndarray:
    head = load_head()
    skin = np.unique(head.triangles[head.material == SKIN])
    return head.positions[skin[head.positions[skin, 2] > 6]]


def front_pixels(points: np.ndarray) -> np.ndarray:
    """Texture pixels (N, 2) of points (N, 2) given as x and y centimetres on the face."""
    positions = _front_vertices()
    result = []
    for point in np.asarray(points, np.float32):
        distance = np.linalg.norm(positions[:, :2] - point, axis=1)
        nearest = np.argsort(distance)[:4]
        depth = np.average(positions[nearest, 2], weights=1 / (distance[nearest] + 0.05))
        place = np.array([[point[0], point[1], depth]])
        result.append(texture_coordinates(place)[0])
    return np.array(result, np.float32)


def spot(x: float, y: float, radius_x: float, radius_y: float) -> np.ndarray:
    """Gaussian spot (HEIGHT, WIDTH) at x, y centimetres on the face, mirrored to both sides."""
    place = position_map()
    across = (np.abs(place[..., 0]) - x) / radius_x
    along = (place[..., 1] - y) / radius_y
    return np.exp(-(across**2) - along**2) * np.clip((place[..., 2] - 2) / 3, 0, 1)


def polygon(pixels: np.ndarray, softness: float) -> np.ndarray:
    """Fill a polygon (HEIGHT, WIDTH) with texture corners (N, 2), blurred by `softness` pixels."""
    mask = np.zeros((HEIGHT, WIDTH), np.float32)
    cv2.fillPoly(mask, [np.rint(pixels * 8).astype(np.int32)], 1.0, cv2.LINE_8, 3)
    return cv2.GaussianBlur(mask, (0, 0), softness)


def smooth_curve(points: np.ndarray, closed: bool = True, steps: int = 8) -> np.ndarray:
    """Catmull-Rom curve through points (N, 2), `steps` points a segment."""
    count = len(points)
    segments = count if closed else count - 1
    index, t = np.divmod(np.arange(segments * steps) / steps, 1)
    index, t = index.astype(int), t[:, None]
    wrap = (lambda i: i % count) if closed else (lambda i: np.clip(i, 0, count - 1))
    p0, p1, p2, p3 = (points[wrap(index + offset)] for offset in (-1, 0, 1, 2))
    return 0.5 * (
        2 * p1 + (p2 - p0) * t + (2 * p0 - 5 * p1 + 4 * p2 - p3) * t**2
        + (3 * p1 - p0 - 3 * p2 + p3) * t**3
    )  # fmt: skip


def strokes(curves: list[np.ndarray], width: int, softness: float) -> np.ndarray:
    """Soft lines (HEIGHT, WIDTH), 0 to 1, along curves of x, y centimetres on the face."""
    mask = np.zeros((HEIGHT, WIDTH), np.float32)
    for curve in curves:
        path = smooth_curve(front_pixels(np.asarray(curve, np.float32)), closed=False)
        cv2.polylines(mask, [np.rint(path * 8).astype(np.int32)], False, 1.0, width,
                      cv2.LINE_8, 3)  # fmt: skip
    mask = cv2.GaussianBlur(mask, (0, 0), softness)
    return mask / mask.max()


def mirrored(curves: list) -> list:
    """Return the curves and their mirror images."""
    return [*curves, *([(-x, y) for x, y in curve] for curve in curves)]


def noise(
    rng: np.random.Generator, octaves: tuple, height: int = HEIGHT, width: int = WIDTH
) -> np.ndarray:
    """Smooth noise: a sum of (cells across, amplitude) random grids enlarged to the size."""
    total = np.zeros((height, width), np.float32)
    for cells, amplitude in octaves:
        grid = rng.standard_normal((cells, cells), np.float32)
        total += amplitude * cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC)
    return total
