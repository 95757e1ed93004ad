"""Write the files of a checkpoint: one network in float32, float16 and int8, and their card."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import numpy as np

from affectkit.export.formats import convert_to_tflite
from affectkit.files.atomic import atomic_path
from affectkit.files.hashes import describe_files
from affectkit.models.build import join_models
from affectkit.models.cards import (
    CHECKPOINT_FORMS,
    FOLDER,
    FORMS,
    KINDS,
    LABELS,
    make_card,
    write_card,
)
from affectkit.models.opening import Model


def save_checkpoint(
    name: str,
    classifier: Model,
    regressor: Model,
    calibration_faces: np.ndarray,
    description: dict[str, object],
    folder: Path = FOLDER,
) -> Path:
    """Write the files of a checkpoint: weights in float32, TFLite in float16 and int8, and a card.

    Parameters
    ----------
    name : str
        Without a suffix.
    classifier, regressor : Model
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
    joined = join_models(classifier.model, regressor.model)
    architecture = {
        "network": "MobileNetV2",
        "image_size": classifier.preprocessing.image_size,
        "alpha": classifier.training["profile"]["alpha"],
        "shared_backbone": not any("regressor" in layer.name for layer in joined.layers),
    }
    paths = {form: folder / (name + FORMS[form]) for form in CHECKPOINT_FORMS.values()}
    with ExitStack() as stack:
        partials = {form: stack.enter_context(atomic_path(path)) for form, path in paths.items()}
        joined.save_weights(partials["weights"])
        for kind in KINDS:
            content = convert_to_tflite(joined, kind, calibration_faces)
            partials[f"tflite-{kind}"].write_bytes(content)
        files = {
            form: [describe_files(partial, folder)[0] | {"name": paths[form].name}]
            for form, partial in partials.items()
        }
        card = make_card(
            name,
            files,
            {output: {} for output in LABELS},
            classifier.preprocessing,
            classifier.temperature,
            architecture=architecture,
            parameters=joined.count_params(),
            training=description,
        )
        # the card goes first: with it, whoever opens the model knows the files that belong to it
        return write_card(card, folder / f"{name}.json")
