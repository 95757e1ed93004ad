"""A clip for those without a camera: a drawn face shows one expression after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from io import BytesIO
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from affectkit.faces.render import render_face
from affectkit.labels import EXPRESSIONS
from affectkit.pipeline.answers import FaceAffect
from affectkit.pipeline.drawing import describe_face, draw_faces
from affectkit.pipeline.video.read import read_video

WIDTH, HEIGHT, RATE = 640, 480, 15
FACE_SIZE = 224
WEAK, STRONG = 0.3, 0.7
COURSE = (WEAK,) * 3 + (STRONG,) * 7 + (WEAK,) * 2
"""How strongly a face shows each expression, frame by frame."""

LONGEST = 300
"""Frames that are taken of a user's clip."""

JPEG_QUALITY = 80

_FIXED = {
    "subject": 100_020,  # none that the networks have learned from
    "blend": 0.0,
    "yaw": 0.0,
    "pitch": 0.0,
    "roll": 0.0,
    "occluder": "none",
    "glasses": "none",
    "blur": 0.0,
    "grey": False,
}


@lru_cache(maxsize=16)
def _drawn_face(expression: str, intensity: float) -> np.ndarray:
    names = {"expression": expression, "expression_clean": expression}
    return render_face(3, FACE_SIZE, intensity=intensity, **names, **_FIXED)[0]


def sample_frames(
    expressions: Sequence[str] = EXPRESSIONS, course: Sequence[float] = COURSE
) -> Iterator[np.ndarray]:
    """Draw a clip of one face that sways, comes nearer and goes back.

    Parameters
    ----------
    expressions : sequence of str
        What it shows, one after the other.
    course : sequence of float
        How strongly it shows each of them, 0..1.25, a value a frame.

    Yields
    ------
    numpy.ndarray
        uint8, shape (480, 640, 3), RGB. The last frame leads back to the first.
    """
    shown = [(name, intensity) for name in expressions for intensity in course]
    for number, (name, intensity) in enumerate(shown):
        face = _drawn_face(name, intensity if name != "Neutral" else STRONG)
        angle = 2 * np.pi * number / len(shown)
        scale = HEIGHT / FACE_SIZE * (1.06 + 0.05 * np.sin(2 * angle))
        left = (WIDTH - scale * FACE_SIZE) / 2 + 40 * np.sin(angle)
        top = (HEIGHT - scale * FACE_SIZE) / 2
        place = np.array([[scale, 0, left], [0, scale, top]])
        yield cv2.warpAffine(face, place, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REPLICATE)


def draw_still(look: Callable[[np.ndarray], list[FaceAffect]]) -> tuple[bytes, str]:
    """Draw a face with what a pipeline says about it: a PNG of 480 x 360 pixels, and its words."""
    frame = next(sample_frames(("Happy",), (STRONG,)))
    faces = look(frame)
    bgr = draw_faces(np.ascontiguousarray(frame[..., ::-1]), faces)
    small = cv2.resize(bgr, (480, 360), interpolation=cv2.INTER_AREA)
    buffer = BytesIO()
    Image.fromarray(small[..., ::-1]).quantize(128).save(buffer, "PNG", optimize=True)
    words = "; ".join(", ".join(describe_face(face)) for face in faces)
    return buffer.getvalue(), f"A drawn face. {words}".strip()


def encode_frame(rgb: np.ndarray, quality: int = JPEG_QUALITY) -> bytes:
    """Write a frame (uint8, RGB) as JPEG."""
    bgr = cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR)
    return cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()


def decode_frame(jpeg: bytes) -> np.ndarray:
    """Read a JPEG as uint8 RGB, shape (height, width, 3); a ValueError if it is damaged."""
    bgr = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR) if jpeg else None
    if bgr is None:
        raise ValueError(f"expected a JPEG from the page, got {len(jpeg)} bytes that are none")
    return cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)


@lru_cache(maxsize=2)
def clip_jpegs(path: Path | None = None) -> tuple[tuple[bytes, ...], float]:
    """Give a clip as a page plays it, JPEGs and frames a second: the drawn one, or a video.

    Of a video, the first `LONGEST` frames are used. An OSError or ValueError if it can't be read.
    """
    if path is None:
        return tuple(encode_frame(frame) for frame in sample_frames()), float(RATE)
    with read_video(path) as reader:
        jpegs = tuple(encode_frame(frame.rgb) for frame in islice(reader, LONGEST))
        return jpegs, reader.steady_rate()
