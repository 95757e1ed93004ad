"""From an image to faces with expression, valence and arousal: detector, crop, networks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from affectkit.data.images import picture_pixels
from affectkit.labels import EXPRESSIONS
from affectkit.models.opening import Model, open_model
from affectkit.models.temperature import apply_temperature, plausible_expressions
from affectkit.pipeline.answers import FaceAffect
from affectkit.pipeline.detect.detectors import load_detector
from affectkit.pipeline.detect.face import Face
from affectkit.pipeline.stage_timer import StageTimer
from affectkit.pipeline.tracking import FaceTracker
from affectkit.preprocess import Preprocessing, crop_face, scale_pixels

KEPT_FRAMES = 10_000
"""Frames that a pipeline's own timer keeps, so that a long video does not fill the memory."""


class AffectPipeline:
    """Find the faces of an image and tell expression, valence and arousal of each.

    Not for several threads at once: give each thread a pipeline of its own.

    Parameters
    ----------
    model : str or Path
        A checkpoint's name: "affectkit-real-int8" (the default, LiteRT in 8-bit integers),
        "affectkit-real-float16", "affectkit-real" (Keras), the same of "affectkit-synthetic"; or a
        `.keras` file, a course's run folder, or the manifest of an exported model.
    detector : str or callable
        A name, see `load_detector`, or a function from an image (uint8, RGB) to a list of `Face`.
    threads : int
        Of the detector and the networks.
    smoothing : float
        See `FaceTracker`; 0, the default, leaves every frame to itself.
    track : bool
        Number the faces of a video; implied by smoothing.
    timer : StageTimer, optional
        Gets the time of every stage. The default one keeps the last 10,000 frames.
    prior : {"trained", "balanced"}
        How frequent the expressions are thought to be: as in the training of the network, where
        some are rare, or all about alike. "balanced" finds more of the rare ones, and is wrong more
        often where these are rare.

    Examples
    --------
    >>> from affectkit import AffectPipeline
    >>> from affectkit.faces import render_face
    >>> pipeline = AffectPipeline("affectkit-synthetic-int8")
    >>> faces = pipeline(render_face(0, 256)[0])
    >>> len(faces), -1 <= faces[0].valence <= 1
    (1, True)
    """

    def __init__(
        self,
        model: str | Path = "affectkit-real-int8",
        detector: str | Callable[[np.ndarray], list[Face]] = "blazeface",
        threads: int = 1,
        smoothing: float = 0.0,
        track: bool = False,
        timer: StageTimer | None = None,
        prior: str = "trained",
    ) -> None:
        """Load detector and networks.

        Raises
        ------
        ValueError
            If a name is unknown, a setting out of range, a file damaged, or a balanced prior is
            wanted of a model whose card has none.
        FileNotFoundError
            If a file is missing.
        """
        self.model = open_model(model, threads)
        self._weights = _prior_weights(self.model, prior)
        self.detect = load_detector(detector, threads) if isinstance(detector, str) else detector
        self.timer = timer or StageTimer(keep=KEPT_FRAMES)
        self._smoothing, self._follow = smoothing, bool(track or smoothing)
        self.forget_faces()

    def forget_faces(self) -> None:
        """Begin another video: faces are numbered from 0 again, and nothing is averaged."""
        self._tracker = FaceTracker(self._smoothing) if self._follow else None

    @property
    def preprocessing(self) -> Preprocessing:
        """How faces are cut out for the networks."""
        return self.model.preprocessing

    def __call__(self, image: np.ndarray | str | Path | Image.Image) -> list[FaceAffect]:
        """Read one image, or the next frame of a video.

        Parameters
        ----------
        image : numpy.ndarray, str, Path or PIL.Image.Image
            uint8, shape (height, width, 3), channel order RGB; or a picture's file, or a Pillow
            image, which are read as `read_image` does.

        Returns
        -------
        list of FaceAffect
            The largest face first; empty if there is none.

        Raises
        ------
        ValueError
            If the image has another shape or type, or the file can't be read.
        """
        image = picture_pixels(image)
        timer = self.timer
        with timer.stage("detect"):
            faces = self.detect(image)
        answers = self._answer(image, faces)
        numbers: list[int | None] = [None] * len(faces)
        if self._tracker is not None:
            with timer.stage("smooth"):
                numbers, answers = self._tracker.update(faces, answers)
        share = self.model.confidence.get("plausible_share")
        if share is not None:
            share **= 1 / self.model.temperature
        return [
            _describe(face, answer, number, share)
            for face, answer, number in zip(faces, answers, numbers, strict=True)
        ]

    def _answer(self, image: np.ndarray, faces: list[Face]) -> list[tuple[np.ndarray, np.ndarray]]:
        """Give probabilities (8,) or (0,), and valence and arousal (2,) or (0,), of each face."""
        if not faces:
            return []
        timer, preprocessing = self.timer, self.model.preprocessing
        with timer.stage("crop"):
            crops = [crop_face(image, face.box, preprocessing) for face in faces]
        with timer.stage("preprocess"):
            crops = np.stack(crops)
            inputs = scale_pixels(crops, out=np.empty(crops.shape, np.float32))
        outputs: dict[str, np.ndarray] = {}
        for network in self.model.networks:
            stage = "classify" if "expression" in network.outputs else "regress"
            with timer.stage(stage):
                outputs |= network(inputs)
        nothing = np.empty((len(faces), 0), np.float32)
        probabilities = outputs.get("expression", nothing)
        if probabilities.size:
            with timer.stage("classify"):
                if self._weights is not None:
                    probabilities = probabilities * self._weights
                probabilities = apply_temperature(probabilities, self.model.temperature)
        return list(zip(probabilities, outputs.get("valence_arousal", nothing), strict=True))


def _prior_weights(model: Model, prior: str) -> np.ndarray | None:
    """Give what probabilities are multiplied by for a prior, shape (8,); None for nothing."""
    if prior not in ("trained", "balanced"):
        raise ValueError(f"expected a prior of trained or balanced, got {prior!r}")
    if prior == "trained":
        return None
    added = model.confidence.get("balanced_prior")
    if added is None:
        raise ValueError(
            f"the card of {model.name} has no balanced prior; take the trained one, or "
            "a checkpoint such as affectkit-real-int8"
        )
    return np.exp(added)


def _describe(
    face: Face, answer: tuple[np.ndarray, np.ndarray], track: int | None, share: float | None
) -> FaceAffect:
    probabilities, valence_arousal = answer
    valence, arousal = (float(value) for value in valence_arousal) if valence_arousal.size else (
        None, None
    )  # fmt: skip
    known = bool(probabilities.size)
    plausible = ()
    if known and share is not None:
        (held,) = plausible_expressions(probabilities[None], share)
        order = np.argsort(-probabilities, kind="stable")
        plausible = tuple(EXPRESSIONS[code] for code in order if held[code])
    return FaceAffect(
        face.box,
        face.score,
        EXPRESSIONS[int(probabilities.argmax())] if known else None,
        dict(zip(EXPRESSIONS, probabilities.tolist(), strict=True)) if known else {},
        valence,
        arousal,
        track,
        plausible,
    )
