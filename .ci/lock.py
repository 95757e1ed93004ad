"""Write requirements.lock and environment.lock from pyproject.toml.

Run by `make lock`. Pins that still fit are kept; `make lock UPGRADE=1` takes the newest releases.
requirements.lock holds every pin with the hashes of its public files, for every platform and all
supported Python versions. environment.lock, which environment.yml names, has the same pins without
development tools and without hashes, since pip refuses to install a folder beside hashed files.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
EVERYTHING, RUN_TIME = "requirements.lock", "environment.lock"
OLDEST_PYTHON = "3.11"


def compile_lock(output: str, *options: str) -> None:
    """Resolve pyproject.toml into a lock with uv."""
    command = ["uv", "pip", "compile", "pyproject.toml", "--output-file", output, "--quiet"]
    command += ["--universal", "--python-version", OLDEST_PYTHON, "--fork-strategy", "fewest"]
    command += ["--custom-compile-command", "make lock", *options]
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    upgrade = [one for one in sys.argv[1:] if one == "--upgrade"]
    compile_lock(EVERYTHING, "--extra", "dev", "--generate-hashes", *upgrade)
    (ROOT / RUN_TIME).unlink(missing_ok=True)  # its pins are those of the other
    extras = ("--extra", "cluster", "--extra", "onnx")
    compile_lock(RUN_TIME, *extras, "--constraint", EVERYTHING, "--no-annotate")
