"""Load the networks of a pipeline by name or file, in the runtime that the file is for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from affectkit.checkpoint_files import checkpoint_names, find_checkpoint
from affectkit.export_manifest import find_manifest, read_manifest
from affectkit.exported_networks import load_exported
from affectkit.networks import KerasNetwork, LiteRTNetwork, Network
from affectkit.preprocess import Preprocessing


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
        A name of `affectkit.checkpoint_files.checkpoint_names`; the card (`.json`) or a `.tflite`
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
    from affectkit.checkpoints import load_joined

    network = KerasNetwork(load_joined(found))
    return Networks((network,), found.preprocessing, found.temperature)


def _load_keras(paths: list[Path]) -> Networks:
    from affectkit.model_files import load_model

    loaded = [load_model(path) for path in paths]
    if len({one.preprocessing for one in loaded}) > 1:
        raise ValueError(
            f"{' and '.join(path.name for path in paths)} take differently prepared faces: "
            f"{[one.preprocessing for one in loaded]}; name one of them"
        )
    temperatures = [one.temperature for one in loaded if one.task == "classification"]
    networks = tuple(KerasNetwork(one.model) for one in loaded)
    return Networks(networks, loaded[0].preprocessing, temperatures[0] if temperatures else 1.0)
