"""The card of a model: one form for Keras files, shipped checkpoints and exports, read and checked.

Needs neither Keras nor TensorFlow. A card is the JSON file beside what it describes: NAME.json of a
Keras file or a checkpoint, NAME.FORM.json of an export (its manifest). Whoever writes several files
puts the card in place first: what a killed process left is then told by its hash, and put in place
by whoever opens the model.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from affectkit.files.atomic import left_partials
from affectkit.files.hashes import file_hash
from affectkit.files.json_forms import OPEN, Integer, Number, find_misfit, read_json, write_json
from affectkit.labels import EXPRESSIONS
from affectkit.preprocess import Preprocessing
from affectkit.version import __version__

CARD_VERSION = 2

FOLDER = Path(__file__).parents[1] / "assets" / "checkpoints"
"""Where the shipped checkpoints are: for each a card (.json), weights and two .tflite files."""

LABELS = {"expression": list(EXPRESSIONS), "valence_arousal": ["valence", "arousal"]}
"""What the units of each output mean."""

SUFFIXES = {
    "tflite-int8": ".int8.tflite",
    "tflite-float16": ".float16.tflite",
    "saved-model": ".saved-model",
    "onnx-int8": ".int8.onnx",
    "onnx-float16": ".float16.onnx",
    "onnx": ".onnx",
    "frozen-graph": ".pb",
}
"""How the exported file of each format ends, longer endings first; a SavedModel is a folder."""

FORMS = {"keras": ".keras", "weights": ".weights.h5", **SUFFIXES}
"""How the file of each form of a model ends; weights are for the network of `Architecture`."""

KINDS = ("float16", "int8")
"""The TFLite forms of a checkpoint."""

CHECKPOINT_FORMS = {"": "weights", **{f"-{kind}": f"tflite-{kind}" for kind in KINDS}}
"""What follows a checkpoint's name, and the form that it stands for."""

Form, Output = Literal[*FORMS], Literal[*LABELS]

LONGEST_NAME = 255
"""Bytes that file systems take."""

WHAT, REMEDY = "a model card of affectkit", "copy or make the model and its card again"


class FileEntry(TypedDict):
    """A file; its name leads from the card to it, with "/"."""

    __pydantic_config__ = OPEN
    name: str
    sha256: str
    bytes: NotRequired[Integer]


class FaceInput(TypedDict):
    """See `affectkit.preprocess.Preprocessing`, which checks the values."""

    __pydantic_config__ = OPEN
    image_size: Integer
    crop_margin: Number


class Architecture(TypedDict):
    """What weights are loaded into: `affectkit.models.build.join_models` of the two networks."""

    __pydantic_config__ = OPEN
    image_size: Integer
    alpha: Number
    shared_backbone: bool


Temperature = Annotated[Number, Field(gt=1e-6, lt=1e6)]


class Confidence(TypedDict):
    """What was fitted to a classifier's answers beside its temperature, on faces held out.

    `protocol_temperatures`: what suits the test rows of these protocols, where that is another
    temperature than what suits all pictures. `plausible_share`: see
    `affectkit.models.plausible_expressions`, for the network's own probabilities.
    `balanced_prior`: what is added to the network's logits where all expressions are about as
    frequent.
    """

    __pydantic_config__ = OPEN
    protocol_temperatures: NotRequired[dict[str, Temperature]]
    plausible_share: NotRequired[Annotated[Number, Field(gt=0, le=1)]]
    balanced_prior: NotRequired[
        Annotated[list[Annotated[Number, Field(ge=-50, le=50)]], Field(min_length=8, max_length=8)]
    ]


class Card(TypedDict):
    """What a card tells; whoever writes it may add more."""

    __pydantic_config__ = OPEN
    card_version: Literal[2]
    name: str
    files: Annotated[
        dict[Form, Annotated[list[FileEntry], Field(min_length=1)]], Field(min_length=1)
    ]
    preprocessing: FaceInput
    outputs: dict[Output, dict]
    temperature: Temperature
    confidence: NotRequired[Confidence]
    architecture: NotRequired[Architecture]
    training: NotRequired[dict]


