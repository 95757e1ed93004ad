"""Runs under an old TensorFlow: does what a device would do, as far as that goes without one.

python leg.py RESULT.json GRAPHS WORK BUNDLE...

GRAPHS holds SavedModels, cut.py and names.json: notebook 05's graphs and its function `cut`. The
scripts of the first bundle are imported.
"""

import argparse
import hashlib
import json
import sys
from pathlib import Path

sys.path.insert(0, sys.argv[4])

import convert
import device
from bundle import Bundle
from networks import (
    FrozenGraphNetwork,
    SavedModelNetwork,
    TFLiteNetwork,
    crop_difference,
    golden_differences,
)

tf = device.load_tensorflow()


class NativeSegment(object):
    """What TF-TRT put into an engine, as TensorFlow's own operations on the CPU."""

    def __init__(self, saved_model, outputs):
        from tensorflow.core.protobuf import saved_model_pb2
        from tensorflow.python.framework import function_def_to_graph

        message = saved_model_pb2.SavedModel()
        message.ParseFromString((Path(str(saved_model)) / "saved_model.pb").read_bytes())
        functions = message.meta_graphs[0].graph_def.library.function
        (segment,) = [one for one in functions if "native_segment" in one.signature.name]
        nodes = [node for one in functions for node in one.node_def if node.op == "TRTEngineOp"]
        self.engines = [node.name.split("/")[-1] for node in nodes]
        graph = function_def_to_graph.function_def_to_graph(segment)
        definition = graph.as_graph_def()
        loaded = tf.compat.v1.wrap_function(
            lambda: tf.compat.v1.import_graph_def(definition, name=""), []
        )
        units = {len(one["labels"]): name for name, one in outputs.items()}
        self._names = [units[int(tensor.shape[-1])] for tensor in graph.outputs]
        self._run = loaded.prune(
            [tensor.name for tensor in graph.inputs], [tensor.name for tensor in graph.outputs]
        )

    def __call__(self, face):
        answers = self._run(tf.constant(face))
        return {name: answer.numpy() for name, answer in zip(self._names, answers)}


def differences(bundle, golden):
    """Compare every file of every network with Keras' answers."""
    result = {}
    for name, network in bundle.networks.items():
        outputs = network["outputs"]
        tflite = bundle.folder / network["tflite"]
        forms = {
            "saved_model": SavedModelNetwork(tf, bundle.folder / network["saved_model"]),
            "frozen_graph": FrozenGraphNetwork(tf, bundle.frozen_graph(name), outputs),
            "tflite": TFLiteNetwork(tf, tflite, network["tflite_tensors"]),
        }
        result[name] = {
            form: golden_differences(one, golden, outputs) for form, one in forms.items()
        }
    return result


def convert_bundle(bundle, golden, work):
    """Run convert.py; gives exit code, report, and how far the native segments are off."""
    arguments = ["--bundle", str(bundle.folder), "--output", str(work), "--segment-only"]
    arguments += ["--least-memory-mb", "0"]
    code = convert.main(arguments)
    report = json.loads((work / "FP16" / "report.json").read_text())
    segments = {
        name: NativeSegment(work / "FP16" / name, network["outputs"])
        for name, network in bundle.networks.items()
    }
    return {
        "exit_code": code,
        "report": report,
        "engines": {name: segment.engines for name, segment in segments.items()},
        "segments": {
            name: golden_differences(segment, golden, bundle.networks[name]["outputs"])
            for name, segment in segments.items()
        },
    }


def fail_to_build(bundle, golden, work):
    """Ask for an engine where there is no GPU; gives the exit code and the report."""
    options = argparse.Namespace(
        output=work,
        precision="FP32",
        workspace_mb=64,
        minimum_segment_size=3,
        segment_only=False,
    )
    name = sorted(bundle.networks)[0]
    report = convert.convert_network(tf, bundle, name, golden, options)
    return {
        "exit_code": convert.judge({name: report}),
        "report": report,
        "text": convert.explain(name, report),
    }


def steps(graph):
    """Give the operations of a converted graph in order, with the number of nodes in each."""
    nodes = {node.name: node for node in graph.node}
    sizes = {one.signature.name: len(one.node_def) for one in graph.library.function}
    found = {}

    def visit(name):
        if name in found:
            return
        for source in nodes[name].input:
            visit(source.lstrip("^").split(":")[0])
        node = nodes[name]
        engine = node.op == "TRTEngineOp"
        found[name] = (node.op, sizes[node.attr["segment_func"].func.name] if engine else 1)

    for name in sorted(nodes):
        visit(name)
    return list(found.values())


def cut_graphs(folder):
    """Cut the graphs of notebook 05 with its own function."""
    names = json.loads((folder / "names.json").read_text())
    scope = {}
    exec((folder / "cut.py").read_text(), scope)
    return {
        title: steps(scope["cut"](folder / name)._converted_graph_def)
        for name, title in names.items()
    }


def main():
    result, graphs, work = (Path(argument) for argument in sys.argv[1:4])
    content = {"device": device.describe(tf), "bundles": {}}
    for number, folder in enumerate(sys.argv[4:]):
        bundle = Bundle(folder)
        bundle.check()
        golden = bundle.golden()
        content["bundles"][bundle.description["name"]] = {
            "differences": differences(bundle, golden),
            "onnx": {
                "{} {}".format(name, form): hashlib.sha256(bundle.onnx(name, form)).hexdigest()
                for name in bundle.networks
                for form in ("onnx", "onnx_float16")
            },
            "crop_difference": crop_difference(golden, bundle.description["preprocessing"]),
            "conversion": convert_bundle(bundle, golden, work / str(number)),
        }
    bundle = Bundle(sys.argv[4])
    content["failed"] = fail_to_build(bundle, bundle.golden(), work / "failed")
    content["graphs"] = cut_graphs(graphs)
    result.write_text(json.dumps(content))


main()
