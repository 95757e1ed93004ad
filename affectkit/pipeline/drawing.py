"""Draw what the pipeline says about faces into a frame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import cv2
import numpy as np

from affectkit.labels import EXPRESSION_COLOURS
from affectkit.pipeline.answers import FaceAffect

_COLOURS = {
    name: tuple(int(colour[start : start + 2], 16) for start in (5, 3, 1))
    for name, colour in EXPRESSION_COLOURS.items()
}
_WHITE, _BLACK, _PLAIN = (255, 255, 255), (0, 0, 0), (120, 120, 120)
_LIGHT = 0.179
"""WCAG 2's luminance above which black is easier to read than white."""
_FONT = cv2.FONT_HERSHEY_SIMPLEX


def draw_faces(
    frame_bgr: np.ndarray,
    faces: Sequence[FaceAffect],
    stage_milliseconds: Mapping[str, float] | None = None,
) -> np.ndarray:
    """Draw box, expression, valence and arousal of each face, and the stage times at the bottom.

    Parameters
    ----------
    frame_bgr : numpy.ndarray
        uint8, shape (height, width, 3), BGR; drawn on.
    faces : sequence of FaceAffect
        In the frame's pixels. The colour of a box is its expression's.
    stage_milliseconds : mapping of str to float, optional
        Written at the lower left, two stages a line.

    Returns
    -------
    numpy.ndarray
        The frame that was given.
    """
    scale = max(0.4, min(frame_bgr.shape[:2]) / 800)
    for face in reversed(faces):  # the largest on top
        colour = _COLOURS.get(face.expression, _PLAIN)
        left, top, width, height = (round(value) for value in face.box)
        thickness = max(1, round(2 * scale))
        cv2.rectangle(frame_bgr, (left, top), (left + width, top + height), colour, thickness)
        lines = describe_face(face)
        line_height = _line_height(scale)
        first = top - line_height * len(lines)
        if first < 0:  # no room above: below, or inside where there is none either
            below = top + height + line_height * len(lines) <= frame_bgr.shape[0]
            first = top + height if below else max(top, 0)
        for number, line in enumerate(lines):
            _write(frame_bgr, line, left, first + number * line_height, scale, colour)
    if stage_milliseconds:
        entries = [f"{name} {value:.1f}" for name, value in stage_milliseconds.items()]
        lines = [", ".join(entries[start : start + 4]) for start in range(0, len(entries), 4)]
        lines[-1] += " ms"
        small = 0.8 * scale
        line_height = _line_height(small)
        top = frame_bgr.shape[0] - line_height * len(lines)
        for number, line in enumerate(lines):
            _write(frame_bgr, line, 0, top + number * line_height, small, _BLACK)
    return frame_bgr


def describe_face(face: FaceAffect) -> list[str]:
    """Give the lines beside a face's box: expression with its probability, valence and arousal.

    Examples
    --------
    >>> face = FaceAffect((0, 0, 9, 9), 0.9, "Happy", {"Happy": 0.914}, 0.62, -0.08, track=3)
    >>> describe_face(face)
    ['3 Happy 91 %', 'V +0.62 A -0.08']
    """
    lines = []
    number = "" if face.track is None else f"{face.track} "
    if face.expression is not None:
        mark = "?" if face.unsure else ""
        lines.append(f"{number}{face.expression}{mark} {face.probabilities[face.expression]:.0%}")
        lines[0] = lines[0].replace("%", " %")
    if face.valence is not None:
        lines.append(f"V {face.valence:+.2f} A {face.arousal:+.2f}")
    return lines


def _write(
    frame: np.ndarray, text: str, left: int, top: int, scale: float, colour: tuple[int, ...]
) -> None:
    """Write a line on a filled box, moved into the frame where it would leave it on a side."""
    (width, height), below = cv2.getTextSize(text, _FONT, scale, 1)
    left = max(0, min(left, frame.shape[1] - width - 4))
    line_height = _line_height(scale)
    cv2.rectangle(frame, (left, top), (left + width + 4, top + line_height), colour, cv2.FILLED)
    base = top + (line_height + height - below) // 2
    cv2.putText(frame, text, (left + 2, base), _FONT, scale, _text_colour(colour), 1)


def _text_colour(background_bgr: tuple[int, int, int]) -> tuple[int, int, int]:
    blue, green, red = (
        value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4
        for value in (channel / 255 for channel in background_bgr)
    )
    luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    return _BLACK if luminance > _LIGHT else _WHITE


def _line_height(scale: float) -> int:
    return round(38 * scale)
