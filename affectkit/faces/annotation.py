"""Valence, arousal and two simulated annotators.

Valence and arousal follow AffectNet's validation split: the class means, spreads and correlations
in `affectkit.labels.VALENCE_AROUSAL`. The annotators' confusions have the shape of a published
AffectNet confusion matrix, scaled until two of them agree on AffectNet's 60.7 % of images
(Mollahosseini et al., 2017, doi:10.1109/TAFFC.2017.2740923).
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from affectkit.labels import VALENCE_AROUSAL

ANNOTATOR_AGREEMENT = 0.607
INTENSITY_SLOPE = 0.45
INTENSITY_MEAN, INTENSITY_STD = 0.87, 0.2

# Rows true, columns predicted, 4,000 images of AffectNet's validation split.
PUBLISHED_CONFUSION = np.array([
    [280, 11, 50, 40, 16, 15, 41, 47],
    [19, 371, 6, 24, 3, 11, 3, 63],
    [65, 6, 314, 15, 27, 21, 47, 5],
    [45, 33, 24, 293, 69, 16, 11, 9],
    [22, 8, 36, 79, 312, 24, 19, 0],
    [28, 17, 47, 14, 15, 269, 91, 19],
    [65, 4, 28, 21, 25, 48, 293, 16],
    [82, 66, 16, 14, 4, 25, 28, 265],
])  # fmt: skip


def sample_valence_arousal(
    expression: str, intensity: float, rng: np.random.Generator
) -> tuple[float, float]:
    """Draw valence and arousal of a face, each in [-1, 1].

    With class mean m, standard deviation s and correlation r of AffectNet's validation split::

        value = m * (1 + 0.45 * (intensity - 0.87)) + residual

    where the residual is Gaussian with what the intensity term leaves of s and r, so that the
    class statistics over the sampled intensities are AffectNet's. Neutral has no intensity term.
    """
    target = VALENCE_AROUSAL[expression]
    mean = np.array([target.valence, target.arousal])
    std = np.array([target.valence_std, target.arousal_std])
    slope = 0.0 if expression == "Neutral" else INTENSITY_SLOPE
    explained = mean * slope * INTENSITY_STD
    residual = np.sqrt(np.maximum(std**2 - explained**2, 0.02**2))
    covariance = target.correlation * std.prod() - explained.prod()
    correlation = np.clip(covariance / residual.prod(), -0.95, 0.95)
    first, second = rng.normal(size=2)
    noise = residual * (first, correlation * first + np.sqrt(1 - correlation**2) * second)
    value = np.clip(mean * (1 + slope * (intensity - INTENSITY_MEAN)) + noise, -1, 1)
    return float(value[0]), float(value[1])


@lru_cache(maxsize=4)
def annotator_matrix(agreement: float = ANNOTATOR_AGREEMENT) -> np.ndarray:
    """Probability (8, 8) that one annotator gives label k to an image of clean class c (row).

    Two independent annotators with this matrix agree on the wanted share of a balanced sample:
    the mean over classes of the sum of squares of a row equals `agreement`. A ValueError if scaling
    the published errors can't reach it.
    """
    published = PUBLISHED_CONFUSION / PUBLISHED_CONFUSION.sum(1, keepdims=True)
    errors = published * (1 - np.eye(len(published)))

    def matrix(scale: float) -> np.ndarray:
        scaled = errors * scale
        return scaled + np.diag(1 - scaled.sum(1))

    low, high = 0.0, 1.2
    if not np.mean((matrix(high) ** 2).sum(1)) < agreement <= 1:
        raise ValueError(f"expected an agreement between about 0.35 and 1, got {agreement}")
    for _ in range(60):
        middle = (low + high) / 2
        if np.mean((matrix(middle) ** 2).sum(1)) > agreement:
            low = middle
        else:
            high = middle
    return matrix(low)


def clean_given_annotated(clean_prior: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the annotated distribution (8,) and P(clean | annotated), rows annotated (8, 8)."""
    joint = annotator_matrix() * np.asarray(clean_prior)[:, None]
    annotated = joint.sum(0)
    return annotated, (joint / annotated).T
