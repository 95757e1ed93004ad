"""Follow faces from frame to frame, and smooth what is said about each."""

from __future__ import annotations

import numpy as np

from affectkit.pipeline.detect.face import Face, intersection_over_union

Answer = tuple[np.ndarray, np.ndarray]
"""Probabilities, shape (8,), and valence and arousal, shape (2,)."""


class FaceTracker:
    """Give every face a number that it keeps while it is seen, and average its answers over time.

    A face is the one of an earlier frame whose box it overlaps most, by intersection over union.

    Parameters
    ----------
    smoothing : float
        Share of the earlier average that a new answer keeps, 0..1 (excluding 1): 0 smooths nothing,
        0.8 at 25 frames a second has a time constant of 0.2 s. An exponential moving average.
    overlap : float
        Intersection over union from which two boxes are the same face.
    patience : int
        Frames that a face may be missing and still be known.
    """

    def __init__(self, smoothing: float = 0.0, overlap: float = 0.3, patience: int = 10) -> None:
        """Start with no face known.

        Raises
        ------
        ValueError
            If a setting is out of its range.
        """
        if not 0 <= smoothing < 1:
            raise ValueError(f"expected a smoothing of 0 up to (not including) 1, got {smoothing}")
        if not 0 < overlap < 1:
            raise ValueError(f"expected an overlap between 0 and 1, got {overlap}")
        self._smoothing, self._overlap, self._patience = smoothing, overlap, patience
        self._boxes: dict[int, tuple[float, ...]] = {}
        self._answers: dict[int, list[np.ndarray]] = {}
        self._missing: dict[int, int] = {}
        self._next = 0

    def update(self, faces: list[Face], answers: list[Answer]) -> tuple[list[int], list[Answer]]:
        """Take the faces of the next frame.

        Parameters
        ----------
        faces : list of Face
            What the detector found.
        answers : list of tuple
            What the networks said about each.

        Returns
        -------
        tuple of list
            Each face's number, from 0, and its smoothed answers.
        """
        numbers = self._match([face.box for face in faces])
        smoothed = []
        for number, face, answer in zip(numbers, faces, answers, strict=True):
            known = self._answers.get(number)
            keep = self._smoothing if known is not None else 0.0
            means = [
                np.asarray(value) if not keep else keep * old + (1 - keep) * value
                for value, old in zip(answer, known or answer, strict=True)
            ]
            self._boxes[number], self._answers[number] = face.box, means
            smoothed.append(tuple(means))
        self._forget(set(numbers))
        return numbers, smoothed

    def _match(self, boxes: list[tuple[float, ...]]) -> list[int]:
        pairs = sorted(
            (
                (intersection_over_union(box, known), index, number)
                for index, box in enumerate(boxes)
                for number, known in self._boxes.items()
            ),
            key=lambda pair: (-pair[0], pair[1], pair[2]),
        )
        numbers: dict[int, int] = {}
        for overlap, index, number in pairs:
            if overlap >= self._overlap and index not in numbers and number not in numbers.values():
                numbers[index] = number
        for index in range(len(boxes)):
            if index not in numbers:
                numbers[index] = self._next
                self._next += 1
        return [numbers[index] for index in range(len(boxes))]

    def _forget(self, seen: set[int]) -> None:
        for number in list(self._boxes):
            self._missing[number] = 0 if number in seen else self._missing.get(number, 0) + 1
            if self._missing[number] > self._patience:
                for known in (self._boxes, self._answers, self._missing):
                    known.pop(number, None)
