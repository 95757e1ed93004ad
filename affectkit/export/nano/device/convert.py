"""Turn the networks of this bundle into TensorRT engines with TF-TRT, on the device.

python3 convert.py                     FP16, into engines/FP16
python3 convert.py --precision FP32    into engines/FP32
python3 convert.py --segment-only      on any machine with TF-TRT: no engine is built

Exit codes: 0, every network is one built engine whose answers are within the tolerance; 1, built,
but the answers are off; 2, refused, the message says why; 3, converted, but not into one built
engine each. Everything measured goes into engines/PRECISION/report.json.
"""

import argparse
import collections
import gc
import json
import shutil
import sys
import time
from pathlib import Path

import device
from bundle import Bundle, RefusalError, add_bundle_option, run
from networks import (
    SavedModelNetwork,
    crop_difference,
    golden_differences,
    golden_inputs,
    is_within,
)

BUILT, OFF, NOT_BUILT = 0, 1, 3
"""Exit codes; see above."""

HARMLESS = ("Placeholder", "NoOp", "Identity")
"""Operations that may stay outside of the engine: they only name inputs and outputs."""


def segment(saved_model, precision, workspace_mb, minimum_segment_size):
    """Let TF-TRT cut a graph into segments, each of which becomes an engine.

    Gives TF-TRT's converter, and of the graph: engines, nodes of each segment, what stays outside.
    """
    from tensorflow.python.compiler.tensorrt import trt_convert

    parameters = trt_convert.DEFAULT_TRT_CONVERSION_PARAMS._replace(
        precision_mode=precision,
        max_workspace_size_bytes=workspace_mb << 20,
        minimum_segment_size=minimum_segment_size,
        maximum_cached_engines=1,
    )
    try:
        converter = trt_convert.TrtGraphConverterV2(
            input_saved_model_dir=str(saved_model), conversion_params=parameters
        )
    except RuntimeError as error:  # what it says of versions that do not fit
        raise RefusalError("TF-TRT refuses: {}".format(error)) from error
    start = time.time()
    converter.convert()
    seconds = time.time() - start
    graph = converter._converted_graph_def
    operations = collections.Counter(node.op for node in graph.node)
    engines = operations.pop("TRTEngineOp", 0)
    segments = [one for one in graph.library.function if "native_segment" in one.signature.name]
    return converter, {
        "engines": engines,
        "nodes": [len(one.node_def) for one in segments],
        "outside": dict(operations),
        "whole": engines == 1 and not set(operations) - set(HARMLESS),
        "convert_seconds": round(seconds, 2),
    }


def rename_engines(converter, suffix):
    """Give the engines of a converted graph names that no other network's engines have.

    TensorFlow up to 2.11 keeps engines by the last part of their name, for the whole process:
    TRTEngineOp_0_0 of one network would be taken for that of another
    (github.com/tensorflow/tensorflow/pull/58067).
    """
    from tensorflow.python.eager import wrap_function
    from tensorflow.python.util import nest

    graph, old = converter._converted_graph_def, converter._converted_func
    engines = [node.name for node in graph.node if node.op == "TRTEngineOp"]
    names = {name: "{}_{}".format(name, suffix) for name in engines}
    for node in graph.node:
        node.name = names.get(node.name, node.name)
        for index, source in enumerate(node.input):
            base = source.lstrip("^").split(":")[0]
            if base in names:
                node.input[index] = source.replace(base, names[base])
    new = wrap_function.function_from_graph_def(
        graph, [tensor.name for tensor in old.inputs], [tensor.name for tensor in old.outputs]
    )
    new.graph.structured_outputs = nest.pack_sequence_as(
        old.graph.structured_outputs, new.graph.structured_outputs
    )
    new.graph.structured_input_signature = old.graph.structured_input_signature
    converter._converted_func = new


def built_engines(folder):
    """Give name and bytes of each serialised engine in a converted SavedModel.

    A failed build leaves no engine, or an empty file: TF-TRT then runs TensorFlow's own operations
    without a word, so this is the only proof of an engine.
    """
    files = sorted((Path(str(folder)) / "assets").glob("trt-serialized-engine.*"))
    return {file.name: file.stat().st_size for file in files if file.stat().st_size}


