"""Face detectors behind one interface: from an image to its faces, the largest first."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from affectkit.pipeline.detect.blazeface import BlazeFace
from affectkit.pipeline.detect.face import Face, keep_distinct
from affectkit.pipeline.detect.opencv import HaarCascade, YuNet

Detector = Callable[[np.ndarray], list[Face]]
"""From an image, uint8, shape (height, width, 3), RGB, to its faces, the largest first."""

FAR_SCORE = 0.65
"""What the full-range network must be sure of: below, it takes ceilings and curtains for faces."""

TILE = 320
"""Side of a tile in pixels: in one, the full-range network sees faces from 24 pixels up."""

MOST_TILES = 8
"""Tiles along the longer side at most; larger images have larger tiles."""


class NearThenFar:
    """BlazeFace short-range; full-range only in an image without a near face.

    Finds faces from about a thirteenth of the image's longer side up to all of it. Beside a face
    that the short-range network sees, far ones are not looked for: that is what makes it quick.
    """

    def __init__(self, threads: int = 1) -> None:
        self._near = BlazeFace("short", threads=threads)
        self._far = BlazeFace("full", FAR_SCORE, margin=0.0, threads=threads)

    def __call__(self, image: np.ndarray) -> list[Face]:
        """Find faces; see `Detector`."""
        return self._near(image) or self._far(image)


class NearAndFar:
    """BlazeFace short-range for large faces, and full-range for the smaller ones, in every image.

    Together they see faces from about a thirteenth of the image's longer side up to all of it.
    """

    def __init__(self, threads: int = 1) -> None:
        self._near = BlazeFace("short", threads=threads)
        self._far = BlazeFace("full", FAR_SCORE, margin=0.0, threads=threads)

    def __call__(self, image: np.ndarray) -> list[Face]:
        """Find faces; see `Detector`."""
        return keep_distinct([*self._near(image), *self._far(image)])


class Tiled:
    """`NearAndFar` on the whole image, then full-range on overlapping tiles of it.

    Sees faces from 24 pixels up in images of at most 2,000 x 2,000 pixels, from about an eightieth
    of the longer side in larger ones.
    """

    def __init__(self, threads: int = 1) -> None:
        self._whole = NearAndFar(threads)
        self._far = BlazeFace("full", FAR_SCORE, margin=0.0, threads=threads)

    def __call__(self, image: np.ndarray) -> list[Face]:
        """Find faces; see `Detector`."""
        faces = self._whole(image)
        for left, top, side in tiles(image.shape[1], image.shape[0]):
            part = np.ascontiguousarray(image[top : top + side, left : left + side])
            faces += [_move(face, left, top) for face in self._far(part)]
        return keep_distinct(faces)


DETECTORS: dict[str, Callable[[int], Detector]] = {
    "blazeface": NearThenFar,
    "blazeface-all": NearAndFar,
    "blazeface-tiled": Tiled,
    "blazeface-near": lambda threads: BlazeFace("short", threads=threads),
    "haar": HaarCascade,
}
"""The detectors that need no file, by name."""


def load_detector(name: str, threads: int = 1) -> Detector:
    """Load a detector.

    Parameters
    ----------
    name : str
        "blazeface": near faces, and far ones where there is no near one, the default;
        "blazeface-all": far ones beside near ones too, slower; "blazeface-tiled":
        also the small ones of a large picture, slowly; "blazeface-near": quickest; "haar"; or the
        path of a YuNet `.onnx` file.
    threads : int
        Of LiteRT.

    Returns
    -------
    callable
        From an image, uint8, shape (height, width, 3), RGB, to its `Face`s, the largest first.

    Raises
    ------
    ValueError
        If the name is unknown or the file no YuNet.
    FileNotFoundError
        If the file is missing.
    """
    if name in DETECTORS:
        return DETECTORS[name](threads)
    if name.endswith(".onnx"):
        return YuNet(name, threads)
    raise ValueError(
        f"expected a detector of {', '.join(DETECTORS)}, or YuNet's .onnx file; got {name!r}"
    )


def tiles(width: int, height: int) -> list[tuple[int, int, int]]:
    """Cover an image with overlapping squares (left, top, side); none if one were all of it."""
    longer = max(width, height)
    if longer <= TILE * 1.2:
        return []
    side = max(TILE, round(longer / (0.75 * MOST_TILES + 0.25)))
    return [(left, top, side) for top in _starts(height, side) for left in _starts(width, side)]


def _starts(length: int, side: int) -> list[int]:
    """Spread tiles evenly, neighbours sharing at least a quarter."""
    if length <= side:
        return [0]
    number = int(np.ceil((length - side) / (0.75 * side))) + 1
    return [round(start) for start in np.linspace(0, length - side, number)]


def _move(face: Face, left: int, top: int) -> Face:
    x, y, width, height = face.box
    first_x, first_y, second_x, second_y = face.eyes
    eyes = (first_x + left, first_y + top, second_x + left, second_y + top)
    return Face((x + left, y + top, width, height), face.score, eyes)
