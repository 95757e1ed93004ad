"""Load a model of any kind by name or file, to be evaluated: Keras, checkpoint or exported."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from affectkit.checkpoint_files import checkpoint_names
from affectkit.checkpoints import load_checkpoint
from affectkit.export_manifest import find_manifest, read_manifest
from affectkit.exported_networks import load_exported
from affectkit.model_files import LoadedModel, load_model
from affectkit.networks import OUTPUTS, NetworkView

LOADERS: dict[str, Callable[[Path], LoadedModel]] = {".keras": load_model}
"""How a model file is loaded, by its suffix."""


def load_any_models(name: str | Path) -> dict[str, LoadedModel]:
    """Load a model file, a checkpoint by its name or one of its files, or an exported model.

    Parameters
    ----------
    name : str or Path
        A `.keras` file; a name of `affectkit.checkpoint_files.checkpoint_names`; the card
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
