"""The networks of a bundle as the device runs them: one face in, every output out."""

import inspect

import numpy as np
from face_preprocessing import Preprocessing, crop_face, scale_pixels


class SavedModelNetwork(object):
    """A SavedModel: the exported one, or one with engines that convert.py wrote."""

    def __init__(self, tf, folder, engines=False):
        if engines:  # registers the operation TRTEngineOp
            from tensorflow.python.compiler.tensorrt import trt_convert  # noqa: F401
        self._tf = tf
        self._loaded = tf.compat.v2.saved_model.load(str(folder))  # owns the engines
        self._run = self._loaded.signatures["serving_default"]

    def __call__(self, face):
        """Answer for a face, float32 (1, size, size, 3), RGB, -1..1: float32 (1, units) each."""
        answers = self._run(self._tf.constant(face))
        return {name: answer.numpy() for name, answer in answers.items()}


class FrozenGraphNetwork(object):
    """A frozen graph: nothing but constants and operations."""

    def __init__(self, tf, content, outputs):
        graph = tf.compat.v1.GraphDef()
        graph.ParseFromString(content)
        loaded = tf.compat.v1.wrap_function(
            lambda: tf.compat.v1.import_graph_def(graph, name=""), []
        )
        self._tf, self._names = tf, sorted(outputs)
        self._run = loaded.prune("face:0", [name + ":0" for name in self._names])

    def __call__(self, face):
        """Answer for a face; see `SavedModelNetwork`."""
        answers = self._run(self._tf.constant(face))
        return {name: answer.numpy() for name, answer in zip(self._names, answers)}


class TFLiteNetwork(object):
    """A TFLite file in TensorFlow's interpreter, on the CPU."""

    def __init__(self, tf, path, tensors, threads=1):
        options = {}
        if "num_threads" in inspect.signature(tf.lite.Interpreter.__init__).parameters:
            options["num_threads"] = threads  # not in TensorFlow 1.15
        self._interpreter = tf.lite.Interpreter(str(path), **options)
        self._interpreter.allocate_tensors()
        details = self._interpreter.get_input_details() + self._interpreter.get_output_details()
        indices = {detail["name"]: detail["index"] for detail in details}
        self._indices = {name: indices[tensor] for name, tensor in tensors.items()}
        self._face = self._indices.pop("face")

    def __call__(self, face):
        """Answer for a face; see `SavedModelNetwork`."""
        self._interpreter.set_tensor(self._face, face)
        self._interpreter.invoke()
        return {name: self._interpreter.get_tensor(index) for name, index in self._indices.items()}


def golden_inputs(golden):
    """Give the golden faces as a network takes them: float32, (n, size, size, 3), -1..1."""
    return scale_pixels(golden["faces"].astype(np.float32))


def golden_differences(network, golden, outputs):
    """Give the greatest difference of each output on the golden faces; NaN if one is none."""
    differences = dict.fromkeys(outputs, 0.0)
    for index, face in enumerate(golden_inputs(golden)):
        answers = network(face[None])
        for name in differences:
            apart = np.abs(answers[name][0] - golden[name][index]).max()
            differences[name] = float(np.maximum(differences[name], apart))  # keeps NaN
    return differences


def crop_difference(golden, preprocessing):
    """Give the greatest difference between the golden crops and those made here, in levels."""
    settings = Preprocessing(**preprocessing)
    crops = [crop_face(golden["picture"], box, settings) for box in golden["boxes"]]
    return int(np.abs(np.stack(crops).astype(int) - golden["crops"]).max())


def is_within(differences, tolerance):
    """Tell whether every difference is a number within the tolerance."""
    return all(difference <= tolerance for difference in differences.values())
