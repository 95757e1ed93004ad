"""Export a model to another runtime, verified on the spot, with a manifest that explains it."""

from __future__ import annotations

import warnings
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

import keras
import numpy as np

from affectkit.data.datasets import load_table
from affectkit.export.check import (
    TOLERANCES,
    calibration_faces,
    check_comparison,
    compare_networks,
    drawn_faces,
    faces_of_pictures,
)
from affectkit.export.formats import check_packages, convert, describe_tensors
from affectkit.files.atomic import replace_path, temporary_folder
from affectkit.files.hashes import describe_files
from affectkit.labels import EXPRESSIONS
from affectkit.models.cards import (
    SUFFIXES,
    check_format,
    checkpoint_names,
    find_model,
    make_card,
    write_card,
)
from affectkit.models.opening import Model, open_model
from affectkit.models.runtimes import OUTPUTS, KerasNetwork, load_network
from affectkit.pipeline.detect.boxes import add_face_boxes

CALIBRATION_FACES = 500
"""So many training faces are looked at for the ranges of int8."""

CONVERTERS = ("tensorflow", "keras", "ai-edge-litert", "tf2onnx", "onnx", "onnxruntime")
"""Packages whose versions a manifest names."""


def open_source(model: str | Path) -> Model:
    """Open what is to be exported.

    Parameters
    ----------
    model : str or Path
        As `affectkit.models.open_model` takes it: a checkpoint in its float32 form, such as
        "affectkit-real", a `.keras` file with its card, or the run folder of a course, whose two
        networks become one.

    Returns
    -------
    Model
        Of one network of Keras, whose `.model` gives a dict of outputs.

    Raises
    ------
    ValueError
        If it is exported already, or as `open_model`.
    FileNotFoundError
        If a file is missing, also one of a run's two networks.
    """
    source = open_model(model)
    folder = Path(model).expanduser() / "models"
    if len(source.outputs) == 1 and folder.is_dir():
        there = "regressor" if source.task == "classification" else "classifier"
        raise FileNotFoundError(
            f"expected the run folder of a course, {folder.parent} has no models/{there}.keras; "
            "name a .keras file to export one network"
        )
    network = source.model
    if not isinstance(network.output, dict):
        network = keras.Model(network.input, {OUTPUTS[source.task]: network.output})
    return replace(source, networks=(KerasNetwork(network),))


def export_model(
    model: str | Path,
    format: str,
    output: str | Path,
    dataset: str = "affectfaces",
    root: str | Path | None = None,
    pictures: str | Path | None = None,
) -> Path:
    """Export a model, compare it with its source on faces, and write its manifest.

    An earlier export of the same name and format is replaced, once the new one has passed.

    Parameters
    ----------
    model : str or Path
        See `affectkit.export.open_source`.
    format : str
        A key of `affectkit.models.cards.SUFFIXES`.
    output : str or Path
        Folder; gets NAME with the format's suffix, and NAME.FORMAT.json.
    dataset, root
        As in `affectkit.data.datasets.load_table`: int8 is calibrated on its training faces, but
        for onnx-int8 of a checkpoint, which has the numbers of the int8 file that ships with it.
    pictures : str or Path, optional
        Folder of pictures whose faces are compared too.

    Returns
    -------
    Path
        The manifest.

    Raises
    ------
    ValueError
        If the format is unknown, the model no model, or the export is not what it was made from
        (`affectkit.export.check.TOLERANCES`); then no file is left.
    FileNotFoundError
        If a file or folder is missing.
    ImportError
        If a package for ONNX is missing.
    """
    check_packages(check_format(format))
    source = open_source(model)
    faces = {"affectfaces, test": drawn_faces(source.preprocessing)}
    if pictures is not None:
        faces[f"pictures in {Path(pictures).name}"] = faces_of_pictures(
            pictures, source.preprocessing
        )
    calibration, described, tflite = None, None, None
    if format == "onnx-int8" and str(model) in checkpoint_names():
        tflite = find_model(f"{model}-int8").path
        described = {"file": tflite.name}
    elif format.endswith("int8"):
        calibration = _calibration_faces(source, dataset, root)
        described = {"dataset": dataset, "faces": len(calibration)}
    output = Path(output).expanduser()
    with temporary_folder(output) as folder:
        path = folder / (source.name + SUFFIXES[format])
        convert(source.model, format, path, calibration, tflite)
        verification = verify_export(path, format, source, faces)
        tensors = describe_tensors(source.model, format, path)
        manifest = make_card(
            source.name,
            {format: describe_files(path, folder)},
            tensors["outputs"],
            source.preprocessing,
            source.temperature,
            input=tensors["input"],
            calibration=described,
            verification=verification,
            **({"confidence": source.confidence} if source.confidence else {}),
            **describe_source(source),
        )
        replace_path(path, output / path.name)
    return write_card(manifest, output / f"{source.name}.{format}.json")


def verify_export(
    path: Path, format: str, source: Model, faces: dict[str, np.ndarray]
) -> dict[str, dict[str, object]]:
    """Compare an exported file with its source on faces by name; ValueError if it is another."""
    network = load_network(path, format)
    results = {}
    for name, some in faces.items():
        results[name] = compare_networks(network, source, some)
        check_comparison(results[name], TOLERANCES[format], f"{path.name} ({name})")
    return results


def _calibration_faces(source: Model, dataset: str, root: str | Path | None) -> np.ndarray:
    if dataset == "affectfaces" != source.training.get("dataset"):
        warnings.warn(
            "int8 is calibrated on drawn faces; for a model of photographs, photographs are "
            "better: --dataset ferplus (or another) --root PATH. The int8 files that ship with "
            "affectkit-real were calibrated on such",
            UserWarning,
            stacklevel=3,
        )
    options = {"labels": "affectnet"} if dataset == "folder" else {}  # faces count, not labels
    table = load_table(dataset, root, split="train", limit=CALIBRATION_FACES, **options)
    if dataset == "folder":
        table = add_face_boxes(table)
    return calibration_faces(table, source.preprocessing, CALIBRATION_FACES)


def describe_source(source: Model) -> dict[str, object]:
    """Give what manifest and bundle tell of a network, and when and with what it was exported."""
    versions: dict[str, str | None] = dict.fromkeys(CONVERTERS)
    for name in versions:
        with suppress(metadata.PackageNotFoundError):
            versions[name] = metadata.version(name)
    return {
        "labels": list(EXPRESSIONS),
        "parameters": source.model.count_params(),
        "source": {"name": source.name, "files": source.files},
        "training": source.training,
        "versions": versions,
        "exported": datetime.now(UTC).isoformat(timespec="seconds"),
    }
