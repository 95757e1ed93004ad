"""Write requirements.lock and the pip section of environment.yml from pyproject.toml.

Run by `make lock`. Pins that still fit are kept; `make lock UPGRADE=1` takes the newest releases.
The lock holds every pin with the hashes of its public files, for every platform and all supported
Python versions. environment.yml repeats the pins without hashes, since pip refuses to install a
folder (`-e .`) and hashed files from one list.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements.lock"
ENVIRONMENT = ROOT / "environment.yml"
OLDEST_PYTHON = "3.11"

ENVIRONMENT_HEAD = f"""\
# Conda's way to install affectkit:  conda env create -f environment.yml
# Written by `make lock` from pyproject.toml: change that file, not this one.
name: affectkit
channels:
  - conda-forge  # the community's channel, free to use
dependencies:
  - python={OLDEST_PYTHON}  # the version that the course is tested on
  - pip  # installs everything below
  - pip:
      - -e .  # affectkit itself, from this folder
"""


def compile_lock(upgrade: bool) -> None:
    """Resolve pyproject.toml into requirements.lock with uv."""
    command = ["uv", "pip", "compile", "pyproject.toml", "--extra", "dev"]
    command += ["--universal", "--python-version", OLDEST_PYTHON, "--fork-strategy", "fewest"]
    command += ["--generate-hashes", "--custom-compile-command", "make lock", "--quiet"]
    command += ["--output-file", LOCK.name]
    if upgrade:
        command.append("--upgrade")
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)


def read_reasons() -> dict[str, str]:
    """Read the comment behind each dependency of pyproject.toml, by normalised name."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    reasons = dict(re.findall(r'^ {4}"([\w.-]+)[^"]*",  # (.+)$', text, flags=re.MULTILINE))
    project = tomllib.loads(text)["project"]
    declared = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    for requirement in declared:
        name = re.match(r"[\w.-]+", requirement).group()
        if name not in reasons:
            raise SystemExit(f"pyproject.toml: say behind {name} what it is for ('  # ...')")
    return {re.sub(r"[-_.]+", "-", name).lower(): reason for name, reason in reasons.items()}


def read_pins() -> list[tuple[str, list[str]]]:
    """Read requirements.lock as (requirement, names of the packages that need it)."""
    pins = []
    for line in LOCK.read_text(encoding="utf-8").splitlines():
        if re.match(r"[a-z0-9]", line):
            pins.append((line.removesuffix("\\").strip(), []))
        elif parent := re.match(r"    #   (?:via )?([\w.-]+)|    # via ([\w.-]+)", line):
            pins[-1][1].append(parent.group(1) or parent.group(2))
    return pins


def write_environment() -> None:
    """Write environment.yml: its head, then one commented pin a line."""
    reasons = read_reasons()
    lines = []
    for requirement, parents in read_pins():
        name = requirement.partition("==")[0]
        via = ", ".join(parents[:3]) + (f" and {len(parents) - 3} more" if parents[3:] else "")
        lines.append(f"      - {requirement}  # {reasons.get(name) or f'via {via}'}\n")
    ENVIRONMENT.write_text(ENVIRONMENT_HEAD + "".join(lines), encoding="utf-8")


if __name__ == "__main__":
    compile_lock(upgrade="--upgrade" in sys.argv[1:])
    write_environment()
