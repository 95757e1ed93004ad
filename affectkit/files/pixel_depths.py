"""Pixels of other depths than 8 bits, scaled by what they hold."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

DEPTHS = (8, 10, 12, 14, 16)
"""Bits in which cameras and scanners write, in words of 16 bits or floating-point numbers."""

_BITS_PER_SAMPLE, _PHOTOMETRIC, _WHITE_IS_ZERO = 258, 262, 0  # of TIFF
_OVERSHOOT = 0.05
"""Beyond 0..1, as resampling leaves it."""

_NEARLY_BLACK = 10
"""Of 255, the brightest value."""


def eight_bits(values: np.ndarray, bits: int | None = None) -> tuple[np.ndarray, str]:
    """Scale grey or colour values to uint8; a note if what was assumed is no matter of course.

    Whole numbers are of so many `bits` as are known, else of the fewest of `DEPTHS` that hold them.
    Floating-point numbers are in 0..1, or as whole numbers are. ValueError for others.
    """
    least, most = float(values.min()), float(values.max())
    if not (np.isfinite(least) and np.isfinite(most)):
        raise ValueError("some of its pixels are infinite or no numbers (NaN): replace these")
    expected = "expected 0..1, or 0 to 255, 1023, 4095, 16383 or 65535: scale them"
    if values.dtype.kind == "f" and least >= -_OVERSHOOT and most <= 1 + _OVERSHOOT:
        return _scaled(values, 1.0), ""
    if least < 0 or most >= 1 << DEPTHS[-1]:
        raise ValueError(f"its pixels are numbers from {least:g} to {most:g}; {expected}")
    if values.dtype.kind == "f" and most < 32 and (values != np.rint(values)).any():
        raise ValueError(f"its pixels are fractions from {least:g} to {most:g}; {expected}")
    declared = bits is not None and most < 1 << bits
    if not declared:
        bits = next(depth for depth in DEPTHS if most < 1 << depth)
    note = ""
    if not declared and bits < DEPTHS[-1] and values.dtype.kind != "f":
        note = f"its pixels use {bits} of 16 bits, and are read so"
    return _scaled(values, (1 << bits) - 1), note


def _scaled(values: np.ndarray, most: float) -> np.ndarray:
    scaled = np.asarray(values, np.float32) / np.float32(most / 255)
    return (scaled + np.float32(0.001)).clip(0, 255).astype(np.uint8)  # 254.9999 is 255


def grey_bits(values: np.ndarray, tags: Mapping[int, object]) -> tuple[np.ndarray, str]:
    """Scale a grey picture as `eight_bits` does, with the help of the tags of a TIFF."""
    (bits,) = set(tags.get(_BITS_PER_SAMPLE, ())) or {None}
    grey, note = eight_bits(values, bits if bits in range(9, 16) else None)
    if tags.get(_PHOTOMETRIC) == _WHITE_IS_ZERO:  # Pillow turns only those of 8 bits
        grey = 255 - grey
    return grey, note


def colour_bits(content: bytes, seen: np.ndarray) -> tuple[np.ndarray, str]:
    """Read a colour picture of 16 bits anew if `seen`, its upper 8 bits, is too dark to be all.

    `seen` is uint8, shape (height, width, 3), RGB, as Pillow gives it; so is what is given back.
    """
    if seen.max() >= 1 << (DEPTHS[-2] - 8):
        return seen, ""
    import cv2  # of few pictures only, so that tables load quickly

    flags = cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH | cv2.IMREAD_IGNORE_ORIENTATION
    values = cv2.imdecode(np.frombuffer(content, np.uint8), flags)
    if values is None or values.dtype != np.uint16 or values.shape != seen.shape:
        return seen, ""
    return eight_bits(values[..., ::-1])


def darkness(pixels: np.ndarray) -> str:
    """Give a note if a picture has hardly anything but black."""
    return "" if pixels.max() > _NEARLY_BLACK else "it is nearly black: no face can be seen in it"
