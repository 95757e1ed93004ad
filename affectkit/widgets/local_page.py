"""The camera as a folder of files for any web host: the networks run in the reader's browser."""

from __future__ import annotations

import base64
import gzip
import inspect
import json
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import jinja2
import numpy as np
from nbconvert.filters import markdown2html

from affectkit.files.atomic import replace_path, temporary_folder
from affectkit.files.hashes import describe_files
from affectkit.labels import EXPRESSION_COLOURS, EXPRESSIONS
from affectkit.models.cards import FOLDER as CHECKPOINTS
from affectkit.models.cards import ModelFile, find_model
from affectkit.models.temperature import SMALLEST_PROBABILITY
from affectkit.pipeline.detect import face
from affectkit.pipeline.detect.blazeface import (
    STRIDES,
    BlazeFace,
    detector_file,
    merge_overlapping,
)
from affectkit.pipeline.detect.detectors import FAR_SCORE
from affectkit.pipeline.pipeline import AffectPipeline
from affectkit.pipeline.tracking import FaceTracker
from affectkit.preprocess import halve
from affectkit.widgets.camera import LIVE_SMOOTHING
from affectkit.widgets.sample_clip import RATE, draw_still, encode_frame, sample_frames
from affectkit.widgets.script import MODULES, PAGE
from affectkit.widgets.session_record import COLUMNS

SCRIPTS = (*MODULES, "faces", "worker", "local", "page")
"""Of `page/`: those of the widget, and those of the page alone."""

RUNTIMES = ("litert_wasm_internal", "litert_wasm_compat_internal")
"""Forms of LiteRT. They are packed: worker.js unpacks, whatever the host does with files.

Their names do not end in .gz, because some hosts then say that the transfer alone is packed.
"""

ASSETS = Path(__file__).parents[1] / "assets"
NETWORK = "network.tflite"
"""As an address, whatever the run folder that it comes from is called."""

WIDEST = 4096
"""Pixels of a picture's width, which is made smaller if it is wider."""

SHEET_COLUMNS = 8
"""Of the sample clip's frames, which are in one picture."""


def write_page(output: str | Path, model: str | Path = "affectkit-real-int8") -> Path:
    """Write the camera as a page that needs no kernel: for any web host, or none but localhost.

    The runtime of its networks is fetched by npm, which checks it against the lock in
    `affectkit/widgets/page`. The page itself asks nobody but its own host for anything.

    Parameters
    ----------
    output : str or Path
        The folder to write; an earlier page is replaced.
    model : str or Path
        A TFLite form of a checkpoint, such as "affectkit-real-int8" or "affectkit-real-float16", or
        a `.tflite` file that `affectkit export` has written.

    Returns
    -------
    Path
        The folder: index.html and what it needs; files.json has bytes and SHA-256 of each.

    Raises
    ------
    ValueError
        If the model is in another form.
    FileExistsError
        If the folder has other files.
    FileNotFoundError
        If a file, or npm, is missing.
    RuntimeError
        If npm fails, or the runtime is not as expected.
    """
    output, found = Path(output).expanduser(), find_model(model)
    if not found.form.startswith("tflite"):
        raise ValueError(
            f"expected a TFLite model for the page, {found.path} is {found.form}; "
            f"`affectkit export {model} --format page` converts it first"
        )
    if output.exists() and not (output / "service.js").is_file() and any(output.iterdir()):
        raise FileExistsError(
            f"expected a new or empty folder, or an earlier page, for {output}; it has other "
            "files, so name another folder"
        )
    with temporary_folder(output.parent) as partial:
        folder = partial / output.name
        folder.mkdir()
        _write_runtime(folder)
        detectors = {name: detector_file(name) for name in ("short", "full")}
        for path in detectors.values():
            shutil.copyfile(path, folder / path.name)
        shutil.copyfile(found.path, folder / NETWORK)
        settings = _settings(found, {name: path.name for name, path in detectors.items()})
        settings["clip"] = _write_sample(folder, AffectPipeline(found.path))
        (folder / "settings.json").write_text(json.dumps(settings), "utf-8")
        for name in SCRIPTS:
            shutil.copyfile(PAGE / f"{name}.js", folder / f"{name}.js")
        for name in ("camera.css", "icon.svg", "app.webmanifest"):
            shutil.copyfile(PAGE / name, folder / name)
        _write_texts(folder, found)
        _write_manifest(folder)
        replace_path(folder, output)
    return output


def _write_runtime(folder: Path) -> None:
    """Fetch LiteRT for browsers: with relaxed SIMD, and without it, which Safari lacks."""
    npm = shutil.which("npm")
    if npm is None:
        raise FileNotFoundError("the page needs npm: apt-get install npm, or take it from Node.js")
    with tempfile.TemporaryDirectory() as name:
        for lock in ("package.json", "package-lock.json"):
            shutil.copy(PAGE / lock, name)
        command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        done = subprocess.run(command, cwd=name, capture_output=True, encoding="utf-8")
        if done.returncode:
            raise RuntimeError(f"npm could not fetch LiteRT: {done.stderr[-1000:]}")
        packages = Path(name) / "node_modules/@litertjs"
        for form in RUNTIMES:
            shutil.copy((packages / "core/wasm" / form).with_suffix(".js"), folder)
            runtime = (packages / "core/wasm" / form).with_suffix(".wasm")
            packed = gzip.compress(runtime.read_bytes(), mtime=0)
            (folder / f"{runtime.name}.packed").write_bytes(packed)
        for package in ("core", "wasm-utils"):
            text = (packages / package / "dist/index.js").read_text("utf-8")
            text = re.sub(r"^//# sourceMappingURL=.*\n?", "", text, flags=re.MULTILINE)
            text = text.replace('from "@litertjs/wasm-utils"', 'from "./litert_wasm-utils.js"')
            (folder / f"litert_{package}.js").write_text(text, "utf-8")


