"""A z-buffer rasteriser in vectorised numpy."""

from __future__ import annotations

import numpy as np

_BUCKETS = ((0, 1), (1, 2), (2, 3), (3, 4), (4, 6), (6, 10), (10, 20), (20, 60), (60, 200))
_EDGE = 1e-5  # rounding must not open cracks between neighbours
_DEPTH_BITS = 40
_INDEX_BITS = 20


def rasterize(
    pixels: np.ndarray, nearness: np.ndarray, triangles: np.ndarray, height: int, width: int,
    bias: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Find the nearest triangle behind every pixel centre.

    Pixels (N, 2) are projected vertices, x to the right and y down, pixel centres at integers;
    nearness (N,) in [0, 1] is larger for nearer ones and linear in screen space (for a perspective
    view: 1 / depth); triangles (T, 3), fewer than 2**20, are drawn in both windings; bias (T,) is
    subtracted from the nearness of each, to let others hide it. Returns the triangle seen at a
    pixel, -1 where there is none, and its nearness, 0 where there is none.
    """
    if len(triangles) >= 1 << _INDEX_BITS:
        raise ValueError(f"expected fewer than {1 << _INDEX_BITS} triangles, got {len(triangles)}")
    corners = np.asarray(pixels, np.float32)[triangles]
    x, y = corners[..., 0], corners[..., 1]
    near = np.asarray(nearness, np.float32)[triangles]
    area = (x[:, 1] - x[:, 0]) * (y[:, 2] - y[:, 0]) - (x[:, 2] - x[:, 0]) * (y[:, 1] - y[:, 0])
    left = np.maximum(np.ceil(x.min(1)), 0).astype(np.int32)
    right = np.minimum(np.floor(x.max(1)), width - 1).astype(np.int32)
    top = np.maximum(np.ceil(y.min(1)), 0).astype(np.int32)
    bottom = np.minimum(np.floor(y.max(1)), height - 1).astype(np.int32)
    drawable = (np.abs(area) > 1e-9) & (right >= left) & (bottom >= top)
    extent = np.maximum(right - left, bottom - top) + 1

    buffer = np.full(height * width, -1, np.int64)
    buckets = [*_BUCKETS, (_BUCKETS[-1][1], max(height, width))]
    for low, high in buckets:
        chosen = np.flatnonzero(drawable & (extent > low) & (extent <= high))
        if not len(chosen):
            continue
        step = np.arange(high)
        inverse = 1 / area[chosen]
        ax, ay = x[chosen, 0], y[chosen, 0]
        # First two barycentric weights as affine functions of the pixel.
        first_x = (y[chosen, 1] - y[chosen, 2]) * inverse
        first_y = (x[chosen, 2] - x[chosen, 1]) * inverse
        second_x = (y[chosen, 2] - ay) * inverse
        second_y = (ax - x[chosen, 2]) * inverse
        across = (left[chosen, None] + step).astype(np.float32) - ax[:, None]
        down = (top[chosen, None] + step).astype(np.float32) - ay[:, None]
        first = 1 + (first_x[:, None] * across)[:, None, :] + (first_y[:, None] * down)[:, :, None]
        second = (second_x[:, None] * across)[:, None, :] + (second_y[:, None] * down)[:, :, None]
        third = 1 - first - second
        inside = (first >= -_EDGE) & (second >= -_EDGE) & (third >= -_EDGE)
        inside &= (step <= (bottom - top)[chosen, None])[:, :, None]
        inside &= (step <= (right - left)[chosen, None])[:, None, :]
        which, row, column = np.nonzero(inside)
        corner_near = near[chosen][which]
        depth = (
            first[which, row, column] * corner_near[:, 0]
            + second[which, row, column] * corner_near[:, 1]
            + third[which, row, column] * corner_near[:, 2]
        )
        place = (top[chosen][which] + row) * width + left[chosen][which] + column
        if bias is not None:
            depth = np.maximum(depth - bias[chosen][which], 0)
        code = (depth.astype(np.float64) * (1 << _DEPTH_BITS)).astype(np.int64)
        np.maximum.at(buffer, place, (code << _INDEX_BITS) | chosen[which])

    seen = buffer >= 0
    index = np.where(seen, buffer & ((1 << _INDEX_BITS) - 1), -1).astype(np.int32)
    nearest = np.where(seen, (buffer >> _INDEX_BITS) / (1 << _DEPTH_BITS), 0.0)
    return index.reshape(height, width), nearest.reshape(height, width)


def barycentric(
    index: np.ndarray, pixels: np.ndarray, nearness: np.ndarray, triangles: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return rows, columns and perspective-correct weights (P, 3) of the covered pixels.

    The triangle per pixel is what `rasterize` returned for the other arguments; weights of the
    three corners are not negative and sum to one.
    """
    rows, columns = np.nonzero(index >= 0)
    corners = triangles[index[rows, columns]]
    points = np.asarray(pixels, np.float32)
    a, b, c = points[corners[:, 0]], points[corners[:, 1]], points[corners[:, 2]]
    px, py = columns.astype(np.float32), rows.astype(np.float32)
    first = (b[:, 0] - px) * (c[:, 1] - py) - (c[:, 0] - px) * (b[:, 1] - py)
    second = (c[:, 0] - px) * (a[:, 1] - py) - (a[:, 0] - px) * (c[:, 1] - py)
    third = (a[:, 0] - px) * (b[:, 1] - py) - (b[:, 0] - px) * (a[:, 1] - py)
    weights = np.stack([first, second, third], 1)
    weights /= weights.sum(1, keepdims=True)
    weights = np.clip(weights, 0, 1) * np.asarray(nearness, np.float32)[corners]
    weights /= weights.sum(1, keepdims=True)
    return rows, columns, weights
