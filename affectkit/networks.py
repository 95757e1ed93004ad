"""Networks as the pipeline runs them: faces in, every output out, whatever the runtime."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

import numpy as np

from affectkit.network_checks import DAMAGED, OUTPUTS, check_input, check_outputs, try_out

__all__ = ["OUTPUTS", "KerasNetwork", "LiteRTNetwork", "Network", "NetworkView"]

MOST_THREADS = 256


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


class LiteRTNetwork:
    """A `.tflite` file in LiteRT.

    Every face is an invocation of its own, so that answers do not depend on the neighbours: on a
    CPU that is as fast as a batch. Several faces are shared out among the threads; a single one is
    computed by all of them together.
    """

    def __init__(self, content: bytes | str | Path, threads: int = 1) -> None:
        """Load a file or its content.

        Raises
        ------
        ValueError
            If it is no TFLite model of a face, or `threads` is below 1.
        """
        if threads < 1:
            raise ValueError(f"expected at least 1 thread, got {threads}")
        if threads > MOST_THREADS:
            raise ValueError(f"expected at most {MOST_THREADS} threads, got {threads}")
        source = "this" if isinstance(content, bytes) else content
        self._content = content if isinstance(content, bytes) else Path(content).read_bytes()
        self._threads = threads
        try:
            together = _Interpreter(self._content, threads)
        except DAMAGED as error:
            raise ValueError(
                f"{source} is no TFLite model with a signature ({str(error)[:300]})"
            ) from error
        self.outputs = check_outputs(together.shapes, source)
        self.image_size = check_input(together.input_shape, source)
        self._together, self._apart, self._pool = together, [], None
        try_out(self, source)

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

    def __init__(self, model: object) -> None:
        import tensorflow as tf

        output = model.output
        if not isinstance(output, dict):
            output = {"expression" if output.shape[-1] == 8 else "valence_arousal": output}
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


class NetworkView:
    """One output of a network, with the part of a Keras model's interface that evaluation uses.

    Attributes
    ----------
    input_shape, output_shape : tuple
        As a Keras model has them: (None, size, size, 3) and (None, units).
    """

    def __init__(self, network: Network, output: str) -> None:
        """Choose an output.

        Raises
        ------
        ValueError
            If the network has no such output.
        """
        if output not in network.outputs:
            raise ValueError(f"expected an output of {sorted(network.outputs)}, got {output!r}")
        self.network, self.output = network, output
        self.input_shape = (None, network.image_size, network.image_size, 3)
        self.output_shape = (None, network.outputs[output])

    def predict(self, batches: np.ndarray | Iterable[object], verbose: object = 0) -> np.ndarray:
        """Predict for an array, or for every batch of an iterable of arrays or tensors.

        Parameters
        ----------
        batches : numpy.ndarray or iterable
            float32, shape (batch, size, size, 3), -1..1.
        verbose
            For the sake of Keras' interface; nothing is printed.

        Returns
        -------
        numpy.ndarray
            float32, shape (n, units).
        """
        batches = [batches] if isinstance(batches, np.ndarray) else batches
        return np.concatenate(
            [self.network(np.asarray(batch, np.float32))[self.output] for batch in batches]
        )
