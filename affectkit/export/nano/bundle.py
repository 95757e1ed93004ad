"""Write the folder that a Jetson Nano gets: networks, golden faces, scripts, description."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import cv2
import numpy as np

from affectkit.export.check import drawn_faces, faces_of_pictures
from affectkit.export.export import describe_source, open_source
from affectkit.export.formats import check_packages
from affectkit.export.nano.networks import split_networks, write_network
from affectkit.export.nano.sources import FOLDER, script_sources
from affectkit.files.atomic import replace_path, temporary_folder
from affectkit.files.hashes import describe_files
from affectkit.files.json_forms import write_json
from affectkit.models.opening import Model
from affectkit.preprocess import Preprocessing, crop_face
from affectkit.version import __version__

BUNDLE_VERSION = 1
SUFFIX = ".nano"
"""Of a bundle's folder."""

TOLERANCES = {"CPU": 1e-4, "FP32": 1e-3, "FP16": 0.03}
"""How far answers on the golden faces may be from Keras': without engines, and with engines of
either precision. The latter two are expectations: no device has measured them yet."""

GOLDEN_FACES = 16
CASCADE = "haarcascade_frontalface_default.xml"


def write_bundle(model: str | Path, output: str | Path, pictures: str | Path | None = None) -> Path:
    """Write everything that a Jetson Nano needs for a model into one folder.

    An earlier bundle of the same name is replaced, once the new one has passed.

    Parameters
    ----------
    model : str or Path
        See `affectkit.export.open_source`.
    output : str or Path
        Folder; gets the folder NAME.nano.
    pictures : str or Path, optional
        Folder of photographs whose faces become the golden ones, instead of bundled drawn ones.

    Returns
    -------
    Path
        NAME.nano, with bundle.json in it.

    Raises
    ------
    ValueError
        If the model is no model, or a file is not what it was made from; then nothing is left.
    FileNotFoundError
        If a file or folder is missing.
    ImportError
        If a package for ONNX is missing.
    """
    check_packages("onnx")
    source = open_source(model)
    if pictures is None:
        faces, whence = drawn_faces(source.preprocessing, GOLDEN_FACES), "affectfaces, test"
    else:
        faces = faces_of_pictures(pictures, source.preprocessing)[:GOLDEN_FACES]
        whence = f"pictures in {Path(pictures).name}"
    output = Path(output).expanduser()
    final = output / (source.name + SUFFIX)
    with temporary_folder(output) as temporary:
        folder = temporary / final.name
        folder.mkdir()
        networks, verification = {}, {}
        for name, network in split_networks(source.model).items():
            networks[name], verification[name] = write_network(network, name, folder, faces)
        write_golden(folder / "golden.npz", faces, source)
        write_scripts(folder)
        description = {
            "bundle_version": BUNDLE_VERSION,
            "affectkit": __version__,
            "name": source.name,
            "networks": networks,
            "preprocessing": source.preprocessing.to_dict(),
            "temperature": source.temperature,
            **describe_source(source),
            "tolerances": TOLERANCES,
            "golden": {"faces": len(faces), "source": whence},
            "verification": verification,
            "files": [
                entry | {"part": _part(entry["name"])} for entry in describe_files(folder, folder)
            ],
        }
        write_json(description, folder / "bundle.json")
        replace_path(folder, final)
    return final


def read_description(folder: Path) -> dict[str, object]:
    """Read what a bundle says of itself.

    Parameters
    ----------
    folder : Path
        From `write_bundle`.

    Returns
    -------
    dict
        name, networks (by name: tensors, nodes, operations, files), preprocessing, labels,
        temperature, tolerances, golden, verification, source, training, versions, exported, and
        files: name, bytes, sha256 and part of each.
    """
    return json.loads((folder / "bundle.json").read_text("utf-8"))


def write_golden(path: Path, faces: np.ndarray, source: Model) -> None:
    """Write faces (as uint8) with Keras' answers, and crops of a picture of noise.

    The answers show whether networks do the same elsewhere, the crops whether OpenCV does.
    """
    pixels = np.rint((faces + 1) * 127.5).astype(np.uint8)
    crops = golden_crops(source.preprocessing)
    np.savez_compressed(path, faces=pixels, **source(faces), **crops)


def golden_crops(preprocessing: Preprocessing) -> dict[str, np.ndarray]:
    """Cut random boxes (left, top, width, height), some beyond the edge, out of noise, in uint8."""
    random = np.random.default_rng(0)
    picture = random.integers(0, 256, (120, 160, 3), np.uint8)
    boxes = np.column_stack([random.uniform(-20, 80, (8, 2)), random.uniform(24, 180, (8, 2))])
    crops = np.stack([crop_face(picture, box, preprocessing) for box in boxes])
    return {"picture": picture, "boxes": boxes, "crops": crops}


def write_scripts(folder: Path) -> None:
    """Copy what runs on the device, how to do so, and the face detector."""
    for name, text in script_sources().items():
        (folder / name).write_text(text, "utf-8")
    for name in ("README.md", "requirements.txt"):
        shutil.copyfile(FOLDER / name, folder / name)
    shutil.copyfile(Path(cv2.data.haarcascades) / CASCADE, folder / CASCADE)


def _part(name: str) -> str:
    """Tell which of the scripts' needs a file belongs to."""
    if name == "golden.npz":
        return "golden"
    if name.startswith("trtexec/"):
        return "onnx"
    if name.endswith(".tflite"):
        return "tflite"
    return "saved_model" if "/saved_model/" in name else "scripts"
