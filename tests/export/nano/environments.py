"""Old TensorFlow in virtual environments of old interpreters, and the stand-in for TensorRT.

The environments are kept in AFFECTKIT_NANO_ENVIRONMENTS, or in the user's folder for caches: some
3 GB. Everything is pinned and comes as wheels, but for two packages of one Python file each that
were published as source only.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pooch

HERE = Path(__file__).parent
TOOLS = ("pip==21.3.1", "setuptools==59.6.0", "wheel==0.37.1")  # the last for Python 3.6
SOURCES = "gast,termcolor"


class NotRunError(Exception):
    """Says why a leg can't run here."""


@dataclass(frozen=True)
class Leg:
    """An old TensorFlow: its interpreter, and the TensorRT that it was linked to."""

    python: str
    tensorflow: str
    tensorrt: tuple[int, int, int]

    @property
    def name(self) -> str:
        return f"python{self.python}-tensorflow{self.tensorflow}"


LEGS = [
    Leg("3.6", "1.15.5", (5, 1, 5)),
    Leg("3.6", "2.6.2", (7, 2, 2)),
    Leg("3.8", "2.7.4", (7, 2, 2)),
]


def find_interpreter(version: str) -> Path | None:
    """Find a Python of that version that can make environments: on the PATH, or one of pyenv's."""
    on_path = shutil.which(f"python{version}")
    roots = [os.environ.get("PYENV_ROOT"), Path.home() / ".pyenv"]
    if shutil.which("pyenv"):
        done = subprocess.run(["pyenv", "root"], capture_output=True, text=True)
        roots.append(done.stdout.strip() or None)
    candidates = [Path(on_path)] if on_path else []
    for root in filter(None, roots):
        candidates += sorted(Path(root).glob(f"versions/{version}.*/bin/python"))
    check = f"import sys, venv, ensurepip; sys.exit('%d.%d' % sys.version_info[:2] != '{version}')"
    for candidate in candidates:
        if subprocess.run([candidate, "-c", check], capture_output=True).returncode == 0:
            return candidate
    return None


def prepare(leg: Leg) -> Path:
    """Make the environment of a leg, unless it is there, and give its interpreter.

    Raises
    ------
    NotRunError
        If there is no such Python.
    subprocess.CalledProcessError
        If pip can't install what is pinned.
    """
    interpreter = find_interpreter(leg.python)
    if interpreter is None:
        raise NotRunError(
            f"no Python {leg.python} (with venv and ensurepip) on the PATH or in pyenv's versions"
        )
    pins = HERE / f"{leg.name}.txt"
    home = os.environ.get("AFFECTKIT_NANO_ENVIRONMENTS")
    root = Path(home or Path(pooch.os_cache("affectkit")) / "nano").expanduser()
    root.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256(pins.read_bytes() + str([TOOLS, interpreter]).encode()).hexdigest()
    folder = root / f"{leg.name}-{digest[:8]}"
    python, complete = folder / "bin" / "python", folder / "complete"
    with (root / f"{leg.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not complete.is_file():
            pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
            binary = ["--only-binary", ":all:", "--no-binary", SOURCES, "--no-build-isolation"]
            _run([interpreter, "-m", "venv", "--clear", folder])
            _run([*pip, *TOOLS])
            _run([*pip, "--no-deps", "--no-cache-dir", *binary, "--requirement", pins])
            complete.touch()
    return python


def _run(command: list[object]) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    subprocess.run(command, check=True, capture_output=True, text=True, env=environment)


def build_stand_in(leg: Leg, folder: Path) -> Path:
    """Compile the stand-in for the TensorRT of a leg; gives the folder for LD_LIBRARY_PATH.

    Raises
    ------
    NotRunError
        If there is no C compiler.
    """
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        raise NotRunError("no C compiler (cc or gcc) for the stand-in of TensorRT's library")
    major, minor, patch = leg.tensorrt
    version = f"-DVERSION={1000 * major + 100 * minor + patch}"
    folder.mkdir()
    for name in ("libnvinfer", "libnvinfer_plugin"):
        library = folder / f"{name}.so.{major}"
        command = [compiler, "-shared", "-fPIC", version, HERE / "libnvinfer.c", "-o", library]
        subprocess.run(command, check=True)
    return folder
