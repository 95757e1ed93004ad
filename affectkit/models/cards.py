"""What the cards of models and the manifests of exports have in common, read and checked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from affectkit.files.hashes import file_hash
from affectkit.files.json_forms import NUMBER, Each, read_json
from affectkit.labels import EXPRESSIONS
from affectkit.preprocess import Preprocessing

LONGEST_NAME = 255
"""Bytes that file systems take."""

SHARED = {
    "preprocessing": {"image_size": int, "crop_margin": NUMBER},
    "temperature": NUMBER,
}
"""What each of them tells; a form of `affectkit.files.json_forms`."""


def read_card(
    path: Path, what: str, remedy: str, form: dict[str, object]
) -> tuple[dict[str, object], Preprocessing, float]:
    """Read a card or manifest.

    Parameters
    ----------
    path : Path
        The JSON file.
    what, remedy : str
        See `affectkit.files.json_forms.read_json`.
    form : dict
        What it must hold besides `SHARED`.

    Returns
    -------
    tuple of (dict, Preprocessing, float)
        All of it; how the network's input is made; what divides the logits of the expressions.

    Raises
    ------
    OSError
        If it can't be read.
    ValueError
        If something in it is missing or impossible.
    """
    content = read_json(path, what, remedy, SHARED | form)
    try:
        preprocessing = Preprocessing(**content["preprocessing"])
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path} is not {what} ({error}); {remedy}") from error
    temperature = float(content["temperature"])
    if not 1e-6 < temperature < 1e6:
        raise ValueError(
            f"{path} is not {what}: its temperature is {temperature}, expected a number above 0; "
            f"{remedy}"
        )
    return content, preprocessing, temperature


def file_beside(path: Path, name: object) -> Path:
    """Give the file that a card names; it must lie beside the card or in folders below.

    Raises
    ------
    ValueError
        If the name leads elsewhere.
    """
    parts = PurePosixPath(name).parts if isinstance(name, str) else ()
    strange = any(part == ".." or len(part.encode()) > LONGEST_NAME for part in parts)
    if strange or not parts or name.startswith("/") or "\\" in name or not name.isprintable():
        raise ValueError(
            f"{path} names the file {str(name)[:80]!r}, expected one beside it or in folders "
            "below; get both anew"
        )
    return path.parent / name


LABELS = {"expression": list(EXPRESSIONS), "valence_arousal": ["valence", "arousal"]}


# FOLD affectkit.export_manifest: """The manifests of exported models: what each format is called, and how a manifest is read."""
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
        Written by `affectkit.export.export.export_model`.

    Returns
    -------
    ExportedModel
        What `affectkit.models.runtimes.load_exported` takes.

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


def _read_object(path: Path) -> dict[str, object]:
    return read_json(path, "a card or manifest in JSON", "copy it again")


# FOLD affectkit.checkpoint_files: """The files of the checkpoints that ship: names, cards and hashes. Needs neither Keras nor TF."""
FOLDER = Path(__file__).parents[1] / "assets" / "checkpoints"
"""Where the shipped checkpoints are: for each a card (.json), weights and two .tflite files."""

KINDS = ("float16", "int8")
"""The TFLite forms of a checkpoint."""

ARCHITECTURE = {"image_size": int, "alpha": NUMBER, "shared_backbone": bool}
"""What a card says of the network; a form of `affectkit.files.json_forms`."""


@dataclass(frozen=True)
class CheckpointFile:
    """One form of a checkpoint, its hash checked.

    Attributes
    ----------
    path : Path
        The weights (float32) or the TFLite file.
    kind : str
        "float32", "float16" or "int8".
    preprocessing : Preprocessing
        How the network's input is made.
    temperature : float
        Divides the logits of the expressions when calibrated probabilities are wanted.
    card : dict
        The whole card.
    """

    path: Path
    kind: str
    preprocessing: Preprocessing
    temperature: float
    card: dict[str, object]


def checkpoint_names(folder: Path = FOLDER) -> list[str]:
    """Give every name that `find_checkpoint` takes: the float32 form, then the TFLite ones."""
    cards = sorted(path.stem for path in folder.glob("*.json"))
    return [name + suffix for name in cards for suffix in ("", *(f"-{kind}" for kind in KINDS))]


def find_checkpoint(name: str, folder: Path = FOLDER) -> CheckpointFile:
    """Find a checkpoint's file by name, and check it.

    Parameters
    ----------
    name : str
        One of `checkpoint_names`: "affectkit-real" is the form in float32, "affectkit-real-int8"
        and "affectkit-real-float16" are TFLite.
    folder : Path
        Where the files are.

    Returns
    -------
    CheckpointFile
        The file and what its user must know.

    Raises
    ------
    ValueError
        If there is no such checkpoint, or a file is not what its card says.
    """
    names = checkpoint_names(folder)
    if name not in names:
        raise ValueError(f"expected a checkpoint of {', '.join(names) or '(none)'}, got {name!r}")
    kind = next((kind for kind in KINDS if name.endswith(f"-{kind}")), "float32")
    path = folder / f"{name.removesuffix(f'-{kind}')}.json"
    card, preprocessing, temperature = read_card(
        path,
        "the card of a checkpoint",
        "for a single network, name its .keras file",
        {
            "files": {kind: {"name": str, "sha256": str}},
            **({"architecture": ARCHITECTURE} if kind == "float32" else {}),
        },
    )
    entry = card["files"][kind]
    file = file_beside(path, entry["name"])
    if not file.is_file():
        raise FileNotFoundError(f"expected {entry['name']} beside {path}: copy or install it anew")
    if file_hash(file) != entry["sha256"]:
        raise ValueError(
            f"{file} is not what its card {path.name} says (SHA-256 differs): reinstall affectkit"
        )
    return CheckpointFile(file, kind, preprocessing, temperature, card)
