"""environment.yml, requirements.lock and pyproject.toml say the same."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import rattler
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
FILES = ("pyproject.toml", "requirements.lock", "environment.yml")


def read_lock(folder: Path) -> tuple[dict[str, Requirement], list[str]]:
    """Read the pins of requirements.lock by name, and what is wrong with them."""
    pins, problems = {}, []
    text = (folder / "requirements.lock").read_text(encoding="utf-8")
    entries = re.split(r"\n(?=\S)", re.sub(r"^#.*\n", "", text, flags=re.MULTILINE).strip())
    parents = {}
    for entry in entries:
        if entry.startswith("-") or "://" in entry:
            problems.append(f"lock: names where to download from: {entry}")
            continue
        requirement = Requirement(entry.splitlines()[0].removesuffix("\\"))
        name = canonicalize_name(requirement.name)
        if name in pins:
            problems.append(f"lock: {name} is pinned twice")
        if not re.fullmatch(r"==[^*,]+", str(requirement.specifier)):
            problems.append(f"lock: {name} is not pinned to one version")
        if not re.search(r"--hash=sha256:[0-9a-f]{64}", entry):
            problems.append(f"lock: {name} has no hash")
        pins[name] = requirement
        parents[name] = set(re.findall(r"^    #   (?:via )?([\w.-]+)", entry, flags=re.MULTILINE))
        parents[name] |= set(re.findall(r"# via ([\w.-]+)", entry))
    wanted = {"affectkit"}  # everything that affectkit needs, directly or not
    while new := {name for name in pins if parents[name] & wanted} - wanted:
        wanted |= new
    problems += [f"lock: nothing needs {name}" for name in pins if name not in wanted]
    return pins, problems


def find_disagreements(folder: Path) -> list[str]:
    """Compare the three files in `folder`; one line a disagreement."""
    project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    pins, problems = read_lock(folder)
    declared = map(Requirement, project["dependencies"] + project["optional-dependencies"]["dev"])
    for requirement in declared:
        pin = pins.get(canonicalize_name(requirement.name))
        if pin is None:
            problems.append(f"lock: {requirement.name} is missing")
            continue
        version = next(iter(pin.specifier)).version
        if not requirement.specifier.contains(version):
            problems.append(f"lock: {pin} is outside {requirement} of pyproject.toml")
        if pin.marker is not None:
            problems.append(f"lock: {pin} is not for every platform")

    environment = yaml.safe_load((folder / "environment.yml").read_text(encoding="utf-8"))
    if environment["name"] != project["name"]:
        problems.append(f"environment.yml: its name is {environment['name']}")
    if environment["channels"] != ["conda-forge"]:
        problems.append(f"environment.yml: its channels are {environment['channels']}")
    *conda_specs, pip_section = environment["dependencies"]
    specs = {spec.name.normalized: spec for spec in map(rattler.MatchSpec, conda_specs)}
    if set(specs) != {"python", "pip"}:
        problems.append(f"environment.yml: conda installs {sorted(specs)}")
    python = str(specs["python"].version).rstrip(".*").lstrip("=")
    if not SpecifierSet(project["requires-python"]).contains(f"{python}.0"):
        problems.append(f"environment.yml: Python {python} is outside pyproject.toml's range")
    editable, *pip_lines = pip_section["pip"]
    if editable != "-e .":
        problems.append("environment.yml: affectkit itself is not the first line for pip")
    listed = [Requirement(line) for line in pip_lines]
    expected = sorted(map(str, pins.values()))
    found = sorted(map(str, listed))
    problems += [f"environment.yml: {pin} is missing" for pin in expected if pin not in found]
    problems += [
        f"environment.yml: {pin} is not in the lock" for pin in found if pin not in expected
    ]
    return problems


def test_files_agree():
    assert find_disagreements(ROOT) == []


def test_every_line_for_conda_says_why():
    text = (ROOT / "environment.yml").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if re.match(r" +- (?!pip:)", line)]
    assert len(lines) > 100
    assert [line for line in lines if not re.search(r"  # \S", line)] == []


DOCTORED = {
    "another version": ("environment.yml", r"- numpy==[\d.]+", "- numpy==2.0.0", "not in the lock"),
    "no pin": ("environment.yml", r".*- papermill==.*\n", "", "yml: papermill==.* is missing"),
    "one pin more": ("environment.yml", r"\Z", "      - torch==2.9.0\n", "torch.* not in the lock"),
    "old Python": ("environment.yml", r"python=3\.11", "python=3.10", r"Python 3\.10 is outside"),
    "conda's OpenCV": ("environment.yml", r"- pip  #", "- pip\n  - opencv  #", "installs .*opencv"),
    "not affectkit": ("environment.yml", r"      - -e \. .*\n", "", "affectkit itself"),
    "newer bound": ("pyproject.toml", r'"numpy>=[\d.]+"', '"numpy>=99"', "is outside numpy>=99"),
    "not locked": ("pyproject.toml", r"dependencies = \[", r'\g<0>"torch>=2",', "torch is missing"),
    "renamed": (
        "pyproject.toml",
        r'"tensorflow>=',
        '"tensorflow-cpu>=',
        "tensorflow-cpu is missing",
    ),
    "pinned twice": ("requirements.lock", r"\Z", "\nsix==1.0", "six is pinned twice"),
    "needless": ("requirements.lock", r"\Z", "\ntorch==2.9.0", "nothing needs torch"),
    "no hash": (
        "requirements.lock",
        r"\n(tqdm==\S+)( \\\n +--hash=\S+)+",
        r"\n\1",
        "tqdm has no hash",
    ),
    "a range": ("requirements.lock", r"\ntqdm==\S+", "\ntqdm>=4", "tqdm is not pinned"),
    "an index": ("requirements.lock", r"\A", "--index-url https://example.org\n", "download from"),
}


@pytest.mark.parametrize(("file", "pattern", "new", "expected"), DOCTORED.values(), ids=DOCTORED)
def test_a_doctored_copy_is_found(tmp_path, file, pattern, new, expected):
    for name in FILES:
        shutil.copy(ROOT / name, tmp_path)
    text = (ROOT / file).read_text(encoding="utf-8")
    doctored, count = re.subn(pattern, new, text, count=1)
    assert count == 1
    (tmp_path / file).write_text(doctored, encoding="utf-8")
    assert any(re.search(expected, problem) for problem in find_disagreements(tmp_path))


def test_pip_accepts_the_pip_section(tmp_path):
    """As conda hands it over; nothing is downloaded, since all of it is installed."""
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    requirements = tmp_path / "requirements.txt"
    requirements.write_text("\n".join(environment["dependencies"][-1]["pip"]), encoding="utf-8")
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--no-deps", "--no-index"]
    command += ["--no-build-isolation", "--requirement", str(requirements)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
