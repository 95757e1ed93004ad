"""The trained networks that ship with the package: loaded by name, checked by their hashes."""

from __future__ import annotations

import hashlib
from pathlib import Path

import keras
import numpy as np

from affectkit.atomic_files import atomic_path, write_atomically
from affectkit.checkpoint_files import FOLDER, KINDS, CheckpointFile, find_checkpoint
from affectkit.keras_files import DAMAGED, check_weights_file
from affectkit.model_files import LoadedModel, write_json
from affectkit.models import build_classifier, build_regressor, join_models
from affectkit.networks import OUTPUTS, LiteRTNetwork, NetworkView
from affectkit.tflite_models import convert_to_tflite


def load_checkpoint(name: str, threads: int = 1, folder: Path = FOLDER) -> dict[str, LoadedModel]:
    """Load a shipped checkpoint.

    Parameters
    ----------
    name : str
        One of `affectkit.checkpoint_files.checkpoint_names`: "affectkit-real" is the Keras form in
        float32, "affectkit-real-int8" and "affectkit-real-float16" run in LiteRT.
    threads : int
        Of LiteRT.
    folder : Path
        Where the files are.

    Returns
    -------
    dict of str to LoadedModel
        Keys "classification" and "regression": two views of the one network.

    Raises
    ------
    ValueError
        If there is no such checkpoint, or a file is not what its card says.
    """
    found = find_checkpoint(name, folder)
    if found.kind == "float32":
        joined = load_joined(found)
        models = {
            task: keras.Model(joined.input, joined.output[output])
            for task, output in OUTPUTS.items()
        }
    else:
        network = LiteRTNetwork(found.path, threads)
        models = {task: NetworkView(network, output) for task, output in OUTPUTS.items()}
    temperature = {"classification": found.temperature, "regression": 1.0}
    return {
        task: LoadedModel(model, found.preprocessing, task, temperature[task], found.card)
        for task, model in models.items()
    }


def load_joined(file: CheckpointFile) -> keras.Model:
    """Build the network of a checkpoint's float32 form and load its weights.

    Returns
    -------
    keras.Model
        From `affectkit.models.join_models`: both outputs, as a dict.
    """
    check_weights_file(file.path)
    joined = _build(file.card["architecture"])
    try:
        joined.load_weights(file.path)
    except DAMAGED as error:
        raise ValueError(f"{file.path} does not fit its card ({error}); get both anew") from error
    return joined


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
        float32, shape (n, size, size, 3), -1..1: see `convert_to_tflite`.
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
    with atomic_path(folder / f"{name}.weights.h5") as partial:
        joined.save_weights(partial)
    for kind in KINDS:
        content = convert_to_tflite(joined, kind, calibration_faces)
        write_atomically(folder / f"{name}.{kind}.tflite", content)
    names = {"float32": f"{name}.weights.h5"} | {kind: f"{name}.{kind}.tflite" for kind in KINDS}
    files = {
        kind: {
            "name": file,
            "bytes": (folder / file).stat().st_size,
            "sha256": hashlib.sha256((folder / file).read_bytes()).hexdigest(),
        }
        for kind, file in names.items()
    }
    profile = classifier.card["training"]["profile"]
    architecture = {
        "network": "MobileNetV2",
        "image_size": classifier.preprocessing.image_size,
        "alpha": profile["alpha"],
        "shared_backbone": not any("regressor" in layer.name for layer in joined.layers),
    }
    card = {
        "name": name,
        "architecture": architecture,
        "preprocessing": classifier.preprocessing.to_dict(),
        "temperature": classifier.temperature,
        "parameters": joined.count_params(),
        "files": files,
        "training": description,
    }
    return write_json(card, folder / f"{name}.json")


def _build(architecture: dict[str, object]) -> keras.Model:
    """Build the joined network of a card, with weights that are about to be overwritten."""
    classifier = build_classifier(architecture["image_size"], architecture["alpha"])
    regressor = build_regressor(classifier)
    if not architecture["shared_backbone"]:  # make them differ, so that both are kept
        backbone = regressor.get_layer("backbone")
        backbone.set_weights([weight + 1 for weight in backbone.get_weights()])
    return join_models(classifier, regressor)
