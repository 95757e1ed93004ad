"""Face detectors behind one interface: from an image to its faces, the largest first."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from affectkit.blazeface import BlazeFace
from affectkit.data.images import check_image
from affectkit.face_frame import EYE_DISTANCE, EYE_HEIGHT, Face, frame_face

Detector = Callable[[np.ndarray], list[Face]]
"""From an image, uint8, shape (height, width, 3), RGB, to its faces, the largest first."""

FAR_SCORE = 0.65
"""What the full-range network must be sure of: below, it takes ceilings and curtains for faces."""

YUNET_BOX = 0.8
"""About BlazeFace's box side as a share of the longer side of YuNet's."""

TILE = 320
"""Side of a tile in pixels: in one, the full-range network sees faces from 24 pixels up."""

MOST_TILES = 8
"""Tiles along the longer side at most; larger images have larger tiles."""


class NearThenFar:
    """BlazeFace short-range; full-range only in an image without a near face.

    Finds faces from about a thirteenth of the image's longer side up to all of it, but beside
    one of more than a quarter none below about a sixth: that is what makes it quick.
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

    Sees faces from 24 pixels up in images of at most 2,000 x 2,000 pixels, from a hundredth of the
    longer side in larger ones.
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


class HaarCascade:
    """OpenCV's Haar cascade for frontal faces (Viola, Jones, 2001): slow, and often wrong.

    It knows no eyes; those given are where they lie in such a box on average. OpenCV 5 has no Haar
    cascades.
    """

    def __init__(self, threads: int = 1) -> None:
        """Load the cascade that comes with OpenCV 4.

        Raises
        ------
        ValueError
            If OpenCV has none.
        """
        if not hasattr(cv2, "CascadeClassifier"):
            raise ValueError(
                f"OpenCV {cv2.__version__} has no Haar cascades: install opencv-python>=4.10,<5, "
                "or use another detector"
            )
        self._cascade = cv2.CascadeClassifier(
            str(Path(cv2.data.haarcascades) / "haarcascade_frontalface_default.xml")
        )

    def __call__(self, image: np.ndarray) -> list[Face]:
        """Find faces; see `Detector`. The score is 1: a cascade says yes or no."""
        grey = cv2.cvtColor(check_image(image), cv2.COLOR_RGB2GRAY)
        boxes = self._cascade.detectMultiScale(grey, 1.1, 5, minSize=(24, 24))
        # the squares of FER2013 are such boxes, so the eyes lie at about the same place
        faces = [
            Face(
                tuple(float(value) for value in box),
                1.0,
                (
                    float(box[0] + box[2] * (0.5 - EYE_DISTANCE / 2)),
                    float(box[1] + box[3] * EYE_HEIGHT),
                    float(box[0] + box[2] * (0.5 + EYE_DISTANCE / 2)),
                    float(box[1] + box[3] * EYE_HEIGHT),
                ),
            )
            for box in boxes
        ]
        return keep_distinct(faces)


class YuNet:
    """YuNet (Wu et al., 2023, doi:10.1007/s11633-023-1423-y) from a file, in OpenCV.

    Parameters
    ----------
    path : str or Path
        The `.onnx` file, from OpenCV's model zoo.
    """

    def __init__(self, path: str | Path, threads: int = 1) -> None:
        """Load the file.

        Raises
        ------
        FileNotFoundError
            If there is none.
        ValueError
            If it is not a model of YuNet.
        """
        path = Path(path).expanduser()
        if not path.is_file():
            raise FileNotFoundError(f"expected YuNet's .onnx file at {path}: check the path")
        try:
            self._net = cv2.FaceDetectorYN.create(str(path), "", (320, 320), 0.7)
        except cv2.error as error:
            raise ValueError(
                f"{path} can't be loaded as YuNet ({error.err}): get it anew"
            ) from error

    def __call__(self, image: np.ndarray) -> list[Face]:
        """Find faces; see `Detector`."""
        check_image(image)
        self._net.setInputSize(image.shape[1::-1])
        found = self._net.detect(np.ascontiguousarray(image[..., ::-1]))[1]
        faces = []
        for row in found if found is not None else []:
            eyes = row[4:8].astype(float).reshape(2, 2)
            box = frame_face(eyes, YUNET_BOX * float(max(row[2], row[3])))
            faces.append(Face(box, float(row[14]), tuple(eyes.ravel().tolist())))
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
        "blazeface-all": far ones beside near ones too, in three times the time; "blazeface-tiled":
        also the small ones of a large picture, slowly; "blazeface-near": quickest; "haar"; or the
        path of a YuNet `.onnx` file.
    threads : int
        Of LiteRT.

    Returns
    -------
    callable
        See `Detector`.

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


def keep_distinct(faces: list[Face], shared: float = 0.4) -> list[Face]:
    """Leave out what was found again, and sort the rest by size.

    Parameters
    ----------
    faces : list of Face
        In order of preference: of two that are the same, the first stays.
    shared : float
        Two faces are the same if the overlap of their squares is more than this share of the
        smaller one.

    Returns
    -------
    list of Face
        The largest first.
    """
    kept: list[Face] = []
    for face in faces:
        x, y, side, _ = face.box
        for other in kept:
            other_x, other_y, other_side, _ = other.box
            width = min(x + side, other_x + other_side) - max(x, other_x)
            height = min(y + side, other_y + other_side) - max(y, other_y)
            if min(width, height) > 0 and width * height > shared * min(side, other_side) ** 2:
                break
        else:
            kept.append(face)
    return sorted(kept, key=lambda face: -face.box[2])


def tiles(width: int, height: int) -> list[tuple[int, int, int]]:
    """Cover an image with overlapping squares; none if one would be nearly all of it.

    Returns
    -------
    list of tuple of int
        Left, top and side in pixels.
    """
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
