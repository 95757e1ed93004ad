"""Compare an exported network with the one that it was made from, on faces."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from affectkit.data.batches import load_faces
from affectkit.data.datasets import load_table
from affectkit.data.image_files import IMAGE_SUFFIXES
from affectkit.data.images import read_image
from affectkit.files.pictures import ImageReadError
from affectkit.models.opening import Model
from affectkit.models.runtimes import Network
from affectkit.pipeline.detect.detectors import load_detector
from affectkit.preprocess import Preprocessing, face_input, scale_pixels

DRAWN_FACES = 256
"""So many of the bundled test faces are compared."""

MOST_PICTURES = 1000
"""Of a user's pictures at most so many are looked at."""

NEIGHBOUR_TOLERANCE = 1e-4
"""How much an answer may depend on the other faces of a batch."""


@dataclass(frozen=True)
class Tolerance:
    """How far any output may be from its source's: probabilities, and valence and arousal in -1..1.

    agreement: least share of faces whose most probable expression stays; one may always change.
    """

    maximum: float
    mean: float
    agreement: float


EXACT = Tolerance(1e-4, 1e-5, 0.99)
HALF = Tolerance(0.03, 0.003, 0.98)
INTEGERS = Tolerance(1.0, 0.05, 0.9)
TOLERANCES = {
    "tflite-int8": INTEGERS,
    "onnx-int8": INTEGERS,
    "tflite-float16": HALF,
    "onnx-float16": HALF,
    "saved-model": EXACT,
    "onnx": EXACT,
    "frozen-graph": EXACT,
}
"""By format. Integers change the expression of faces about which the network is undecided anyway; a
wrong file changes most."""


def compare_networks(
    network: Network, source: Network | Model, faces: np.ndarray
) -> dict[str, int | float | dict[str, dict[str, float]] | None]:
    """Measure how far a network's answers for faces are from its source's; NaN if one is NaN.

    agreement is the share of faces with the same most probable expression, None without a
    classifier; neighbour_difference: of the first faces' answers alone from those in a batch.
    """
    found, expected = network(faces), source(faces)
    differences = {name: np.abs(found[name] - expected[name]) for name in source.outputs}
    agreement = None
    if "expression" in source.outputs:
        same = found["expression"].argmax(axis=1) == expected["expression"].argmax(axis=1)
        agreement = float(same.mean())
    alone = [network(faces[index : index + 1]) for index in range(min(3, len(faces)))]
    neighbour = [
        np.abs(answers[name][0] - found[name][index]).max()
        for index, answers in enumerate(alone)
        for name in source.outputs
    ]
    return {
        "faces": len(faces),
        "outputs": {
            name: {
                "maximum_difference": float(one.max()),
                "mean_difference": float(one.mean()),
            }
            for name, one in differences.items()
        },
        "agreement": agreement,
        "neighbour_difference": float(np.max(neighbour)),
    }


def check_comparison(comparison: dict, tolerance: Tolerance, what: str) -> None:
    """Raise ValueError if a difference is beyond its tolerance, or not a number."""
    limits = {"maximum_difference": tolerance.maximum, "mean_difference": tolerance.mean}
    problems = [
        f"{measure.replace('_', ' ')} of {name} {values[measure]:.2g}, allowed {limit:g}"
        for name, values in comparison["outputs"].items()
        for measure, limit in limits.items()
        if not values[measure] <= limit
    ]
    agreement, number = comparison["agreement"], comparison["faces"]
    if agreement is not None:
        changed = round((1 - agreement) * number)
        if agreement < tolerance.agreement and changed > 1:
            problems.append(
                f"the same expression for {agreement:.1%} of the faces, needed "
                f"{tolerance.agreement:.0%}"
            )
    if not comparison["neighbour_difference"] <= NEIGHBOUR_TOLERANCE:
        problems.append(
            f"answers depend on the other faces of a batch "
            f"({comparison['neighbour_difference']:.2g}, allowed {NEIGHBOUR_TOLERANCE:g})"
        )
    if problems:
        raise ValueError(
            f"{what} is not what it was made from, so it is refused: {'; '.join(problems)}"
        )


def drawn_faces(preprocessing: Preprocessing, number: int = DRAWN_FACES) -> np.ndarray:
    """Read faces of the bundled test split.

    Parameters
    ----------
    preprocessing : Preprocessing
        How the faces are cut out.
    number : int
        So many are drawn from it, the same each time.

    Returns
    -------
    numpy.ndarray
        float32, shape (number, size, size, 3), RGB, -1..1.
    """
    return _read_faces(load_table("affectfaces", split="test", limit=number), preprocessing)


def calibration_faces(
    table: pd.DataFrame, preprocessing: Preprocessing, number: int = 500, seed: int = 0
) -> np.ndarray:
    """Draw training faces to measure the ranges of int8 on, in the form of `drawn_faces`."""
    drawn = table.sample(min(number, len(table)), random_state=seed)
    return _read_faces(drawn.reset_index(drop=True), preprocessing)


def _read_faces(table: pd.DataFrame, preprocessing: Preprocessing) -> np.ndarray:
    faces, _ = load_faces(table, preprocessing)
    return scale_pixels(faces.astype(np.float32))


def faces_of_pictures(folder: str | Path, preprocessing: Preprocessing) -> np.ndarray:
    """Find the faces of all pictures in a folder and its sub-folders, in the form of `drawn_faces`.

    Pictures that can't be read are left out with a warning; ValueError if no face is found.
    """
    folder = Path(folder).expanduser()
    if not folder.is_dir():
        raise FileNotFoundError(f"expected a folder of pictures, {folder} is none")
    pictures = sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file()
    )[:MOST_PICTURES]
    detect = load_detector("blazeface")
    faces = []
    for path in tqdm(pictures, desc="finding faces", leave=False):
        try:
            image = read_image(path)
        except ImageReadError as error:
            warnings.warn(str(error), UserWarning, stacklevel=2)
            continue
        boxes = [face.box for face in detect(image)]
        faces.append(face_input(image, boxes, preprocessing))
    if not sum(map(len, faces)):
        raise ValueError(
            f"no face was found in the {len(pictures)} pictures of {folder}; name a folder of "
            f"photographs of faces ({', '.join(sorted(IMAGE_SUFFIXES))})"
        )
    return np.concatenate(faces)
