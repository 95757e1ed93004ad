"""Time the networks of this bundle on the device: engines against TensorFlow and TFLite.

python3 benchmark.py                           every runtime whose files are there
python3 benchmark.py --runtime FP16 --n 1000   one of them

Every runtime is measured in a process of its own, one face at a time, after a warm-up. Written are
benchmark.json, and the rows that benchmarks/nano.md waits for. Exit codes: 0, at least one runtime
was measured and all of those were right; 1, one of them gave wrong answers or failed; 2, refused.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import device
import runtimes
from bundle import REFUSED, Bundle, RefusalError, add_bundle_option, run
from networks import crop_difference, golden_differences, golden_inputs, is_within
from timing import summarise

CPU = "CPU"
"""The tolerance of what is not an engine."""


def measure(runtime, bundle, options):
    """Time one runtime, all networks of the bundle one after the other on the same face."""
    golden = bundle.golden()
    start = time.perf_counter()
    networks = {
        name: runtimes.load(runtime, bundle, name, options.engines, options.threads)
        for name in sorted(bundle.networks)
    }
    load_seconds = time.perf_counter() - start
    faces = golden_inputs(golden)
    start = time.perf_counter()
    for network in networks.values():
        network(faces[:1])
    first_call = time.perf_counter() - start
    differences = {
        name: golden_differences(network, golden, bundle.networks[name]["outputs"])
        for name, network in networks.items()
    }
    tolerance = bundle.description["tolerances"][runtime if runtime in ("FP16", "FP32") else CPU]
    seconds = []
    for index in range(options.warm_up + options.n):
        face = faces[index % len(faces)][None]
        start = time.perf_counter()
        for network in networks.values():
            network(face)
        seconds.append(time.perf_counter() - start)
    return {
        "runtime": runtime,
        "threads": options.threads,
        "load_seconds": round(load_seconds, 2),
        "first_call_ms": round(first_call * 1e3, 2),
        "milliseconds": summarise(seconds[options.warm_up :]),
        "differences": differences,
        "tolerance": tolerance,
        "crop_difference": crop_difference(golden, bundle.description["preprocessing"]),
        "within_tolerance": all(is_within(one, tolerance) for one in differences.values()),
        "peak_memory_mb": device.peak_memory(),
        "device": device.describe(device.load_tensorflow()),
    }


def measure_apart(runtime, arguments):
    """Run this script for one runtime in a process of its own; gives its report, or why not."""
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "one.json"
        command = [sys.executable, __file__, *arguments]
        command += ["--runtime", runtime, "--output", str(output)]  # the last one counts
        done = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True
        )
        if output.is_file():
            return json.loads(output.read_text())["runtimes"][0]
        lines = done.stderr.strip().splitlines() or ["exit code {}".format(done.returncode)]
        message = lines[-1].replace("Refused: ", "")
        return {"runtime": runtime, "error": message, "refused": done.returncode == REFUSED}


def table(reports):
    """Give the rows of the Markdown table in benchmarks/nano.md."""
    rows = []
    for report in reports:
        if "error" in report:
            rows.append("| {} | not run: {} |".format(report["runtime"], report["error"]))
            continue
        times = report["milliseconds"]
        cells = [report["runtime"], report["threads"]]
        cells += [times[name] for name in ("n", "p50", "p90", "p99")]
        cells += [report["first_call_ms"], report["load_seconds"], report["peak_memory_mb"]]
        worst = max(max(one.values()) for one in report["differences"].values())
        cells.append("{:.2g}".format(worst))
        rows.append("| {} |".format(" | ".join(str(cell) for cell in cells)))
    return rows


def main(arguments=None):
    """Measure one runtime here, or each in a process of its own."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_bundle_option(parser)
    parser.add_argument("--runtime", choices=runtimes.RUNTIMES)
    parser.add_argument("--engines", type=Path, default=Path("engines"), help="of convert.py")
    parser.add_argument("--n", type=int, default=300, help="timed faces")
    parser.add_argument("--warm-up", type=int, default=30)
    parser.add_argument("--threads", type=int, default=4, help="of TFLite, from TensorFlow 2.3 on")
    parser.add_argument("--least-memory-mb", type=int, default=2000, help="memory and swap")
    parser.add_argument("--output", type=Path, default=Path("benchmark.json"))
    options = parser.parse_args(arguments)
    if options.n < 1 or options.warm_up < 0 or options.threads < 1:
        raise RefusalError("expected --n and --threads of at least 1, --warm-up of at least 0")
    bundle = Bundle(options.bundle)
    device.check_memory(options.least_memory_mb)
    if options.runtime:
        runtimes.check(options.runtime, bundle, options.engines)
        reports = [measure(options.runtime, bundle, options)]
    else:
        given = sys.argv[1:] if arguments is None else arguments
        reports = [measure_apart(runtime, given) for runtime in runtimes.RUNTIMES]
    document = {"script": "benchmark.py", "bundle": bundle.description["name"]}
    document["runtimes"] = reports
    options.output.write_text(json.dumps(document, indent=2, sort_keys=True) + "\n")
    print("\n".join(table(reports)))
    measured = [report for report in reports if "error" not in report]
    if not measured:
        raise RefusalError("nothing could be measured, see above")
    failed = [report for report in reports if "error" in report and not report["refused"]]
    return int(bool(failed) or not all(report["within_tolerance"] for report in measured))


if __name__ == "__main__":
    sys.exit(run(main))
