"""Networks as the pipeline runs them: faces in, every output out, whatever the runtime."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from affectkit.machine import hidden_chatter
from affectkit.models.guards import check_operations, check_saved_model

if TYPE_CHECKING:
    import keras

OUTPUTS = {"classification": "expression", "regression": "valence_arousal"}
"""The output that answers each task."""

UNITS = {"expression": 8, "valence_arousal": 2}

LARGEST_SIDE = 1024
"""Pixels; see `affectkit.preprocess.Preprocessing`."""

MOST_THREADS = 256

DAMAGED = (
    *(OSError, ValueError, TypeError, LookupError, AttributeError, RuntimeError, ArithmeticError),
    *(MemoryError, AssertionError),
)
"""What runtimes raise, as a spoilt file happens to meet them; some have kinds of their own."""


class Network(Protocol):
    """What every runtime offers.

    Attributes
    ----------
    image_size : int
        Side of the square input in pixels.
    outputs : dict of str to int
        Units of each output: "expression" 8, "valence_arousal" 2, or one of them.
    """

    image_size: int
    outputs: dict[str, int]

    def __call__(self, faces: np.ndarray) -> dict[str, np.ndarray]:
        """Answer for faces, float32 (n, size, size, 3), RGB, -1..1: float32 (n, units) each."""


def load_network(path: Path, format: str, threads: int = 1) -> Network:
    """Load a file of a format of `affectkit.models.cards.SUFFIXES` in the runtime that it is for.

    Raises
    ------
    ValueError
        If it is no such file, or no network of a face.
    ImportError
        If ONNX Runtime is not installed.
    """
    if format == "saved-model":
        return SavedModelNetwork(path)
    if format == "frozen-graph":
        return FrozenGraphNetwork(path)
    if format.startswith("onnx"):
        return OnnxNetwork(path, threads)
    return LiteRTNetwork(path, threads)


def one_output(network: Network, output: str) -> Network:
    """Give a network that answers with one of the outputs only."""
    if len(network.outputs) == 1:
        return network
    if isinstance(network, KerasNetwork):
        import keras

        return KerasNetwork(keras.Model(network.model.input, network.model.output[output]))
    return _OneOutput(network, output)


class _OneOutput:
    """A network of which one output is wanted."""

    def __init__(self, network: Network, output: str) -> None:
        self.image_size = network.image_size
        self.outputs = {output: network.outputs[output]}
        self._network = network

    def __call__(self, faces: np.ndarray) -> dict[str, np.ndarray]:
        answers = self._network(faces)
        return {output: answers[output] for output in self.outputs}


class LiteRTNetwork:
    """A `.tflite` file in LiteRT.

    Every face is an invocation of its own, so that answers do not depend on the neighbours: on a
    CPU that is as fast as a batch. Several faces are shared out among the threads; a single one is
    computed by all of them together.

    Parameters
    ----------
    content : bytes, str or Path
        The file or its content.
    threads : int
        1..256.

    Raises
    ------
    ValueError
        If it is no TFLite model of a face, or `threads` is below 1 or above 256.
    """

    def __init__(self, content: bytes | str | Path, threads: int = 1) -> None:
        _check_threads(threads)
        source = "this" if isinstance(content, bytes) else content
        self._content = content if isinstance(content, bytes) else Path(content).read_bytes()
        self._threads = threads
        with _refusing(source, "no TFLite model with a signature"):
            together = _Interpreter(self._content, threads)
        self.outputs = check_outputs(together.shapes, source)
        self.image_size = check_input(together.input_shape, source)
        self._together, self._apart, self._pool = together, [], None
        _try_out(self, source)

    def __call__(self, faces: np.ndarray) -> dict[str, np.ndarray]:
        """Answer for faces; see `Network`."""
        if self._threads > 1 and len(faces) > 1:
            rows = self._share_out(faces)
        else:
            rows = [self._together(face) for face in faces]
        return {
            name: np.array([row[name] for row in rows], np.float32).reshape(len(faces), units)
            for name, units in self.outputs.items()
        }

    def _share_out(self, faces: np.ndarray) -> list[dict[str, np.ndarray]]:
        if self._pool is None:
            self._apart = [_Interpreter(self._content, 1) for _ in range(self._threads)]
            self._pool = ThreadPoolExecutor(self._threads, "affectkit-network")
        parts = np.array_split(faces, min(self._threads, len(faces)))
        jobs = [
            self._pool.submit(lambda run, part: [run(face) for face in part], run, part)
            for run, part in zip(self._apart, parts, strict=False)
        ]
        return [row for job in jobs for row in job.result()]


class _Interpreter:
    """One LiteRT interpreter, for one face at a time."""

    def __init__(self, content: bytes, threads: int) -> None:
        from ai_edge_litert.interpreter import Interpreter

        # LiteRT refuses to run while anything else refers to its insides. A runner does, for as
        # long as a profiler or debugger keeps the frame in which it was made (Dask's does): so the
        # names are read from an interpreter that is never run.
        runner = Interpreter(model_content=content).get_signature_runner("serving_default")
        (face,) = runner.get_input_details().values()
        self._input, self.input_shape = face["index"], face["shape"]
        details = runner.get_output_details()
        self._indices = {name: detail["index"] for name, detail in details.items()}
        self.shapes = {name: detail["shape"] for name, detail in details.items()}
        self._interpreter = Interpreter(model_content=content, num_threads=threads)
        with hidden_chatter("INFO: "):
            self._interpreter.allocate_tensors()

    def __call__(self, face: np.ndarray) -> dict[str, np.ndarray]:
        self._interpreter.set_tensor(self._input, face[None])
        self._interpreter.invoke()
        return {
            name: self._interpreter.get_tensor(index)[0] for name, index in self._indices.items()
        }


class KerasNetwork:
    """A Keras model with one output of 8 or 2 units, or with a dict of both.

    Parameters
    ----------
    model : keras.Model
        Input float32 (batch, size, size, 3).
    """

    def __init__(self, model: keras.Model) -> None:
        import tensorflow as tf

        output = model.output
        if not isinstance(output, dict):
            output = {"expression" if output.shape[-1] == 8 else "valence_arousal": output}
        self.model = model
        self.outputs = {name: int(one.shape[-1]) for name, one in output.items()}
        self.image_size = int(model.input_shape[1])
        signature = tf.TensorSpec((None, self.image_size, self.image_size, 3), tf.float32)
        self._run = tf.function(
            lambda faces: model(faces, training=False), input_signature=[signature]
        )

    def __call__(self, faces: np.ndarray) -> dict[str, np.ndarray]:
        """Answer for faces; see `Network`."""
        answers = self._run(faces)
        if not isinstance(answers, dict):
            answers = dict.fromkeys(self.outputs, answers)
        return {name: np.asarray(answers[name]) for name in self.outputs}


class SavedModelNetwork:
    """A SavedModel's signature "serving_default" in TensorFlow.

    Parameters
    ----------
    folder : str or Path
        The SavedModel.

    Raises
    ------
    ValueError
        If it holds no SavedModel of a face.
    """

    def __init__(self, folder: str | Path) -> None:
        import tensorflow as tf

        check_saved_model(folder)
        with _refusing(folder, "no SavedModel with a signature", tf.errors.OpError):
            self._loaded = tf.saved_model.load(str(folder))  # owns the variables
            self._run = self._loaded.signatures["serving_default"]
            inputs = self._run.structured_input_signature[1]
            shapes = {name: one.shape for name, one in self._run.structured_outputs.items()}
            (self._input,) = inputs
            face, graph = inputs[self._input].shape, self._run.graph.as_graph_def()
        check_operations(graph, folder)
        self.outputs = check_outputs(shapes, folder)
        self.image_size = check_input(face, folder)
        _try_out(self, folder, tf.errors.OpError)

    def __call__(self, faces: np.ndarray) -> dict[str, np.ndarray]:
        """Answer for faces; see `Network`."""
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

        what, graph = "no frozen graph of a face", tf.compat.v1.GraphDef()
        with _refusing(path, what, DecodeError):
            graph.ParseFromString(Path(path).read_bytes())
        check_operations(graph, path)
        with _refusing(path, what, tf.errors.OpError):
            found = tf.compat.v1.wrap_function(
                lambda: tf.compat.v1.import_graph_def(graph, name=""), []
            )
            names = {node.name for node in graph.node} & set(UNITS)
            (face,) = [node.name for node in graph.node if node.op == "Placeholder"]
            self._run = found.prune(f"{face}:0", {name: f"{name}:0" for name in sorted(names)})
            shapes = {name: one.shape for name, one in self._run.structured_outputs.items()}
            face = self._run.inputs[0].shape
        self.outputs = check_outputs(shapes, path)
        self.image_size = check_input(face, path)
        _try_out(self, path, tf.errors.OpError)

    def __call__(self, faces: np.ndarray) -> dict[str, np.ndarray]:
        """Answer for faces; see `Network`."""
        import tensorflow as tf

        answers = self._run(tf.constant(faces))
        return {name: answers[name].numpy() for name in self.outputs}


class OnnxNetwork:
    """An `.onnx` file in ONNX Runtime, on the CPU.

    Parameters
    ----------
    path : str or Path
        The file.
    threads : int
        1..256.

    Raises
    ------
    ImportError
        If ONNX Runtime is not installed.
    ValueError
        If it is no ONNX model of a face, or `threads` is below 1 or above 256.
    """

    def __init__(self, path: str | Path, threads: int = 1) -> None:
        try:
            import onnxruntime
            from onnxruntime.capi import onnxruntime_pybind11_state as errors
        except ImportError as error:
            raise ImportError(
                'an .onnx file needs ONNX Runtime: pip install "affectkit[onnx]" (or use another '
                "format)"
            ) from error
        _check_threads(threads)
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
        with _refusing(path, "no ONNX model that runs here", *problems):
            self._session = onnxruntime.InferenceSession(
                Path(path).read_bytes(), options, providers=["CPUExecutionProvider"]
            )
            (face,) = self._session.get_inputs()
            self._input = face.name
            shapes = {one.name: one.shape for one in self._session.get_outputs()}
        self.outputs = check_outputs(shapes, path)
        self.image_size = check_input(face.shape, path)
        _try_out(self, path, *problems)

    def __call__(self, faces: np.ndarray) -> dict[str, np.ndarray]:
        """Answer for faces; see `Network`."""
        names = list(self.outputs)
        return dict(zip(names, self._session.run(names, {self._input: faces}), strict=True))


def check_outputs(shapes: dict[str, object], source: str | Path) -> dict[str, int]:
    """Give the units of each output, in the order of `OUTPUTS`.

    Raises
    ------
    ValueError
        If there are others, or they have other units.
    """
    if not shapes or set(shapes) - set(UNITS):
        raise ValueError(
            f"expected outputs of {', '.join(UNITS)}, {source} has "
            f"{', '.join(map(str, shapes))[:200] or 'none'}; use a file that `affectkit export` "
            "wrote"
        )
    for name, shape in shapes.items():
        sizes = _sizes(shape)
        if len(sizes) != 2 or sizes[1] != UNITS[name]:
            raise ValueError(f"expected {UNITS[name]} units of {name}, {source} has {shape}")
    return {name: units for name, units in UNITS.items() if name in shapes}


def check_input(shape: object, source: str | Path) -> int:
    """Give the side of the square pictures that a network takes.

    Raises
    ------
    ValueError
        If it takes something else.
    """
    sizes = _sizes(shape)
    side = sizes[1] if len(sizes) == 4 else None
    if isinstance(side, int) and 1 <= side <= LARGEST_SIDE and sizes[2:] == [side, 3]:
        return side
    raise ValueError(f"expected an input of (batch, size, size, 3), {source} takes {shape}")


def _check_threads(threads: int) -> None:
    if threads < 1:
        raise ValueError(f"expected at least 1 thread, got {threads}")
    if threads > MOST_THREADS:
        raise ValueError(f"expected at most {MOST_THREADS} threads, got {threads}")


def _sizes(shape: object) -> list[object]:
    """Give a shape of any runtime as a list of int, or else of what stands there."""
    if shape is None or getattr(shape, "rank", 0) is None:
        return []
    return [int(size) if isinstance(size, (int, np.integer)) else size for size in shape]


def _try_out(network: Network, source: str | Path, *problems: type[Exception]) -> None:
    """Run a network once, so that a damaged one is told when it is loaded."""
    face = np.zeros((1, network.image_size, network.image_size, 3), np.float32)
    with _refusing(source, "no network that can be run", *problems):
        shapes = {name: answer.shape for name, answer in network(face).items()}
    if shapes != {name: (1, units) for name, units in network.outputs.items()}:
        raise ValueError(f"{source} gives answers of shape {shapes}; get it anew")


@contextmanager
def _refusing(source: str | Path, what: str, *problems: type[Exception]) -> Iterator[None]:
    """Say in our words that a runtime could not take a file; only its own calls stand inside."""
    try:
        yield
    except (*DAMAGED, *problems) as error:
        reason = str(error) or type(error).__name__
        raise ValueError(f"{source} is {what} ({reason[:300]}); get it anew") from error
