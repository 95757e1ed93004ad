"""Load a model of any kind by name or file, to be evaluated: Keras, checkpoint or exported."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import keras

from affectkit.files.hashes import describe_files
from affectkit.models.build import build_classifier, build_regressor, join_models
from affectkit.models.cards import (
    FOLDER,
    CheckpointFile,
    checkpoint_names,
    find_checkpoint,
    find_manifest,
    read_manifest,
)
from affectkit.models.guards import DAMAGED, check_weights_file
from affectkit.models.keras_models import LoadedModel, load_model
from affectkit.models.runtimes import (
    OUTPUTS,
    KerasNetwork,
    LiteRTNetwork,
    Network,
    NetworkView,
    load_exported,
)
from affectkit.preprocess import Preprocessing

LOADERS: dict[str, Callable[[Path], LoadedModel]] = {".keras": load_model}
"""How a model file is loaded, by its suffix."""


def load_any_models(name: str | Path) -> dict[str, LoadedModel]:
    """Load a model file, a checkpoint by its name or one of its files, or an exported model.

    Parameters
    ----------
    name : str or Path
        A `.keras` file; a name of `affectkit.models.cards.checkpoint_names`; the card
        (`.json`) or a `.tflite` file of a checkpoint in any folder; or the manifest of an exported
        model, or its file or SavedModel folder with the manifest beside it.

    Returns
    -------
    dict of str to LoadedModel
        By task: "classification", "regression" or, where one network gives both answers, both.

    Raises
    ------
    ValueError
        If there is no such checkpoint, the suffix is not a key of `LOADERS`, or a file is damaged.
    FileNotFoundError
        If the file, its card or its manifest is missing.
    ImportError
        If the model needs ONNX Runtime and that is not installed.
    """
    if str(name) in checkpoint_names():
        return load_checkpoint(str(name))
    path = Path(name).expanduser()
    manifest = find_manifest(path)
    if manifest is not None:
        return _load_exported(manifest)
    if path.suffix in (".json", ".tflite") and path.is_file():
        return load_checkpoint(path.stem.replace(".", "-"), folder=path.parent)
    if path.suffix not in LOADERS:
        names = ", ".join(checkpoint_names())
        raise ValueError(
            f"expected a model file that ends in {' or '.join(LOADERS)}, the manifest of an "
            "exported model, the card or .tflite file of a checkpoint, or the name of one "
            f"({names or 'none is here'}); got {str(name)!r}"
        )
    loaded = LOADERS[path.suffix](path)
    return {loaded.task: loaded}


def _load_exported(manifest: Path) -> dict[str, LoadedModel]:
    exported = read_manifest(manifest)
    network = load_exported(exported)
    temperatures = {"classification": exported.temperature, "regression": 1.0}
    return {
        task: LoadedModel(
            NetworkView(network, output),
            exported.preprocessing,
            task,
            temperatures[task],
            exported.manifest,
        )
        for task, output in OUTPUTS.items()
        if output in network.outputs
    }


# FOLD affectkit.runtimes: """Load the networks of a pipeline by name or file, in the runtime that the file is for."""
@dataclass(frozen=True)
class Networks:
    """One network with both outputs, or one for each.

    Attributes
    ----------
    networks : tuple of Network
        In the order in which they are run.
    preprocessing : Preprocessing
        How their input is made.
    temperature : float
        Divides the logits of the expressions.
    """

    networks: tuple[Network, ...]
    preprocessing: Preprocessing
    temperature: float


def load_networks(model: str | Path, threads: int = 1) -> Networks:
    """Load networks.

    Parameters
    ----------
    model : str or Path
        A name of `affectkit.models.cards.checkpoint_names`; the card (`.json`) or a `.tflite`
        file of a checkpoint; a `.keras` file; a run folder of the course, whose models/ holds
        classifier.keras and perhaps regressor.keras; or the manifest of an exported model, or its
        file or SavedModel folder with the manifest beside it.
    threads : int
        Of LiteRT and ONNX Runtime; TensorFlow takes its own.

    Returns
    -------
    Networks
        Ready to run.

    Raises
    ------
    ValueError
        If there is no such checkpoint, a file is damaged, or two networks are fed differently.
    FileNotFoundError
        If a file is missing.
    ImportError
        If the model needs ONNX Runtime and that is not installed.
    """
    if str(model) in checkpoint_names():
        return _load_checkpoint(str(model), threads)
    path = Path(model).expanduser()
    manifest = find_manifest(path)
    if manifest is not None:
        exported = read_manifest(manifest)
        network = load_exported(exported, threads)
        return Networks((network,), exported.preprocessing, exported.temperature)
    if path.suffix in (".json", ".tflite") and path.is_file():
        return _load_checkpoint(path.stem.replace(".", "-"), threads, path.parent)
    if path.is_dir():
        found = [
            path / "models" / f"{name}.keras"
            for name in ("classifier", "regressor")
            if (path / "models" / f"{name}.keras").is_file()
        ]
        if not found:
            raise FileNotFoundError(
                f"expected the run folder of a course, {path} has no models/classifier.keras; name "
                "a model file or a checkpoint"
            )
        return _load_keras(found)
    if path.suffix == ".keras":
        return _load_keras([path])
    raise ValueError(
        f"expected a checkpoint ({', '.join(checkpoint_names())}), a .keras or .tflite file, a "
        f"card, a run folder or the manifest of an exported model; got {str(model)!r}"
    )


def _load_checkpoint(name: str, threads: int, folder: Path | None = None) -> Networks:
    found = find_checkpoint(name, folder) if folder else find_checkpoint(name)
    if found.kind != "float32":
        networks = (LiteRTNetwork(found.path, threads),)
        return Networks(networks, found.preprocessing, found.temperature)
    pass

    network = KerasNetwork(load_joined(found))
    return Networks((network,), found.preprocessing, found.temperature)


def _load_keras(paths: list[Path]) -> Networks:
    from affectkit.models.keras_models import load_model

    loaded = [load_model(path) for path in paths]
    if len({one.preprocessing for one in loaded}) > 1:
        raise ValueError(
            f"{' and '.join(path.name for path in paths)} take differently prepared faces: "
            f"{[one.preprocessing for one in loaded]}; name one of them"
        )
    temperatures = [one.temperature for one in loaded if one.task == "classification"]
    networks = tuple(KerasNetwork(one.model) for one in loaded)
    return Networks(networks, loaded[0].preprocessing, temperatures[0] if temperatures else 1.0)


# FOLD affectkit.export_sources: """What can be exported: a checkpoint, a model file or a course's run, as one network."""
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
        return _source_of_checkpoint(str(model), FOLDER)
    if path.suffix == ".json" and path.is_file():
        return _source_of_checkpoint(path.stem, path.parent)
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


