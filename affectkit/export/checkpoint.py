"""Write the files of a checkpoint: one network in float32, float16 and int8, and their card."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from affectkit.export.formats import convert_to_tflite
from affectkit.files.atomic import atomic_path, write_atomically
from affectkit.files.hashes import describe_files
from affectkit.files.json_forms import write_json
from affectkit.models.build import join_models
from affectkit.models.cards import FOLDER, KINDS
from affectkit.models.keras_models import LoadedModel


def save_checkpoint(
    name: str,
    classifier: LoadedModel,
    regressor: LoadedModel,
    calibration_faces: np.ndarray,
    description: dict[str, object],
    folder: Path = FOLDER,
) -> Path:
    """Write the files of a checkpoint: weights in float32, TFLite in float16 and int8, and a card.

    Parameters
    ----------
    name : str
        Without a suffix.
    classifier, regressor : LoadedModel
        Trained, with one preprocessing.
    calibration_faces : numpy.ndarray
        float32, shape (n, size, size, 3), RGB, -1..1: see `convert_to_tflite`.
    description : dict
        JSON-able: goes into the card as "training".
    folder : Path
        Where the files go.

    Returns
    -------
    Path
        The card.

    Raises
    ------
    ValueError
        If the two networks are fed differently.
    """
    if classifier.preprocessing != regressor.preprocessing:
        raise ValueError(
            "expected one preprocessing for both networks, got "
            f"{classifier.preprocessing} and {regressor.preprocessing}"
        )
    folder.mkdir(parents=True, exist_ok=True)
    joined = join_models(classifier.model, regressor.model)
    paths = {"float32": folder / f"{name}.weights.h5"}
    with atomic_path(paths["float32"]) as partial:
        joined.save_weights(partial)
    for kind in KINDS:
        content = convert_to_tflite(joined, kind, calibration_faces)
        paths[kind] = write_atomically(folder / f"{name}.{kind}.tflite", content)
    card = {
        "name": name,
        "architecture": {
            "network": "MobileNetV2",
            "image_size": classifier.preprocessing.image_size,
            "alpha": classifier.card["training"]["profile"]["alpha"],
            "shared_backbone": not any("regressor" in layer.name for layer in joined.layers),
        },
        "preprocessing": classifier.preprocessing.to_dict(),
        "temperature": classifier.temperature,
        "parameters": joined.count_params(),
        "files": {kind: describe_files(path, folder)[0] for kind, path in paths.items()},
        "training": description,
    }
    return write_json(card, folder / f"{name}.json")
