"""A small bundle for the tests of all modules, and the ways to run the scripts in it."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from affectkit.cli import app
from affectkit.export import write_bundle
from affectkit.models import get_backbone, open_model, save_model


def _load(name):
    path = Path(__file__).parent / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"nano_{name}", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


_environments = _load("environments")


@pytest.fixture(scope="session")
def course(course, tmp_path_factory):
    """A course's run folder, whose regressor has another backbone: no network serves both."""
    folder = shutil.copytree(course, tmp_path_factory.mktemp("nano") / "course")
    path = folder / "models" / "regressor.keras"
    regressor = open_model(path)
    backbone = get_backbone(regressor.model)
    backbone.set_weights([0.99 * weight for weight in backbone.get_weights()])
    save_model(regressor.model, path, regressor.preprocessing)
    return folder


@pytest.fixture(scope="session")
def written(course, tmp_path_factory):
    """The bundle of two small networks, and what the command said when it wrote it."""
    output = tmp_path_factory.mktemp("bundle")
    arguments = ["export", str(course), "--format", "nano", "--output", str(output)]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    return output / "course.nano", result.output


@pytest.fixture(scope="session")
def bundle(written):
    return written[0]


@pytest.fixture
def spoilt(bundle, tmp_path):
    """A copy of the bundle, to be changed."""
    return shutil.copytree(bundle, tmp_path / "copy.nano")


@pytest.fixture(scope="session")
def real_bundle(tmp_path_factory):
    """The bundle of the checkpoint that ships."""
    return write_bundle("affectkit-real", tmp_path_factory.mktemp("real"))


@pytest.fixture(scope="session")
def run_script():
    """A function that runs a script as a user would."""
    return _run_script


def _run_script(python, *arguments, exit_code=0, folder=None, library=None):
    """Run a script as a user would; gives what it printed, on both channels."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment |= {"PYTHONDONTWRITEBYTECODE": "1", "CUDA_VISIBLE_DEVICES": ""}
    if library is not None:
        environment["LD_LIBRARY_PATH"] = str(library)
    command = [str(argument) for argument in (python, *arguments)]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == exit_code, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="session")
def environments():
    """The module that makes environments of old Pythons."""
    return _environments


@pytest.fixture(scope="session")
def sample():
    """The module that makes the sample of notebook 05."""
    return _load("sample")


@pytest.fixture(scope="session", params=_environments.LEGS, ids=lambda leg: leg.name)
def leg(request):
    """An old TensorFlow, and its Python."""
    return request.param, _python_of(request.param)


@pytest.fixture(scope="session")
def old_python():
    return _python_of(_environments.LEGS[1])


def _python_of(leg):
    try:
        return _environments.prepare(leg)
    except _environments.NotRunError as error:
        pytest.skip(f"NOT RUN, NOT PASSED: leg {leg.name}: {error}")
    except subprocess.CalledProcessError as error:
        (*_, reason) = error.stderr.strip().splitlines() or ["no word from pip"]
        message = f"leg {leg.name}: its packages can't be installed: {reason}"
        if os.environ.get("CI", "").lower() == "true":
            pytest.fail(message)
        pytest.skip(f"NOT RUN, NOT PASSED: {message}")
