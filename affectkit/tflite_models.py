"""Convert networks to TFLite, float16 or full-integer int8, and run them with LiteRT."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path

import keras
import numpy as np

KINDS = ("float16", "int8")


def convert_to_tflite(
    model: keras.Model, kind: str, calibration_faces: np.ndarray | None = None
) -> bytes:
    """Convert a Keras model.

    Parameters
    ----------
    model : keras.Model
        Input float32 (batch, size, size, 3), RGB, -1..1; one output or a dict of outputs.
    kind : {"float16", "int8"}
        "float16" stores half-precision weights, about half the size; "int8" computes in integers,
        with a scale for each channel of the weights, about a quarter of the size.
    calibration_faces : numpy.ndarray, optional
        float32, shape (n, size, size, 3), as the model takes them; needed for int8: the ranges of
        all activations are measured on them. Some hundred of the real kind are enough.

    Returns
    -------
    bytes
        The content of a `.tflite` file; input and outputs stay float32, a batch is one face.

    Raises
    ------
    ValueError
        If the kind is unknown, or int8 is asked for without faces.
    """
    import tensorflow as tf

    if kind not in KINDS:
        raise ValueError(f"expected a kind of {', '.join(KINDS)}, got {kind!r}")
    if kind == "int8" and (calibration_faces is None or not len(calibration_faces)):
        raise ValueError("int8 needs calibration_faces: some hundred faces as the model takes them")
    size = model.input_shape[1]
    signature = [keras.InputSpec(shape=(1, size, size, 3), dtype="float32", name="face")]
    with tempfile.TemporaryDirectory() as folder:
        model.export(folder, format="tf_saved_model", input_signature=signature, verbose=False)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if kind == "float16":
            converter.target_spec.supported_types = [tf.float16]
        else:
            converter.representative_dataset = lambda: (
                [face[None].astype(np.float32)] for face in calibration_faces
            )
            converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        return converter.convert()


class LiteRTModel:
    """A `.tflite` file that answers like a Keras model with one output.

    Attributes
    ----------
    output : str
        Name of the output that `predict` gives.
    input_shape, output_shape : tuple
        As a Keras model has them: (None, size, size, 3) and (None, units).
    """

    def __init__(self, content: bytes | str | Path, output: str, threads: int = 1) -> None:
        """Load a file or its content.

        Raises
        ------
        ValueError
            If it is no TFLite model of a face, or has no such output.
        """
        from ai_edge_litert.interpreter import Interpreter

        if not isinstance(content, bytes):
            content = Path(content).read_bytes()
        try:
            self._interpreter = Interpreter(model_content=content, num_threads=threads)
            self._run = self._interpreter.get_signature_runner("serving_default")
        except (ValueError, RuntimeError) as error:
            raise ValueError(f"this is no TFLite model with a signature ({error})") from error
        (name, details), *_ = self._run.get_input_details().items()
        outputs = self._run.get_output_details()
        if output not in outputs:
            raise ValueError(f"expected an output of {sorted(outputs)}, got {output!r}")
        self._input, self.output = name, output
        self.input_shape = (None, *(int(side) for side in details["shape"][1:]))
        self.output_shape = (None, int(outputs[output]["shape"][-1]))

    def __call__(self, faces: np.ndarray) -> dict[str, np.ndarray]:
        """Give every output for one face, float32 (1, size, size, 3), -1..1."""
        return self._run(**{self._input: faces})

    def predict(self, batches: np.ndarray | Iterable[object], verbose: object = 0) -> np.ndarray:
        """Predict face by face.

        Parameters
        ----------
        batches : numpy.ndarray or iterable of arrays or tensors
            float32, shape (batch, size, size, 3), -1..1.
        verbose
            For the sake of Keras' interface; nothing is printed.

        Returns
        -------
        numpy.ndarray
            float32, shape (n, units).
        """
        batches = [batches] if isinstance(batches, np.ndarray) else batches
        rows = [
            self(face[None])[self.output][0].copy()
            for batch in batches
            for face in np.asarray(batch, np.float32)
        ]
        return np.stack(rows)
