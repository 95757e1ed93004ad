"""Load a network of the bundle in one of the runtimes that infer.py and benchmark.py know."""

from pathlib import Path

import device
from bundle import RefusalError
from convert import built_engines
from networks import FrozenGraphNetwork, SavedModelNetwork, TFLiteNetwork

RUNTIMES = ("FP16", "FP32", "tensorflow", "frozen-graph", "tflite")
"""Engines of either precision; and without engines: TensorFlow itself, TFLite on the CPU."""

PARTS = {"tensorflow": "saved_model", "frozen-graph": "saved_model", "tflite": "tflite"}
"""The part of the bundle that a runtime reads."""


def check(runtime, bundle, engines):
    """Refuse a runtime whose files are missing or damaged, before anything slow is done."""
    parts = ["scripts", "golden"]
    if runtime in PARTS:
        bundle.check([*parts, PARTS[runtime]])
        return
    bundle.check(parts)
    found = []
    for name in sorted(bundle.networks):
        folder = Path(str(engines)) / runtime / name
        found += built_engines(folder)
        if not built_engines(folder):
            raise RefusalError(
                "{} holds no engine: run python3 convert.py --precision {} on this device first "
                "(engines do not travel between devices or TensorRT versions)".format(
                    folder, runtime
                )
            )
    if len(set(found)) < len(found):
        raise RefusalError(
            "two networks have engines of one name, which TensorFlow would mix up ({}): run "
            "convert.py again".format(", ".join(sorted(found)))
        )


def load(runtime, bundle, name, engines, threads=1):
    """Load a network; returns a function from a face to its answers."""
    tf = device.load_tensorflow()
    network = bundle.networks[name]
    if runtime == "tflite":
        tensors = network["tflite_tensors"]
        return TFLiteNetwork(tf, bundle.folder / network["tflite"], tensors, threads)
    if runtime == "frozen-graph":
        return FrozenGraphNetwork(tf, bundle.frozen_graph(name), network["outputs"])
    if runtime == "tensorflow":
        return SavedModelNetwork(tf, bundle.folder / network["saved_model"])
    device.check_tensorrt()
    device.check_gpu(tf)
    return SavedModelNetwork(tf, Path(str(engines)) / runtime / name, engines=True)
