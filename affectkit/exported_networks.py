"""Exported models as the pipeline runs them: SavedModel, frozen graph, ONNX; TFLite in LiteRT."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from affectkit.export_manifest import ExportedModel
from affectkit.graph_checks import check_operations, check_saved_model
from affectkit.network_checks import DAMAGED, OUTPUTS, check_input, check_outputs, try_out
from affectkit.networks import LiteRTNetwork, Network


def load_exported(exported: ExportedModel, threads: int = 1) -> Network:
    """Load an exported model in the runtime that its format is for.

    Parameters
    ----------
    exported : ExportedModel
        From `affectkit.export_manifest.read_manifest`.
    threads : int
        Of LiteRT and ONNX Runtime; TensorFlow takes its own.

    Returns
    -------
    Network
        Ready to run.

    Raises
    ------
    ValueError
        If the file is no such model, or not the one that the manifest describes.
    ImportError
        If ONNX Runtime is not installed.
    """
    network = load_network(exported.path, exported.format, threads)
    described = exported.preprocessing.image_size, set(exported.manifest["outputs"])
    if (network.image_size, set(network.outputs)) != described:
        raise ValueError(
            f"{exported.path} takes {network.image_size} px and answers {sorted(network.outputs)}, "
            f"its manifest says {described[0]} px and {sorted(described[1])}; export it again"
        )
    return network


def load_network(path: Path, format: str, threads: int = 1) -> Network:
    """Load a file of a format of `affectkit.export_manifest.SUFFIXES`; see `load_exported`."""
    if format == "saved-model":
        return SavedModelNetwork(path)
    if format == "frozen-graph":
        return FrozenGraphNetwork(path)
    if format == "onnx":
        return OnnxNetwork(path, threads)
    return LiteRTNetwork(path, threads)


class SavedModelNetwork:
    """A SavedModel's signature "serving_default" in TensorFlow."""

    def __init__(self, folder: str | Path) -> None:
        """Load a folder.

        Raises
        ------
        ValueError
            If it holds no SavedModel of a face.
        """
        import tensorflow as tf

        try:
            check_saved_model(folder)
            self._loaded = tf.saved_model.load(str(folder))  # owns the variables
            self._run = self._loaded.signatures["serving_default"]
            inputs = self._run.structured_input_signature[1]
            shapes = {name: one.shape for name, one in self._run.structured_outputs.items()}
            (self._input,) = inputs
            check_operations(self._run.graph.as_graph_def(), folder)
        except (*DAMAGED, tf.errors.OpError) as error:
            raise _refusal(error, folder, "no SavedModel with a signature") from error
        self.outputs = check_outputs(shapes, folder)
        self.image_size = check_input(inputs[self._input].shape, folder)
        try_out(self, folder, tf.errors.OpError)

    def __call__(self, faces: np.ndarray) -> dict[str, np.ndarray]:
        """Answer for faces; see `affectkit.networks.Network`."""
        import tensorflow as tf

        answers = self._run(**{self._input: tf.constant(faces)})
        return {name: answers[name].numpy() for name in self.outputs}


class FrozenGraphNetwork:
    """A frozen graph (`.pb`), from its only placeholder to the nodes named as the outputs are."""

    def __init__(self, path: str | Path) -> None:
        """Load a file.

        Raises
        ------
        ValueError
            If it is no frozen graph of a face.
        """
        import tensorflow as tf
        from google.protobuf.message import DecodeError

        graph = tf.compat.v1.GraphDef()
        try:
            graph.ParseFromString(Path(path).read_bytes())
            check_operations(graph, path)
            found = tf.compat.v1.wrap_function(
                lambda: tf.compat.v1.import_graph_def(graph, name=""), []
            )
            names = {node.name for node in graph.node} & set(OUTPUTS.values())
            (face,) = [node.name for node in graph.node if node.op == "Placeholder"]
            self._run = found.prune(f"{face}:0", {name: f"{name}:0" for name in sorted(names)})
            shapes = {name: one.shape for name, one in self._run.structured_outputs.items()}
            face = self._run.inputs[0].shape
        except (*DAMAGED, DecodeError, tf.errors.OpError) as error:
            raise _refusal(error, path, "no frozen graph of a face") from error
        self.outputs = check_outputs(shapes, path)
        self.image_size = check_input(face, path)
        try_out(self, path, tf.errors.OpError)

    def __call__(self, faces: np.ndarray) -> dict[str, np.ndarray]:
        """Answer for faces; see `affectkit.networks.Network`."""
        import tensorflow as tf

        answers = self._run(tf.constant(faces))
        return {name: answers[name].numpy() for name in self.outputs}


class OnnxNetwork:
    """An `.onnx` file in ONNX Runtime, on the CPU."""

    def __init__(self, path: str | Path, threads: int = 1) -> None:
        """Load a file.

        Raises
        ------
        ImportError
            If ONNX Runtime is not installed.
        ValueError
            If it is no ONNX model of a face, or `threads` is below 1.
        """
        try:
            import onnxruntime
            from onnxruntime.capi import onnxruntime_pybind11_state as errors
        except ImportError as error:
            raise ImportError(
                "an .onnx file needs ONNX Runtime: pip install onnxruntime (or use another format)"
            ) from error
        if threads < 1:
            raise ValueError(f"expected at least 1 thread, got {threads}")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        # weights in other files, which no hash vouches for: below a file, there are none
        nowhere = str(Path(path) / "nowhere")
        options.add_session_config_entry(
            "session.model_external_initializers_file_folder_path", nowhere
        )
        # each derives from Exception alone
        problems = tuple(
            kind
            for kind in vars(errors).values()
            if isinstance(kind, type) and issubclass(kind, Exception)
        )
        try:
            self._session = onnxruntime.InferenceSession(
                Path(path).read_bytes(), options, providers=["CPUExecutionProvider"]
            )
            (face,) = self._session.get_inputs()
            self._input = face.name
            shapes = {one.name: one.shape for one in self._session.get_outputs()}
        except (*DAMAGED, *problems) as error:
            raise _refusal(error, path, "no ONNX model that runs here") from error
        self.outputs = check_outputs(shapes, path)
        self.image_size = check_input(face.shape, path)
        try_out(self, path, *problems)

    def __call__(self, faces: np.ndarray) -> dict[str, np.ndarray]:
        """Answer for faces; see `affectkit.networks.Network`."""
        names = list(self.outputs)
        return dict(zip(names, self._session.run(names, {self._input: faces}), strict=True))


def _refusal(error: BaseException, source: str | Path, what: str) -> ValueError:
    reason = str(error) or type(error).__name__
    if isinstance(error, ValueError) and reason.startswith(str(source)):
        return error
    return ValueError(f"{source} is {what} ({reason[:300]})")
