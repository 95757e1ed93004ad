"""The manifests of exported models: what each format is called, and how a manifest is read."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from affectkit.preprocess import Preprocessing

MANIFEST_VERSION = 1

SUFFIXES = {
    "tflite-int8": ".int8.tflite",
    "tflite-float16": ".float16.tflite",
    "saved-model": ".saved-model",
    "onnx": ".onnx",
    "frozen-graph": ".pb",
}
"""How the exported file of each format ends; a SavedModel is a folder."""


@dataclass(frozen=True)
class ExportedModel:
    """An exported model, its hashes checked.

    Attributes
    ----------
    path : Path
        The file, or the folder of a SavedModel.
    format : str
        A key of `SUFFIXES`.
    preprocessing : Preprocessing
        How the network's input is made.
    temperature : float
        Divides the logits of the expressions when calibrated probabilities are wanted.
    manifest : dict
        The whole manifest.
    """

    path: Path
    format: str
    preprocessing: Preprocessing
    temperature: float
    manifest: dict[str, object]


def check_format(name: str) -> str:
    """Give the name of a format back.

    Raises
    ------
    ValueError
        If there is no such format.
    """
    if name not in SUFFIXES:
        raise ValueError(f"expected a format of {', '.join(SUFFIXES)}, nano; got {name!r}")
    return name


def find_manifest(path: str | Path) -> Path | None:
    """Find the manifest of an exported model.

    Parameters
    ----------
    path : str or Path
        The manifest itself, or the exported file or folder beside which it lies.

    Returns
    -------
    Path or None
        None if the path is something else: a Keras model, or the card or `.tflite` file of a
        checkpoint.

    Raises
    ------
    FileNotFoundError
        If there is no such file, though it is named like one, or an exported model is without its
        manifest.
    """
    path = Path(path).expanduser()
    if path.suffix in (".json", ".tflite", ".onnx", ".pb", ".saved-model") and not path.exists():
        raise FileNotFoundError(f"there is no {path}; check the name and the folder")
    if path.suffix == ".json":
        return path if path.is_file() and "format" in _read_object(path) else None
    if not (path.is_file() or (path / "saved_model.pb").is_file()):
        return None
    for name, suffix in SUFFIXES.items():
        if path.name.endswith(suffix):
            stem = path.name.removesuffix(suffix)
            manifest = path.with_name(f"{stem}.{name}.json")
            if manifest.is_file():
                return manifest
            if path.with_name(f"{stem}.json").is_file() and path.suffix == ".tflite":
                return None  # a checkpoint's file and card
            raise FileNotFoundError(
                f"expected {path.name} and its manifest {manifest.name} side by side in "
                f"{path.parent}; the manifest is missing, and without it no one knows how faces "
                "are cut out for this model. Copy it too, or run `affectkit export` again"
            )
    if path.is_dir() or path.suffix == ".tflite":
        raise FileNotFoundError(
            f"expected a name that `affectkit export` gives (NAME{', NAME'.join(SUFFIXES.values())}"
            f"), with the manifest beside it; got {path.name}. Name the manifest instead"
        )
    return None


def read_manifest(path: str | Path) -> ExportedModel:
    """Read a manifest and check that every file is the one that was exported.

    Parameters
    ----------
    path : str or Path
        Written by `affectkit.export.export_model`.

    Returns
    -------
    ExportedModel
        What `affectkit.exported_networks.load_exported` takes.

    Raises
    ------
    FileNotFoundError
        If a file is missing.
    ValueError
        If the manifest is damaged or of another version, or a file is not what it says.
    """
    path = Path(path)
    content = _read_object(path)
    if content.get("manifest_version") != MANIFEST_VERSION:
        raise ValueError(
            f"{path} is not a manifest of version {MANIFEST_VERSION} (it says "
            f"{content.get('manifest_version')!r}); run `affectkit export` again"
        )
    try:
        exported = ExportedModel(
            path.parent / content["artefact"],
            check_format(content["format"]),
            Preprocessing(**content["preprocessing"]),
            float(content["temperature"]),
            content,
        )
        hashes = {entry["name"]: entry["sha256"] for entry in content["files"]}
        content["outputs"].keys()
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f"{path} is a damaged manifest ({error!r}); run `affectkit export` again"
        ) from error
    for name, sha256 in hashes.items():
        file = path.parent / name
        if not file.is_file():
            raise FileNotFoundError(
                f"expected {name} beside its manifest {path.name} in {path.parent}; it is missing. "
                "Copy all files of the export"
            )
        if file_hash(file) != sha256:
            raise ValueError(
                f"{file} is not the file that {path.name} describes (SHA-256 differs); it is "
                "damaged or was replaced. Copy or export it again"
            )
    return exported


def describe_files(path: Path, folder: Path) -> list[dict[str, object]]:
    """List a file, or every file of a folder.

    Returns
    -------
    list of dict
        name (relative to `folder`, with "/"), bytes and sha256.
    """
    files = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
    return [
        {
            "name": file.relative_to(folder).as_posix(),
            "bytes": file.stat().st_size,
            "sha256": file_hash(file),
        }
        for file in files
    ]


def file_hash(path: Path) -> str:
    """Give the SHA-256 of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read_object(path: Path) -> dict[str, object]:
    try:
        content = json.loads(path.read_text("utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ValueError(f"{path} is not a JSON file ({error}); copy it again") from error
    return content if isinstance(content, dict) else {}
