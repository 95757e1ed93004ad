"""What can be exported: a checkpoint, a model file or a course's run, as one network."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import keras

from affectkit.checkpoint_files import FOLDER, checkpoint_names, find_checkpoint
from affectkit.checkpoints import load_joined
from affectkit.export_manifest import describe_files
from affectkit.model_files import LoadedModel, load_model
from affectkit.models import join_models
from affectkit.networks import OUTPUTS
from affectkit.preprocess import Preprocessing


@dataclass(frozen=True)
class ExportSource:
    """A network and all that its users must know.

    Attributes
    ----------
    name : str
        What the exported files are called.
    model : keras.Model
        With a dict of outputs: "expression", "valence_arousal" or both.
    preprocessing : Preprocessing
        How its input is made.
    temperature : float
        Divides the logits of the expressions.
    training : dict
        What its card says about its training.
    files : list of dict
        name, bytes and sha256 of the files it came from.
    """

    name: str
    model: keras.Model
    preprocessing: Preprocessing
    temperature: float
    training: dict[str, object]
    files: list[dict[str, object]]


def load_source(model: str | Path) -> ExportSource:
    """Load what is to be exported.

    Parameters
    ----------
    model : str or Path
        A checkpoint's name in its float32 form, such as "affectkit-real", or its card in any
        folder; a `.keras` file with its card; or the run folder of a course, whose two networks
        become one with two outputs.

    Returns
    -------
    ExportSource
        Ready to be converted.

    Raises
    ------
    ValueError
        If it is none of these, a file is damaged, or two networks are fed differently.
    FileNotFoundError
        If a file is missing.
    """
    path = Path(model).expanduser()
    if str(model) in checkpoint_names():
        return _load_checkpoint(str(model), FOLDER)
    if path.suffix == ".json" and path.is_file():
        return _load_checkpoint(path.stem, path.parent)
    if path.is_dir():
        return _load_run(path)
    if path.suffix == ".keras":
        loaded = load_model(path)
        output = {OUTPUTS[loaded.task]: loaded.model.output}
        return _describe(path.stem, keras.Model(loaded.model.input, output), [loaded], [path])
    names = [name for name in checkpoint_names() if find_checkpoint(name).kind == "float32"]
    raise ValueError(
        f"expected a checkpoint ({', '.join(names)}), a .keras file or the run folder of a course "
        f"to export; got {str(model)!r}"
    )


def _load_checkpoint(name: str, folder: Path) -> ExportSource:
    found = find_checkpoint(name, folder)
    if found.kind != "float32":
        raise ValueError(
            f"{name} is already exported; to convert its network, name "
            f"{name.removesuffix(f'-{found.kind}')}"
        )
    training = dict(found.card.get("training") or {})
    files = describe_files(found.path, found.path.parent)
    return ExportSource(
        name, load_joined(found), found.preprocessing, found.temperature, training, files
    )


def _load_run(folder: Path) -> ExportSource:
    paths = [folder / "models" / f"{name}.keras" for name in ("classifier", "regressor")]
    missing = [path.name for path in paths if not path.is_file()]
    if missing:
        raise FileNotFoundError(
            f"expected the run folder of a course, {folder} has no models/{missing[0]}; name a "
            ".keras file to export one network"
        )
    classifier, regressor = (load_model(path) for path in paths)
    if classifier.preprocessing != regressor.preprocessing:
        raise ValueError(
            "classifier.keras and regressor.keras take differently prepared faces: "
            f"{classifier.preprocessing} and {regressor.preprocessing}; export each by itself"
        )
    joined = join_models(classifier.model, regressor.model)
    return _describe(folder.resolve().name, joined, [classifier, regressor], paths)


def _describe(
    name: str, model: keras.Model, loaded: list[LoadedModel], paths: list[Path]
) -> ExportSource:
    files = [entry for path in paths for entry in describe_files(path, path.parent)]
    training = dict(loaded[0].card.get("training") or {})
    return ExportSource(
        name, model, loaded[0].preprocessing, loaded[0].temperature, training, files
    )
