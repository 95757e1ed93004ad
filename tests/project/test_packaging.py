"""The wheel carries what `affectkit course` needs without a checkout."""

from __future__ import annotations

import importlib.metadata
import re
import zipfile
from pathlib import Path

import pytest

import affectkit
from affectkit.course import BASELINE

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def names(wheel) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_wheel_has_every_module_notebook_and_asset(names):
    modules = {path.relative_to(ROOT).as_posix() for path in ROOT.glob("affectkit/**/*.py")}
    notebooks = {f"affectkit/notebooks/{path.name}" for path in ROOT.glob("notebooks/*.ipynb")}
    assets = {path.relative_to(ROOT).as_posix() for path in ROOT.glob("affectkit/assets/**/*.*")}
    assert len(modules) > 10
    assert len(notebooks) >= 5
    others = {path.relative_to(ROOT).as_posix() for path in ROOT.glob("affectkit/widgets/page/*")}
    assert len(others) > 5
    others |= {f"affectkit/{name}" for name in ("faces/head.npz", "py.typed")}
    others |= {"affectkit/notebooks/apps/camera.ipynb", "affectkit/data_cards/affectfaces.md"}
    others |= {f"affectkit/{path.relative_to(ROOT)}" for path in BASELINE.glob("*.json")}
    assert modules | notebooks | assets | others <= names


def test_wheel_has_nothing_else(names):
    place = f"affectkit-{affectkit.__version__}"
    extension = f"{place}.data/data/etc/jupyter/jupyter_server_config.d/affectkit.json"
    assert extension in names
    allowed = ("affectkit/", f"{place}.dist-info/", extension)
    unwanted = ("__pycache__", ".ipynb_checkpoints", "/runs/")
    assert [name for name in names if not name.startswith(allowed)] == []
    assert [name for name in names if any(part in name for part in unwanted)] == []


def test_wheel_says_under_which_licence_each_file_is(wheel):
    with zipfile.ZipFile(wheel) as archive:
        licences = {name.partition("/licenses/")[2] for name in archive.namelist()}
        statement = archive.read("affectkit/assets/LICENSES.md").decode()
    sources = {"LICENSE.md", "affectkit/assets/LICENSES.md", "affectkit/faces/LICENSE-CC0.txt"}
    assert sources <= licences
    named = set(re.findall(r"`((?:assets|faces)/[^`]+)`", statement))
    package = ROOT / "affectkit"
    found = {path for name in named for path in package.glob(name)}
    data = {".zip", ".h5", ".npz", ".tflite"}
    assert {path for path in package.rglob("*") if path.suffix in data} <= found
    assert all(list(package.glob(name)) for name in named)


def test_command_and_version():
    assert importlib.metadata.version("affectkit") == affectkit.__version__
    commands = importlib.metadata.distribution("affectkit").entry_points
    assert [(entry.name, entry.value) for entry in commands] == [("affectkit", "affectkit.cli:app")]


def test_citation_names_the_version():
    assert f"\nversion: {affectkit.__version__}\n" in (ROOT / "CITATION.cff").read_text()