def _settings(found: ModelFile, detectors: dict[str, str]) -> dict[str, object]:
    """Give all that the scripts must know, from where Python has it."""
    near = {"minimum_score": _default(BlazeFace, "minimum_score")}
    near |= {"margin": _default(BlazeFace, "margin")}
    far = {"minimum_score": FAR_SCORE, "margin": 0.0}
    overlap = _default(merge_overlapping, "overlap")
    classifier = "expression" in found.card["outputs"]
    confidence = found.card.get("confidence", {}) if classifier else {}
    return {
        "_expressions": list(EXPRESSIONS),
        "_colours": [EXPRESSION_COLOURS[name] for name in EXPRESSIONS],
        "_source_name": "",
        "_has_sample": True,
        "mirror": True,
        "resolution": [640, 480],
        "max_in_flight": 1,
        "frames_per_second": 30,
        "widest": WIDEST,
        "columns": COLUMNS,
        "detectors": [
            {"file": detectors[name], "strides": STRIDES[name], "overlap": overlap} | more
            for name, more in (("short", near), ("full", far))
        ],
        "frame": {
            "eye_distance": face.EYE_DISTANCE,
            "eye_height": face.EYE_HEIGHT,
            "box_side": face.BOX_SIDE,
        },
        "tracker": {
            "smoothing": LIVE_SMOOTHING,
            "overlap": _default(FaceTracker, "overlap"),
            "patience": _default(FaceTracker, "patience"),
        },
        "network": {"file": NETWORK, **found.preprocessing.to_dict()},
        "temperature": found.temperature,
        "smallest": SMALLEST_PROBABILITY,
        "plausible_share": confidence.get("plausible_share"),
    }


def _default(function: Callable[..., object], name: str) -> object:
    return inspect.signature(function).parameters[name].default


def _write_sample(folder: Path, pipeline: AffectPipeline) -> dict[str, int]:
    """Write the drawn clip at half its size, as a sheet, and the still; give the sheet's layout."""
    frames = np.stack([halve(frame) for frame in sample_frames()])
    number, height, width, channels = frames.shape
    rows = number // SHEET_COLUMNS
    sheet = frames.reshape(rows, SHEET_COLUMNS, height, width, channels).swapaxes(1, 2)
    sheet = sheet.reshape(rows * height, SHEET_COLUMNS * width, channels)
    (folder / "sample.jpg").write_bytes(encode_frame(np.ascontiguousarray(sheet)))
    (folder / "still.png").write_bytes(draw_still(pipeline)[0])
    layout = {"columns": SHEET_COLUMNS, "frames": number, "width": width, "height": height}
    return layout | {"rate": RATE}


def _write_texts(folder: Path, found: ModelFile) -> None:
    """Write index.html, the card, and the licences."""
    name = found.card["name"]
    shipped = CHECKPOINTS / f"{name}.md"
    own = found.path.parent == CHECKPOINTS and shipped.is_file()
    text = (shipped if own else CHECKPOINTS / "affectkit-real.md").read_text("utf-8")
    sections = dict(re.findall(r"^## (.*)\n((?:(?!## ).*\n?)*)", text, re.MULTILINE))
    card = json.dumps(found.card, indent=1)
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    for page in ("index", "card"):
        template = environment.from_string((PAGE / f"{page}.html.j2").read_text("utf-8"))
        html = template.render(
            name=name,
            uses=markdown2html(sections["Out of scope"]),
            limits=markdown2html(sections["Limits"]) if own else "",
            text=markdown2html(text) if own else "",
            card=card,
        )
        (folder / f"{page}.html").write_text(html, "utf-8")
    (apache,) = (file for file in metadata.files("ai-edge-litert") or () if file.name == "LICENSE")
    licences = (ASSETS / "LICENSES.md").read_text("utf-8")
    licences += (
        "\n## The runtime and the detector of this page\n\n"
        "`litert_*` is LiteRT for browsers (@litertjs/core), `face_detection_*` is MediaPipe's "
        "BlazeFace; both are Google's, under the Apache licence 2.0:\n\n"
    )
    (folder / "licences.txt").write_text(licences + apache.read_text("utf-8"), "utf-8")


def _write_manifest(folder: Path) -> None:
    """Write the service worker, which keeps all files by their hashes, and files.json."""
    kept = {
        entry["name"]: f"sha256-{base64.b64encode(bytes.fromhex(entry['sha256'])).decode('ascii')}"
        for entry in describe_files(folder, folder)
    }
    kept["./"] = kept["index.html"]
    script = (PAGE / "service.js").read_text("utf-8")
    (folder / "service.js").write_text(f"const FILES = {json.dumps(kept)};\n{script}", "utf-8")
    files = describe_files(folder, folder)
    (folder / "files.json").write_text(json.dumps(files, indent=1), "utf-8")
