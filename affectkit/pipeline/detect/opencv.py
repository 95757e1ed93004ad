"""The face detectors that OpenCV has: Haar cascades, and YuNet from a file."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from affectkit.data.images import check_image
from affectkit.pipeline.detect.face import EYE_DISTANCE, EYE_HEIGHT, Face, frame_face, keep_distinct

YUNET_BOX = 0.8
"""About BlazeFace's box side as a share of the longer side of YuNet's."""


class HaarCascade:
    """OpenCV's Haar cascade for frontal faces (Viola, Jones, 2001): slow, and often wrong.

    It knows no eyes; those given are where they lie in such a box on average. OpenCV 5 has no Haar
    cascades.
    """

    def __init__(self, threads: int = 1) -> None:
        if not hasattr(cv2, "CascadeClassifier"):
            raise ValueError(
                f"OpenCV {cv2.__version__} has no Haar cascades: install opencv-python>=4.10,<5, "
                "or use another detector"
            )
        self._cascade = cv2.CascadeClassifier(
            str(Path(cv2.data.haarcascades) / "haarcascade_frontalface_default.xml")
        )

    def __call__(self, image: np.ndarray) -> list[Face]:
        """Find faces, see `Detector`; the score is always 1."""
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
    """YuNet (Wu et al., 2023, doi:10.1007/s11633-023-1423-y) from its `.onnx` file, in OpenCV."""

    def __init__(self, path: str | Path, threads: int = 1) -> None:
        path = Path(path).expanduser()
        if not path.is_file():
            raise FileNotFoundError(f"expected YuNet's .onnx file at {path}: check the path")
        try:
            self._net = cv2.FaceDetectorYN.create(str(path), "", (320, 320), 0.7)
            self(np.zeros((64, 64, 3), np.uint8))
        except (cv2.error, LookupError, TypeError, AttributeError) as error:
            raise ValueError(
                f"{path} can't be loaded as YuNet ({getattr(error, 'err', error)}): get it anew"
            ) from error

    def __call__(self, image: np.ndarray) -> list[Face]:
        """Find faces; see `Detector`."""
        faces = []
        for row in self._detect(image):
            eyes = row[4:8].astype(float).reshape(2, 2)
            box = frame_face(eyes, YUNET_BOX * float(max(row[2], row[3])))
            faces.append(Face(box, float(row[14]), tuple(eyes.ravel().tolist())))
        return keep_distinct(faces)

    def find_landmarks(self, image: np.ndarray) -> np.ndarray | None:
        """Find eyes, nose and the mouth's corners of the likeliest face: (5, 2), x and y in pixels.

        The eye on the left of the picture comes first, and the corner below it. None without a
        face.
        """
        rows = self._detect(image)
        if not rows:
            return None
        return max(rows, key=lambda row: row[14])[4:14].astype(float).reshape(5, 2)

    def _detect(self, image: np.ndarray) -> list[np.ndarray]:
        """Give the network's 15 numbers of each face: box, five landmarks, score."""
        check_image(image)
        self._net.setInputSize(image.shape[1::-1])
        found = self._net.detect(np.ascontiguousarray(image[..., ::-1]))[1]
        # what is not finite is of a damaged network
        return [row for row in (found if found is not None else []) if np.isfinite(row).all()]
