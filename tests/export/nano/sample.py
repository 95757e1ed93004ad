"""Write the sample that notebook 05 shows: what TF-TRT of TensorFlow 2.7 makes of its graphs.

python tests/export/nano/sample.py

No engine is built; TensorRT's library is a stand-in, see libnvinfer.c.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import nbformat

sys.path.insert(0, str(Path(__file__).parent))

import environments

from affectkit.export import write_bundle
from affectkit.export.nano.graph import write_saved_model

ROOT = Path(__file__).resolve().parents[3]
FOLDER = ROOT / "affectkit" / "assets" / "tf_trt_sample"
LEG = environments.LEGS[2]
CELLS = ("imports", "parameters", "open", "freeze", "count", "break")
"""Cells of the notebook, by the end of their id, that make the graphs."""


def write_graphs(folder: Path) -> Path:
    """Run the notebook's cells, and write their graphs for leg.py; gives the folder."""
    notebook = nbformat.read(ROOT / "notebooks" / "05_convert_for_nano.ipynb", as_version=4)
    sources = {cell.id: cell.source for cell in notebook.cells}
    scope: dict = {}
    for name in CELLS:
        exec(sources[f"nano-{name}"], scope)
    names = {}
    for number, (title, (graph, output)) in enumerate(scope["graphs"].items()):
        names[str(number)] = title
        write_saved_model(graph, [output], folder / str(number))
    (folder / "names.json").write_text(json.dumps(names))
    (folder / "cut.py").write_text(sources["nano-calls"])
    return folder


def segments(result: dict) -> dict:
    """Pick the sample out of what leg.py found."""
    device = result["device"]
    return {
        "kind": "TF-TRT's segmenter alone, no engine built",
        "command": "python tests/export/nano/sample.py",
        "model": "affectkit-synthetic",
        "precision": "FP16",
        "tensorflow": device["tensorflow"],
        "python": device["python"],
        "tensorrt_stand_in": device["tensorrt_loaded"],
        "graphs": {
            title: [list(step) for step in steps] for title, steps in result["graphs"].items()
        },
    }


def main() -> None:
    """Run the leg, and write the sample."""
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        (work / "graphs").mkdir()
        graphs = write_graphs(work / "graphs")
        library = environments.build_stand_in(LEG, work / "library")
        bundle = write_bundle("affectkit-real", work)
        script = Path(__file__).with_name("leg.py")
        command = [environments.prepare(LEG), script, work / "result.json", graphs, work, bundle]
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        environment |= {"LD_LIBRARY_PATH": str(library), "CUDA_VISIBLE_DEVICES": ""}
        subprocess.run(command, check=True, env=environment)
        result = json.loads((work / "result.json").read_text())
        report = json.loads((work / "0" / "FP16" / "report.json").read_text())
        del report["device"]["argv"]
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / "report.json").write_text(json.dumps(report, indent=1, sort_keys=True) + "\n")
    (FOLDER / "segments.json").write_text(json.dumps(segments(result), indent=1) + "\n")


if __name__ == "__main__":
    main()