@dataclass(frozen=True)
class ModelFile:
    """A model in one form, found and its hashes checked, but not loaded.

    Attributes
    ----------
    path : Path
        The file, or the folder of a SavedModel.
    form : str
        A key of `FORMS`.
    card : dict
        The whole card; see `Card`.
    """

    path: Path
    form: str
    card: Card

    @property
    def name(self) -> str:
        """What the file is called without its ending; a TFLite form of a checkpoint has its own."""
        stem = self.path.name.removesuffix(FORMS[self.form])
        ends = {form: end for end, form in CHECKPOINT_FORMS.items()}
        return stem + (ends.get(self.form, "") if len(self.card["files"]) > 1 else "")

    @property
    def files(self) -> list[FileEntry]:
        """Name, bytes and sha256 of what is loaded."""
        return self.card["files"][self.form]

    @property
    def preprocessing(self) -> Preprocessing:
        """How the network's input is made."""
        return Preprocessing(**self.card["preprocessing"])

    @property
    def temperature(self) -> float:
        """Divides the logits of the expressions when calibrated probabilities are wanted."""
        return float(self.card["temperature"]) if "expression" in self.card["outputs"] else 1.0


def make_card(
    name: str,
    files: dict[str, list[FileEntry]],
    outputs: dict[str, dict],
    preprocessing: Preprocessing,
    temperature: float = 1.0,
    **further: object,
) -> Card:
    """Put a card together; what an output lacks of labels is added."""
    return {
        "card_version": CARD_VERSION,
        "affectkit": __version__,
        "name": name,
        "files": files,
        "preprocessing": preprocessing.to_dict(),
        "outputs": {one: {"labels": LABELS[one]} | more for one, more in outputs.items()},
        "temperature": temperature,
        **further,
    }


def write_card(card: Card, path: Path) -> Path:
    """Write a card in one step, and give its path back.

    Raises
    ------
    ValueError
        If it is no card.
    """
    if problem := find_misfit(card, Card):
        raise ValueError(f"expected a card to write as {path}: {problem}")
    return write_json(card, path)


def read_card(path: Path) -> Card:
    """Read a card.

    Raises
    ------
    OSError
        If it can't be read.
    ValueError
        If something in it is missing or impossible, or it is of another version.
    """
    card = read_json(path, WHAT, REMEDY)
    version = card.get("card_version")
    if version != CARD_VERSION:
        raise ValueError(
            f"{path} is not {WHAT} of version {CARD_VERSION} (it says {version!r:.80}); if an "
            "earlier affectkit wrote it, `python -m affectkit.models.renew` makes it a new one"
        )
    problem = find_misfit(card, Card)
    if not problem:
        try:
            Preprocessing(**card["preprocessing"])
        except (TypeError, ValueError) as error:
            problem = str(error)
    if problem:
        raise ValueError(f"{path} is not {WHAT}: {problem}; {REMEDY}")
    return card


def checkpoint_names() -> list[str]:
    """Give the names of the models that ship.

    Returns
    -------
    list of str
        Of each the Keras form in float32, such as "affectkit-real", then "affectkit-real-float16"
        and "affectkit-real-int8", which run in LiteRT.
    """
    names = sorted(path.stem for path in FOLDER.glob("*.json"))
    return [name + end for name in names for end in CHECKPOINT_FORMS]


def find_model(name: str | Path) -> ModelFile:
    """Find a model by name or path, and check that its files are what its card says.

    Parameters
    ----------
    name : str or Path
        As `affectkit.models.open_model` takes it, but no run folder.

    Returns
    -------
    ModelFile
        What to load, and all that its user must know.

    Raises
    ------
    ValueError
        If it is no model, or a file or card is damaged.
    FileNotFoundError
        If a file or the card is missing.
    """
    place, form = _find_card(name)
    card = read_card(place)
    if form is None:
        form = "weights" if "weights" in card["files"] else next(iter(card["files"]))
    if form not in card["files"]:
        raise ValueError(
            f"{place} is the card of {', '.join(card['files'])}, not of {form}; copy the card of "
            f"{Path(name).name} too"
        )
    if form == "weights" and "architecture" not in card:
        raise ValueError(f"{place} is not {WHAT} with weights: it has no architecture; {REMEDY}")
    path = _check_files(place, form, card["files"][form])
    if str(name) not in checkpoint_names() and Path(name).suffix != ".json":
        named = Path(name).name
        if path.name != named:
            raise ValueError(f"{place} is the card of {path.name}, not of {named}; {REMEDY}")
    return ModelFile(path, form, card)


