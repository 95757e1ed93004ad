"""environment.yml, the locks and pyproject.toml agree, and pip takes what conda gives it."""

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
FILES = ("pyproject.toml", "requirements.lock", "environment.lock", "environment.yml")
PIP_SECTION = ["-r environment.lock", "-e .[cluster,onnx]"]


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

    problems += find_conda_problems(folder, project)
    run_time = read_plain_lock(folder)
    problems += [
        f"environment.lock: {pin} is not in the lock"
        for pin in run_time - set(map(str, pins.values()))
    ]
    for requirement in map(Requirement, project["dependencies"]):
        name = canonicalize_name(requirement.name)
        if not any(canonicalize_name(Requirement(pin).name) == name for pin in run_time):
            problems.append(f"environment.lock: {requirement.name} is missing")
    return problems


def find_conda_problems(folder: Path, project: dict) -> list[str]:
    """Read environment.yml as conda does; one line a problem."""
    problems = []
    text = (folder / "environment.yml").read_text(encoding="utf-8")
    environment = yaml.safe_load(text)
    if environment["name"] != project["name"]:
        problems.append(f"environment.yml: its name is {environment['name']}")
    if environment["channels"] != ["conda-forge", "nodefaults"]:
        problems.append(f"environment.yml: its channels are {environment['channels']}")
    *conda_specs, pip_section = environment["dependencies"]
    specs = {spec.name.normalized: spec for spec in map(rattler.MatchSpec, conda_specs)}
    if set(specs) != {"python", "pip"}:
        problems.append(f"environment.yml: conda installs {sorted(specs)}")
    python = str(specs["python"].version).rstrip(".*").lstrip("=")
    if not SpecifierSet(project["requires-python"]).contains(f"{python}.0"):
        problems.append(f"environment.yml: Python {python} is outside pyproject.toml's range")
    if pip_section["pip"] != PIP_SECTION:
        problems.append(f"environment.yml: pip installs {pip_section['pip']}")
    if len(text.splitlines()) > 25:
        problems.append("environment.yml: more than 25 lines")
    return problems


def read_plain_lock(folder: Path) -> set[str]:
    """Read environment.lock: its pins, written as those of requirements.lock."""
    lines = (folder / "environment.lock").read_text(encoding="utf-8").splitlines()
    return {str(Requirement(line)) for line in lines if not line.lstrip().startswith("#")}


def test_files_agree():
    assert find_disagreements(ROOT) == []


def test_development_tools_are_not_for_users():
    names = {canonicalize_name(Requirement(pin).name) for pin in read_plain_lock(ROOT)}
    assert len(names) > 100
    assert names.isdisjoint({"pytest", "ruff", "krippendorff", "import-linter", "playwright"})


DOCTORED = {
    "another version": (
        "environment.lock",
        r"\nnumpy==[\d.]+",
        "\nnumpy==2.0.0",
        "not in the lock",
    ),
    "no pin": (
        "environment.lock",
        r"\npapermill==.*",
        "",
        "environment.lock: papermill is missing",
    ),
    "one pin more": ("environment.lock", r"\Z", "torch==2.9.0\n", "torch.* not in the lock"),
    "old Python": ("environment.yml", r"python=3\.12", "python=3.10", r"Python 3\.10 is outside"),
    "a channel more": ("environment.yml", r"nodefaults", "defaults", "channels are"),
    "conda's OpenCV": ("environment.yml", r"- pip  #", "- pip\n  - opencv  #", "installs .*opencv"),
    "not affectkit": ("environment.yml", r"      - -e \..*\n", "", "pip installs"),
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
    section = environment["dependencies"][-1]["pip"]
    requirements.write_text("\n".join(section).replace("-r ", f"-r {ROOT}/"), encoding="utf-8")
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--no-deps", "--no-index"]
    command += ["--no-build-isolation", "--requirement", str(requirements)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
