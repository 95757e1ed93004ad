"""The front of the house: folders hand out public names, and nobody reaches below a folder."""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from affectkit.faces import render_face

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "affectkit"
FOLDERS = sorted(path.parent.name for path in PACKAGE.glob("*/__init__.py"))
ROOT_MODULES = sorted(path.stem for path in PACKAGE.glob("*.py") if path.stem != "__init__")

BELOW_THE_FOLDER = {
    # the recipe of what ships, its cards, and what others claim
    "accuracy": {"data", "evaluation", "models", "pipeline", "training"},
    "figures": {"plots"},  # its axes
    "measure_faces": {"training"},  # where FER2013 cuts
    "report": {"course", "files"},  # the form of its own files
    "runtimes": {"models"},
    "stages": {"pipeline"},
    "stress": {"evaluation", "pipeline", "training"},  # alpha, faces found, where FER2013 cuts
    "throughput": {"pipeline"},  # workers, without the command
    "webcam": {"widgets"},
}
"""The rooms that a benchmark may take apart, to time what they are made of."""


def public_names() -> list[tuple[str, str]]:
    fronts = ["affectkit", *(f"affectkit.{folder}" for folder in FOLDERS)]
    return [(front, name) for front in fronts for name in importlib.import_module(front).__all__]


def imported_modules(code: str) -> set[str]:
    """Modules of the kit that Python code imports, or imports from."""
    found = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            if node.module in {f"affectkit.{folder}" for folder in FOLDERS}:
                front = importlib.import_module(node.module)
                names = (alias.name for alias in node.names)
                found |= {f"{node.module}.{name}" for name in names if name not in front.__all__}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return {name for name in found if name.partition(".")[0] == "affectkit"}


def reaches_below(modules: set[str]) -> set[str]:
    return {name for name in modules if name.count(".") > 1}


def test_the_house_has_its_rooms():
    rooms = "cli course data evaluation export faces files models pipeline plots training widgets"
    assert " ".join(FOLDERS) == rooms
    assert len(ROOT_MODULES) <= 8


IN_WORK: set[str] = set()


def docstring_faults(value: object) -> list[str]:
    """What numpydoc asks of a public function or class and its docstring does not have."""
    text = inspect.getdoc(value)
    if not text:
        return ["no docstring"]
    if inspect.isclass(value) and issubclass(value, Exception):
        return []
    sections = set(re.findall(r"^(\w[\w ]*)\n-{3,}$", text, re.MULTILINE))
    signature = inspect.signature(value)
    if inspect.isclass(value):
        told = not signature.parameters or {"Parameters", "Attributes"} & sections
        return [] if told else ["neither Parameters nor Attributes"]
    faults = []
    if signature.parameters and "Parameters" not in sections:
        faults.append("no Parameters")
    elif absent := set(signature.parameters) - told_parameters(text):
        faults.append(f"Parameters without {', '.join(sorted(absent))}")
    if signature.return_annotation not in ("None", None, inspect.Signature.empty):
        faults += [] if {"Returns", "Yields"} & sections else ["no Returns"]
    return faults


def told_parameters(docstring: str) -> set[str]:
    """Names that stand in a docstring's section Parameters, several in a line or alone."""
    part = docstring.partition("Parameters\n----------\n")[2].partition("\n---")[0]
    lines = re.findall(r"^\S.*", part, re.MULTILINE)
    return {name.strip(" *") for line in lines for name in line.partition(" : ")[0].split(",")}


def test_public_names_are_there_and_told_in_full():
    faults = {}
    for front, name in public_names():
        value = getattr(importlib.import_module(front), name)
        if not (inspect.isfunction(value) or inspect.isclass(value)):
            continue
        assert value.__module__.startswith("affectkit."), f"{front}.{name} is another package's"
        if value.__module__ in IN_WORK:
            continue
        if found := docstring_faults(value):
            faults[f"{value.__module__}.{name}"] = found
    assert faults == {}


def test_no_folder_brings_tensorflow_in():
    modules = [f"affectkit.{name}" for name in FOLDERS + ROOT_MODULES if name != "preprocess"]
    code = f"import json, sys, {', '.join(modules)}; print(json.dumps(sorted(sys.modules)))"
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    heavy = {"tensorflow", "keras", "torch", "cv2", "pandas", "matplotlib", "sklearn", "scipy"}
    assert not heavy & set(json.loads(done.stdout))


def test_the_way_of_a_picture_to_its_answer_needs_no_tensorflow():
    modules = "affectkit.pipeline.predict.run, affectkit.models.opening, affectkit.models.runtimes"
    heavy = {"tensorflow", "keras", "scipy", "pandas"}
    code = f"import sys, {modules}; print({heavy} & set(sys.modules))"
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.strip() == "set()"


def test_the_front_door_needs_no_pydantic_nor_numpy():
    code = "import sys, affectkit; print({'pydantic', 'numpy'} & set(sys.modules))"
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.strip() == "set()"


def least_seconds(*arguments, cwd):
    """Give what a new Python prints, and the least that it takes in three runs.

    In seconds of a processor: other programs hardly change them. Both commands of here work on one
    thread and wait for nothing, so that it is their time on a quiet machine.
    """
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    seconds = []
    for _ in range(3):
        before = os.times()
        done = subprocess.run(
            [sys.executable, *map(str, arguments)],
            capture_output=True, text=True, check=True, cwd=cwd, env=environment,
        )  # fmt: skip
        now = os.times()
        seconds.append(sum(now[2:4]) - sum(before[2:4]))  # of children: user and system
    return done.stdout, min(seconds)


def test_the_front_door_opens_at_once(tmp_path):
    assert least_seconds("-c", "import affectkit", cwd=tmp_path)[1] < 0.3


def test_one_photo_is_answered_soon(tmp_path):
    photo = np.full((200, 240, 3), 90, np.uint8)
    photo[40:168, 60:188] = render_face(3, 128)[0]
    Image.fromarray(photo).save(tmp_path / "photo.png")
    command = ("-c", "from affectkit.cli import app; app()", "predict", "photo.png")
    printed, seconds = least_seconds(*command, cwd=tmp_path)
    assert re.search(r"^photo\.png +(-?[\d.]+ +){6}[A-Z][a-z]+ *$", printed, re.M), printed
    assert seconds < 2.5


@pytest.mark.parametrize("path", sorted(ROOT.glob("notebooks/*.ipynb")), ids=lambda path: path.stem)
def test_notebooks_name_folders(path):
    cells = json.loads(path.read_text("utf-8"))["cells"]
    code = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    code = re.sub(r"^[ \t]*[%!].*$", "pass", code, flags=re.MULTILINE)
    assert not reaches_below(imported_modules(code))


def test_the_readme_names_folders():
    text = (ROOT / "README.md").read_text("utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert blocks
    assert not reaches_below(set().union(*map(imported_modules, blocks)))


@pytest.mark.parametrize("path", sorted(ROOT.glob("benchmarks/*.py")), ids=lambda path: path.stem)
def test_benchmarks_name_folders_but_where_they_take_a_room_apart(path):
    below = reaches_below(imported_modules(path.read_text("utf-8")))
    assert {name.split(".")[1] for name in below} <= BELOW_THE_FOLDER.get(path.stem, set())


def test_imports_run_one_way():
    code = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    command = [sys.executable, "-c", code, "--no-logo", "--no-cache"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment)
    assert not done.returncode, done.stdout
