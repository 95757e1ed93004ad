"""What the pipeline says about one face."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class FaceAffect:
    """What the pipeline says about one face.

    Attributes
    ----------
    box : tuple of 4 float
        Left, top, width and height of the square that was looked at, in pixels; it may reach
        beyond the image.
    score : float
        How certain the detector is, 0..1.
    expression : str or None
        The most probable of `affectkit.labels.EXPRESSIONS`; None without a classifier.
    probabilities : dict of str to float
        Of each expression, calibrated with the checkpoint's temperature; empty without a
        classifier.
    valence, arousal : float or None
        In [-1, 1]; None without a regressor.
    track : int or None
        Number of the face within a video; None where faces are not followed.
    plausible : tuple of str
        The expressions that hold what raters say in nine of ten cases, the most probable first, for
        faces like those that the share on the model's card was fitted on: see
        `affectkit.models.plausible_expressions`. Empty without a classifier or such a share.
    """

    box: tuple[float, float, float, float]
    score: float
    expression: str | None
    probabilities: dict[str, float]
    valence: float | None
    arousal: float | None
    track: int | None = None
    plausible: tuple[str, ...] = ()

    @property
    def unsure(self) -> bool:
        """Whether no probability reaches one half: by the model's own estimate, more likely wrong.

        That estimate is only as good as the model's calibration, see its card.
        """
        return bool(self.probabilities) and max(self.probabilities.values()) < 0.5