def convert_network(tf, bundle, name, golden, options):
    """Convert, build, save and check one network; gives its part of the report."""
    network = bundle.networks[name]
    output = options.output / options.precision / name
    if output.exists():
        shutil.rmtree(str(output))
    converter, report = segment(
        bundle.folder / network["saved_model"],
        options.precision,
        options.workspace_mb,
        options.minimum_segment_size,
    )
    rename_engines(converter, "{}_{}".format(name, options.precision))
    if not options.segment_only:
        start = time.time()
        face = golden_inputs(golden)[:1]
        try:
            converter.build(input_fn=lambda: iter([(face,)]))
        except tf.errors.OpError as error:
            report["build_error"] = str(error)[:500]
        report["build_seconds"] = round(time.time() - start, 2)
    start = time.time()
    converter.save(str(output))
    report["save_seconds"] = round(time.time() - start, 2)
    report["built"] = built_engines(output)
    if options.segment_only:
        return report
    del converter
    gc.collect()
    if "build_error" in report:
        return report
    start = time.time()
    loaded = SavedModelNetwork(tf, output, engines=True)
    report["load_seconds"] = round(time.time() - start, 2)
    report["differences"] = golden_differences(loaded, golden, network["outputs"])
    report["tolerance"] = bundle.description["tolerances"][options.precision]
    report["within_tolerance"] = is_within(report["differences"], report["tolerance"])
    return report


def judge(networks):
    """Give the exit code for the reports of the networks."""
    if not all(one["whole"] and len(one["built"]) == 1 for one in networks.values()):
        return NOT_BUILT
    return BUILT if all(one["within_tolerance"] for one in networks.values()) else OFF


def explain(name, report):
    """Give a network's report in a sentence or two."""
    outside = ", ".join("{} {}".format(n, op) for op, n in sorted(report["outside"].items()))
    text = "{}: {} engine(s) of {} nodes; outside: {}; {} built".format(
        name, report["engines"], report["nodes"], outside or "nothing", len(report["built"])
    )
    if not report["whole"]:
        text += ". BROKEN UP: expected one engine with nothing but {} outside".format(
            ", ".join(HARMLESS)
        )
    if "build_error" in report:
        text += "; the build failed: " + report["build_error"]
    if "differences" in report:
        text += "; golden faces differ by {}, allowed {}".format(
            report["differences"], report["tolerance"]
        )
    return text


def main(arguments=None):
    """Convert the networks of a bundle."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_bundle_option(parser)
    parser.add_argument("--output", type=Path, default=Path("engines"), help="folder")
    parser.add_argument("--precision", choices=["FP16", "FP32"], default="FP16")
    parser.add_argument("--network", action="append", help="only this one; may be repeated")
    parser.add_argument("--workspace-mb", type=int, default=64, help="TensorRT's, while it builds")
    parser.add_argument("--minimum-segment-size", type=int, default=3)
    parser.add_argument("--least-memory-mb", type=int, default=3000, help="memory and swap")
    parser.add_argument(
        "--segment-only", action="store_true", help="without a GPU: nothing is built, exit code 3"
    )
    options = parser.parse_args(arguments)
    bundle = Bundle(options.bundle)
    bundle.check(("scripts", "golden", "saved_model"))
    chosen = bundle.choose(options.network)
    device.check_memory(options.least_memory_mb)
    tf = device.load_tensorflow()
    device.check_tensorrt()
    if not options.segment_only:
        device.check_gpu(tf)
    golden = bundle.golden()
    networks = {name: convert_network(tf, bundle, name, golden, options) for name in chosen}
    code = judge(networks)
    report = {
        "script": "convert.py",
        "kind": "TF-TRT's segmenter alone, no engine built"
        if options.segment_only
        else "engines built on this device",
        "bundle": bundle.description["name"],
        "precision": options.precision,
        "workspace_mb": options.workspace_mb,
        "minimum_segment_size": options.minimum_segment_size,
        "networks": networks,
        "crop_difference": crop_difference(golden, bundle.description["preprocessing"]),
        "exit_code": code,
        "peak_memory_mb": device.peak_memory(),
        "device": device.describe(tf),
    }
    path = options.output / options.precision / "report.json"
    path.write_text(json.dumps(report, indent=2, sort_keys=True) + "\n")
    for name in sorted(networks):
        print(explain(name, networks[name]))
    if report["crop_difference"] > 1:
        print(
            "NOTE: this OpenCV cuts faces out differently, by {} levels of 255; expected at most "
            "1".format(report["crop_difference"])
        )
    print("report: {}".format(path))
    return code


if __name__ == "__main__":
    sys.exit(run(main))
