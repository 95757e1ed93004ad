"""Convert networks to TFLite, float16 or full-integer int8; `affectkit.networks` runs them."""

from __future__ import annotations

import tempfile

import keras
import numpy as np

from affectkit.checkpoint_files import KINDS
from affectkit.weight_rounding import round_weights


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
        with a scale for each channel of the weights, about a quarter of the size. What rounding
        shifts is corrected first: `affectkit.weight_rounding`.
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
    if kind == "int8":
        model = round_weights(model, calibration_faces)
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
