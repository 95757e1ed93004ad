"""The files of the checkpoints that ship: names, cards and hashes. Needs neither Keras nor TF."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from affectkit.export_manifest import file_hash
from affectkit.json_files import NUMBER
from affectkit.model_cards import file_beside, read_card
from affectkit.preprocess import Preprocessing

FOLDER = Path(__file__).parent / "assets" / "checkpoints"
"""Where the shipped checkpoints are: for each a card (.json), weights and two .tflite files."""

KINDS = ("float16", "int8")
"""The TFLite forms of a checkpoint."""

ARCHITECTURE = {"image_size": int, "alpha": NUMBER, "shared_backbone": bool}
"""What a card says of the network; a form of `affectkit.json_files`."""


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
