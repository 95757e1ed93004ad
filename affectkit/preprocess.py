"""From an image and a face box to what a network sees. The only place where this is written.

Training, evaluation, video, webcam, Nano and benchmarks all call these functions, so a model is
never fed with another crop margin, channel order or scaling than it was trained with.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from numbers import Integral, Real
from typing import TypeVar

import cv2
import numpy as np

Pixels = TypeVar("Pixels")
"""A NumPy array or a tensor."""


@dataclass(frozen=True)
class Preprocessing:
    """How faces are cut out for a model; saved beside every model.

    Attributes
    ----------
    image_size : int
        Side of the square input in pixels.
    crop_margin : float
        Added on each side of the face box, as a share of its longer side.
    grey : bool
        Faces lose their colour: luminance (ITU-R BT.601) in all three channels. For models that
        learned from grey photographs.
    colour_order : str
        Always "RGB"; written down for users of exported models.
    scaling : str
        Always "x / 127.5 - 1"; written down likewise.
    """

    image_size: int = 96
    crop_margin: float = 0.0
    grey: bool = False
    colour_order: str = "RGB"
    scaling: str = "x / 127.5 - 1"

    def __post_init__(self) -> None:
        numbers = {"image_size": Integral, "crop_margin": Real, "grey": (bool, np.bool_)}
        for name, kind in numbers.items():
            value = getattr(self, name)
            if not isinstance(value, kind) or (name != "grey" and isinstance(value, bool)):
                raise ValueError(f"expected {name} to be a number or yes/no, got {value!r:.80}")
        if not 32 <= self.image_size <= 1024:
            raise ValueError(f"expected an image_size of 32..1024 pixels, got {self.image_size}")
        if not 0 <= self.crop_margin <= 1:
            raise ValueError(f"expected a crop_margin of 0..1 box sides, got {self.crop_margin}")
        if self.colour_order != "RGB" or self.scaling != "x / 127.5 - 1":
            raise ValueError(
                f"this version knows colour order RGB and scaling 'x / 127.5 - 1' only, got "
                f"{self.colour_order!r:.80} and {self.scaling!r:.80}; use the version that saved "
                "the model"
            )

    def to_dict(self) -> dict[str, object]:
        """Give the settings as a JSON-able dict; `Preprocessing(**d)` reads it back."""
        return asdict(self)


def crop_face(
    image: np.ndarray, box: Sequence[float] | None, preprocessing: Preprocessing
) -> np.ndarray:
    """Cut a face out and resize it.

    The crop is the square round the centre of the box whose side is the longer side of the box
    plus the margin; where it leaves the image, edge pixels are repeated. Without a box it is the
    largest centred square of the image.

    Parameters
    ----------
    image : numpy.ndarray
        uint8, shape (height, width, 3), RGB.
    box : sequence of 4 float, optional
        Left, top, width, height in pixels.
    preprocessing : Preprocessing
        Size and margin.

    Returns
    -------
    numpy.ndarray
        uint8, shape (image_size, image_size, 3), RGB.

    Raises
    ------
    ValueError
        If the box has no positive size or lies outside the image.
    """
    height, width = image.shape[:2]
    if box is None:
        side = min(height, width)
        left, top = (width - side) // 2, (height - side) // 2
    else:
        x, y, box_width, box_height = (float(value) for value in box)
        inside = x < width and y < height and x + box_width > 0 and y + box_height > 0
        if not (0 < box_width < np.inf and 0 < box_height < np.inf and inside):
            raise ValueError(
                f"face box (x {x:g}, y {y:g}, width {box_width:g}, height {box_height:g}) is empty "
                f"or outside the image of {width} x {height} pixels; correct the box"
            )
        # a face is never larger than its image: keeps absurd boxes from asking for huge crops
        longer = min(max(box_width, box_height), 2.0 * max(width, height))
        side = max(1, round(longer * (1 + 2 * preprocessing.crop_margin)))
        left = round(x + box_width / 2 - side / 2)
        top = round(y + box_height / 2 - side / 2)
    x0, y0, x1, y1 = max(left, 0), max(top, 0), min(left + side, width), min(top + side, height)
    if x1 <= x0 or y1 <= y0:
        raise ValueError(f"the crop of face box {tuple(box or ())} is outside the image")
    crop = image[y0:y1, x0:x1]
    if crop.shape[:2] != (side, side):
        borders = (y0 - top, top + side - y1, x0 - left, left + side - x1)
        crop = cv2.copyMakeBorder(crop, *borders, cv2.BORDER_REPLICATE)
    if not preprocessing.grey:
        return resize_face(crop, preprocessing.image_size)
    grey = resize_face(cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY), preprocessing.image_size)
    return cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB)


def resize_face(face: np.ndarray, image_size: int) -> np.ndarray:
    """Resize a square crop: area averaging when it shrinks, bilinear when it grows.

    An even side that shrinks to half or less is halved first.

    Parameters
    ----------
    face : numpy.ndarray
        uint8, shape (side, side, 3) or (side, side).
    image_size : int
        The new side in pixels.

    Returns
    -------
    numpy.ndarray
        uint8, shape (image_size, image_size, 3) or (image_size, image_size).
    """
    if face.shape[0] == image_size:
        return np.ascontiguousarray(face)
    while face.shape[0] >= 2 * image_size and face.shape[0] % 2 == 0:
        face = halve(face)  # the same but for rounding, and quicker than areas of any size
    interpolation = cv2.INTER_AREA if face.shape[0] > image_size else cv2.INTER_LINEAR
    return cv2.resize(face, (image_size, image_size), interpolation=interpolation)


def halve(image: np.ndarray) -> np.ndarray:
    """Halve an image by the mean of 2 x 2 pixels; an odd last row or column is dropped.

    Parameters
    ----------
    image : numpy.ndarray
        uint8, shape (height, width, 3) or (height, width); at least 2 x 2 pixels.

    Returns
    -------
    numpy.ndarray
        uint8, shape (height // 2, width // 2, 3) or (height // 2, width // 2).
    """
    height, width = image.shape[0] // 2, image.shape[1] // 2
    even = image[: 2 * height, : 2 * width]
    return cv2.resize(even, (width, height), interpolation=cv2.INTER_AREA)


def scale_pixels(pixels: Pixels, out: np.ndarray | None = None) -> Pixels:
    """Scale pixels from 0..255 to the range [-1, 1] that MobileNetV2 expects.

    Parameters
    ----------
    pixels : numpy.ndarray or tensor
        Float of any shape, 0..255; with `out` also uint8.
    out : numpy.ndarray, optional
        float32, of the same shape: gets the result, without an array in between.

    Returns
    -------
    numpy.ndarray or tensor
        Like the input, -1..1.
    """
    if out is None:
        return pixels / 127.5 - 1.0
    np.divide(pixels, np.float32(127.5), out=out)
    out -= np.float32(1)
    return out


def face_input(
    image: np.ndarray, boxes: Sequence[Sequence[float] | None], preprocessing: Preprocessing
) -> np.ndarray:
    """Prepare the faces of one image as a batch for a model.

    Parameters
    ----------
    image : numpy.ndarray
        uint8, shape (height, width, 3), RGB.
    boxes : sequence
        One box (left, top, width, height; pixels) or None a face.
    preprocessing : Preprocessing
        The model's own.

    Returns
    -------
    numpy.ndarray
        float32, shape (faces, image_size, image_size, 3), RGB, -1..1.
    """
    size = preprocessing.image_size
    faces = np.empty((len(boxes), size, size, 3), np.float32)
    for face, box in zip(faces, boxes, strict=True):
        scale_pixels(crop_face(image, box, preprocessing), out=face)
    return faces