def _find_card(name: str | Path) -> tuple[Path, str | None]:
    """Give the card, and the form that is asked for unless a card was named."""
    if str(name) in checkpoint_names():
        end = next(end for end in reversed(CHECKPOINT_FORMS) if str(name).endswith(end))
        return FOLDER / f"{str(name).removesuffix(end)}.json", CHECKPOINT_FORMS[end]
    path = Path(name).expanduser()
    if path.suffix == ".json":
        if not path.is_file():
            raise FileNotFoundError(f"there is no {path}; check the name and the folder")
        return path, None
    form = next((form for form, end in FORMS.items() if path.name.endswith(end)), None)
    if form is None:
        if path.suffix == ".tflite" or (path / "saved_model.pb").is_file():
            raise FileNotFoundError(
                f"expected a name that `affectkit export` gives (NAME"
                f"{', NAME'.join(SUFFIXES.values())}), with the card beside it; got {path.name}. "
                "Name the card instead"
            )
        raise ValueError(
            f"expected a checkpoint ({', '.join(checkpoint_names()) or 'none is here'}), a model's "
            f"file (NAME{', NAME'.join(FORMS.values())}), its card or the run folder of a course; "
            f"got {str(name)!r}"
        )
    stem = path.name.removesuffix(FORMS[form])
    cards = [path.with_name(f"{stem}.{form}.json")] if form in SUFFIXES else []
    cards.append(path.with_name(f"{stem}.json"))
    for card in cards:
        if card.is_file():
            return card, form
    missing = cards[0].name if path.exists() else path.name
    raise FileNotFoundError(
        f"expected the model {path.name} and its card {cards[0].name} side by side in "
        f"{path.parent}; {missing} is missing, and without a card no one knows how faces are cut "
        "out for a model. Copy both, make them with `affectkit train` or `affectkit export`, or "
        "name another"
    )


def _check_files(card: Path, form: str, entries: list[FileEntry]) -> Path:
    """Check the files of a form by their hashes, and give the one to load, or its folder."""
    hashes = {file_beside(card, entry["name"]): entry["sha256"] for entry in entries}
    path = next(iter(hashes))
    listed = {path}
    if form == "saved-model":
        path = card.parent / PurePosixPath(entries[0]["name"]).parts[0]
        listed = {file for file in hashes if file.is_relative_to(path)}
        there = {file for file in path.rglob("*") if not file.is_dir()}
        if extra := sorted(there - listed):
            raise ValueError(
                f"{extra[0]} is not among the files that {card.name} describes, so nobody can tell "
                "whether it is what was exported. Copy or export it again"
            )
    if extra := sorted(set(hashes) - listed):
        raise ValueError(f"{card} names {extra[0]}, which is no part of {path.name}; {REMEDY}")
    for file, sha256 in hashes.items():
        if not file.is_file() or file_hash(file) != sha256:
            _finish_interrupted(card, file, sha256)
    return path


def _finish_interrupted(card: Path, file: Path, sha256: str) -> None:
    """Put a file in its place if the process that wrote it was killed after its card was there."""
    for partial in left_partials(file.parent, file.name):
        if partial.is_file() and file_hash(partial) == sha256:
            partial.replace(file)
            return
    if not file.is_file():
        raise FileNotFoundError(
            f"expected {file.relative_to(card.parent)} beside its card {card.name} in "
            f"{card.parent}; {file.name} is missing. Copy all files of the model, or make it again"
        )
    raise ValueError(
        f"{file} is not the file that its card {card.name} describes (SHA-256 differs); it is "
        "damaged or was replaced. Copy both again (or install affectkit anew, if it came with it)"
    )


def file_beside(path: Path, name: str) -> Path:
    """Give the file that a card names; it must lie beside the card or in folders below.

    Raises
    ------
    ValueError
        If the name leads elsewhere.
    """
    parts = PurePosixPath(name).parts
    strange = any(part == ".." or len(part.encode()) > LONGEST_NAME for part in parts)
    if strange or not parts or name.startswith("/") or "\\" in name or not name.isprintable():
        raise ValueError(
            f"{path} names the file {name[:80]!r}, expected one beside it or in folders below; get "
            "both anew"
        )
    return path.parent / name


def check_format(name: str) -> str:
    """Give the name of a format of `SUFFIXES` back.

    Raises
    ------
    ValueError
        If there is no such format.
    """
    if name not in SUFFIXES:
        raise ValueError(f"expected a format of {', '.join(SUFFIXES)}, nano; got {name!r}")
    return name
