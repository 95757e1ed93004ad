"""The manifests of exported models: what each format is called, and how a manifest is read."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from affectkit.json_files import Each, read_json
from affectkit.model_cards import file_beside, read_card
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

OUTPUT_NAMES = {"expression", "valence_arousal"}
"""What an exported network can answer."""

_FORM = {
    "format": str,
    "artefact": str,
    "outputs": Each(dict),
    "files": [{"name": str, "sha256": str}],
}


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
    version = _read_object(path).get("manifest_version")
    if version != MANIFEST_VERSION:
        raise ValueError(
            f"{path} is not a manifest of version {MANIFEST_VERSION} (it says {version!r:.80}); "
            "run `affectkit export` again"
        )
    content, preprocessing, temperature = read_card(
        path, "a sound manifest", "run `affectkit export` again", _FORM
    )
    if content["format"] not in SUFFIXES or set(content["outputs"]) - OUTPUT_NAMES:
        raise ValueError(
            f"{path} is of format {content['format']!r:.80} with the outputs "
            f"{', '.join(content['outputs'])[:80]}; this version knows {', '.join(SUFFIXES)} and "
            f"{', '.join(sorted(OUTPUT_NAMES))}"
        )
    artefact = file_beside(path, content["artefact"])
    exported = ExportedModel(artefact, content["format"], preprocessing, temperature, content)
    hashes = {file_beside(path, entry["name"]): entry["sha256"] for entry in content["files"]}
    _check_complete(path, artefact, set(hashes))
    for file, sha256 in hashes.items():
        if not file.is_file():
            raise FileNotFoundError(
                f"expected {file.relative_to(path.parent)} beside its manifest {path.name} in "
                f"{path.parent}; it is missing. Copy all files of the export"
            )
        if file_hash(file) != sha256:
            raise ValueError(
                f"{file} is not the file that {path.name} describes (SHA-256 differs); it is "
                "damaged or was replaced. Copy or export it again"
            )
    return exported


def _check_complete(manifest: Path, artefact: Path, listed: set[Path]) -> None:
    """Check that a manifest has the hash of everything that will be loaded."""
    there = {file for file in artefact.rglob("*") if not file.is_dir()} or {artefact}
    if extra := sorted(there - listed):
        raise ValueError(
            f"{extra[0]} is not among the files that {manifest.name} describes, so nobody can tell "
            "whether it is what was exported. Copy or export it again"
        )


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
    return read_json(path, "a card or manifest in JSON", "copy it again")