def _source_of_checkpoint(name: str, folder: Path) -> ExportSource:
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


# FOLD affectkit.checkpoints: """The trained networks that ship with the package: loaded by name, checked by their hashes."""
def load_checkpoint(name: str, threads: int = 1, folder: Path = FOLDER) -> dict[str, LoadedModel]:
    """Load a shipped checkpoint.

    Parameters
    ----------
    name : str
        One of `affectkit.models.cards.checkpoint_names`: "affectkit-real" is the Keras form in
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
        From `affectkit.models.build.join_models`: both outputs, as a dict.
    """
    check_weights_file(file.path)
    joined = _build(file.card["architecture"])
    try:
        joined.load_weights(file.path)
    except DAMAGED as error:
        raise ValueError(f"{file.path} does not fit its card ({error}); get both anew") from error
    return joined


def _build(architecture: dict[str, object]) -> keras.Model:
    """Build the joined network of a card, with weights that are about to be overwritten."""
    classifier = build_classifier(architecture["image_size"], architecture["alpha"])
    regressor = build_regressor(classifier)
    if not architecture["shared_backbone"]:  # make them differ, so that both are kept
        backbone = regressor.get_layer("backbone")
        backbone.set_weights([weight + 1 for weight in backbone.get_weights()])
    return join_models(classifier, regressor)
