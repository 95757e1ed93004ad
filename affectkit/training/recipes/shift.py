"""Confidence for pictures that networks were not trained for: other sources, and worsened copies.

A temperature that was fitted on faces like those of training makes a network too sure of others
(Ovadia et al., 2019, arXiv:1906.02530). So what users' pictures get is fitted on several sources,
as they are and worsened; what suits the protocol of training is kept beside it.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from affectkit.data.batches import load_faces
from affectkit.data.datasets import load_table
from affectkit.data.splitting import limit_rows
from affectkit.evaluation.metrics.calibration import fit_plausible_share, fit_temperature
from affectkit.models.cards import Confidence
from affectkit.preprocess import Preprocessing
from affectkit.training.recipes.calibration import STRENGTHS
from affectkit.training.recipes.rows import drop_copies, mixed_splits

Faces = tuple[pd.DataFrame, np.ndarray]
"""A table of n rows with an expression each, and their faces: uint8, (n, size, size, 3), RGB."""

Answers = dict[tuple[str, str], tuple[np.ndarray, np.ndarray]]
"""Expressions (n,) and probabilities (n, 8) by source and by what was done: `AS_IS`, `WORSENED`."""

PRESS_PARTS = {"train": (0, 1), "choose": (2,), "report": (3,)}
"""Remainders of a press photograph's subject by 4: no person is in two parts."""

AS_IS = "as it is"

WORSENED = ("blur", "24 px", "JPEG", "dark", "crop")
"""What `worsen` can do."""


def fit_shared_temperature(answers: Answers) -> float:
    """Find the temperature of the lowest NLL, where every source and way of worsening counts alike.

    Raises ValueError if there is no answer.
    """
    groups = list(answers.values())
    weights = [np.full(len(labels), 1 / len(labels)) for labels, _ in groups]
    labels, probabilities = (np.concatenate(parts) for parts in zip(*groups, strict=True))
    return fit_temperature(labels, probabilities, np.concatenate(weights))


def fit_balanced_prior(
    labels: np.ndarray, probabilities: np.ndarray, frequencies: np.ndarray
) -> np.ndarray:
    """Find what to add to logits (8,) so that all expressions are found about as well.

    The share of the logarithm of the `frequencies` in training, one of `STRENGTHS`, that gives the
    greatest balanced accuracy on held-out faces.
    """
    logits, shift = np.log(np.maximum(probabilities, 1e-7)), np.log(frequencies)
    found = [
        balanced_accuracy(labels, (logits - strength * shift).argmax(axis=1))
        for strength in STRENGTHS
    ]
    return -STRENGTHS[int(np.argmax(found))] * shift


def balanced_accuracy(labels: np.ndarray, predictions: np.ndarray) -> float:
    """Give the mean recall of the expressions that occur."""
    return float(np.mean([(predictions[labels == k] == k).mean() for k in np.unique(labels)]))


def fit_confidence(answers: Answers, frequencies: np.ndarray) -> tuple[float, Confidence]:
    """Fit all that a card tells of confidence: the temperature of all pictures, and the rest.

    The protocol's temperature, the plausible share and the balanced prior are fitted on FER+'s
    faces as they are.
    """
    protocol = answers["FER+", AS_IS]
    return fit_shared_temperature(answers), {
        "protocol_temperatures": {"ferplus-majority": fit_temperature(*protocol)},
        "plausible_share": fit_plausible_share(*protocol),
        "balanced_prior": fit_balanced_prior(*protocol, frequencies).round(4).tolist(),
    }


def press_rows(root: str | Path, part: str) -> pd.DataFrame:
    """Give the press photographs of one part of the people, a key of `PRESS_PARTS`."""
    table = load_table("folder", root, "all")
    rows = (table["subject"].astype(int) % 4).isin(PRESS_PARTS[part])
    kept = table[rows].reset_index(drop=True)
    kept.attrs = dict(table.attrs)
    return kept


def shifted_faces(
    ferplus: str | Path,
    press: str | Path,
    part: str,
    preprocessing: Preprocessing,
    limit: int | None = None,
) -> dict[str, Faces]:
    """Read the faces of each source to "choose" with, or to "report": none is in both.

    FER+'s are those held out of training ("choose"), or PublicTest's; drawn ones of the validation
    or test split, with their clean expressions. None was trained on, nor a pixel copy of it. At
    most `limit` rows of each.
    """
    choose = part == "choose"
    splits, drawn = mixed_splits(ferplus), mixed_splits(None)
    tables = {
        "FER+": splits["validation" if choose else "test"],
        "press": press_rows(press, part),
        "drawn": drawn["validation" if choose else "test"],
    }
    if limit is not None:
        tables = {name: limit_rows(table, limit, 0) for name, table in tables.items()}
    read = {name: load_faces(table, preprocessing)[::-1] for name, table in tables.items()}
    if choose:
        unseen = load_faces(splits["test"], preprocessing)[0]
        read["FER+"] = drop_copies(*read["FER+"], unseen)
    return read


def worsen(faces: np.ndarray, kind: str) -> np.ndarray:
    """Worsen faces, uint8 (n, size, size, 3), RGB, in one of the ways of `WORSENED`.

    "blur" is a Gaussian of 3 % of the side; "24 px" what is left at 24 pixels; "JPEG" of quality
    20; "dark" three tenths of the light, with a noise of 5 grey levels; "crop" cuts 14 % off at the
    top, and half of that off the other three sides.
    """
    side = faces.shape[1]
    if kind == "dark":
        noise = np.random.default_rng(0).normal(0, 5, faces.shape)
        return (0.3 * faces + noise).clip(0, 255).astype(np.uint8)
    top, rest = round(0.14 * side), round(0.07 * side)
    change = {
        "blur": lambda face: cv2.GaussianBlur(face, (0, 0), 0.03 * side),
        "24 px": lambda face: _resized(_resized(face, 24), side),
        "JPEG": lambda face: cv2.imdecode(
            cv2.imencode(".jpg", face, [cv2.IMWRITE_JPEG_QUALITY, 20])[1], cv2.IMREAD_COLOR
        ),
        "crop": lambda face: _resized(face[top : side - rest, rest : side - rest], side),
    }[kind]
    return np.stack([change(face) for face in faces])


def _resized(face: np.ndarray, side: int) -> np.ndarray:
    smaller = side < face.shape[0]
    return cv2.resize(
        face, (side, side), interpolation=cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
    )
