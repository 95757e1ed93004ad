"""What users install works: the wheel, with the oldest packages that it allows, and by conda."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
SHORT = ("--limit", "64", "--epochs", "1")

pytestmark = pytest.mark.slow


def check_course(run) -> None:
    run("course", *SHORT, "--output", "run")
    summary = json.loads((run.folder / "run" / "summary.json").read_text())
    assert summary["status"] == "completed"
    assert (run.folder / "run" / "report.html").stat().st_size > 100_000


@pytest.mark.timeout(1800)  # installs 3 GB, on a busy machine perhaps
def test_a_short_course_with_the_oldest_packages_that_are_allowed(install_wheel):
    """What needs an extra, which is not installed here, names it at once."""
    run = install_wheel("--resolution", "lowest-direct")
    check_course(run)
    onnx = 'pip install "affectkit[onnx]"'
    assert onnx in run("course", *SHORT, "--all", "--output", "everything", exit_code=2)
    export = ("export", "affectkit-synthetic", "--format", "onnx", "--output", "exported")
    assert onnx in run(*export, exit_code=2)
    sweep = run("sweep", "02", "-p", "seed", 0, "--output", "sweep", exit_code=2)
    assert 'affectkit sweep needs Dask: pip install "affectkit[cluster]"' in sweep


def test_pip_installs_what_conda_gives_it(tmp_path):
    """In a clean environment of the Python that environment.yml names, with pip, as conda does."""
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    python, _, section = environment["dependencies"]
    version = python.partition("=")[2]
    interpreter = find_interpreter(version)
    if interpreter is None:
        message = f"needs a Python {version} on the PATH or among pyenv's versions"
        if os.environ.get("CI", "").lower() == "true":
            pytest.fail(message)
        pytest.skip(message)
    copy = tmp_path / "affectkit"  # the editable install writes nothing into this checkout
    shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(".git", ".venv", "runs", ".*cache"))
    (copy / "condaenv.requirements.txt").write_text("\n".join(section["pip"]), encoding="utf-8")
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    home = tmp_path / "environment"
    pip = [home / "bin" / "python", "-m", "pip", "install", "--quiet", "--no-compile"]
    for command in (
        [interpreter, "-m", "venv", home],
        [*pip, "--requirement", "condaenv.requirements.txt"],
    ):
        done = subprocess.run(command, cwd=copy, capture_output=True, text=True, env=clean)
        assert done.returncode == 0, done.stderr
    command = [home / "bin" / "affectkit", "doctor"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=clean)
    assert done.returncode == 0, done.stdout
    assert "FAIL" not in done.stdout


def find_interpreter(version: str) -> Path | None:
    """Find a Python of that version: on the PATH, or one of pyenv's."""
    roots = [os.environ.get("PYENV_ROOT"), Path.home() / ".pyenv"]
    found = [Path(path)] if (path := shutil.which(f"python{version}")) else []
    for root in filter(None, roots):
        found += sorted(Path(root).glob(f"versions/{version}.*/bin/python"))
    check = f"import sys, ensurepip; sys.exit('%d.%d' % sys.version_info[:2] != '{version}')"
    for candidate in found:
        if subprocess.run([candidate, "-c", check], capture_output=True).returncode == 0:
            return candidate
    return None
