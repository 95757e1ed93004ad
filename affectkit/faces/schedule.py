"""Which expression every face of a split has."""

from __future__ import annotations

import hashlib

import numpy as np

from affectkit.faces.annotation import annotator_matrix, clean_given_annotated
from affectkit.faces.randomness import stream
from affectkit.labels import EXPRESSIONS

SPLITS = ("training", "validation", "test")
AFFECTNET_TRAINING = (74874, 134416, 25459, 14090, 6378, 3803, 24882, 3750)
"""Images per class in AffectNet's training split (287,651 images of the eight classes)."""
LONG_TAIL_EXPONENT = 0.5


def derived_seed(*parts: object) -> int:
    """Return a 48-bit seed that depends on all the parts."""
    digest = hashlib.sha256("/".join(str(part) for part in parts).encode()).digest()
    return int.from_bytes(digest[:6], "little")


def class_priors(split: str) -> tuple[np.ndarray, np.ndarray]:
    """Give a split's distribution (8,) of annotated labels and P(clean | annotated) (8, 8).

    Training has AffectNet's long tail in the clean classes, flattened by the exponent 0.5 so
    that the rarest keeps about 5 %; validation and test are balanced in the annotated label, as
    AffectNet's validation split is.
    """
    if split == "training":
        clean = np.array(AFFECTNET_TRAINING, float) ** LONG_TAIL_EXPONENT
    else:
        uniform = np.full(len(EXPRESSIONS), 1 / len(EXPRESSIONS))
        clean = np.clip(np.linalg.solve(annotator_matrix().T, uniform), 0, None)
    return clean_given_annotated(clean / clean.sum())


def class_schedule(count: int, seed: int, split: str) -> np.ndarray:
    """Give the annotated class (count,) of every face: exact proportions in shuffled order."""
    annotated, _ = class_priors(split)
    wanted = annotated * count
    numbers = np.floor(wanted + 1e-9).astype(int)
    missing = count - numbers.sum()
    numbers[np.argsort(numbers - wanted, kind="stable")[:missing]] += 1
    rng = stream(derived_seed(seed, split), "schedule")
    return rng.permutation(np.repeat(np.arange(len(EXPRESSIONS)), numbers))


def labels_of_face(seed: int, split: str, index: int, annotated: int) -> dict[str, str]:
    """Give the annotated and a fitting clean expression of one face."""
    _, posterior = class_priors(split)
    rng = stream(derived_seed(seed, split, index), "clean_given_annotated")
    clean = rng.choice(len(EXPRESSIONS), p=posterior[annotated])
    return {"expression": EXPRESSIONS[annotated], "expression_clean": EXPRESSIONS[clean]}
