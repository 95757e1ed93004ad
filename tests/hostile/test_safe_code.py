"""The package's code calls nothing that runs what a file says; every exception has its reason."""

import ast
from pathlib import Path

import pytest

import affectkit

ROOT = Path(affectkit.__file__).parent

MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve", "yaml", "pty"}
"""Modules that make objects of any class, or run code, from what they read."""

CALLS = {
    *("eval", "exec", "compile", "__import__", "os.system", "os.popen", "os.spawnv", "os.execv"),
    *("runpy.run_path", "torch.load", "pd.read_pickle", "pandas.read_pickle", "pd.eval"),
    *("keras.config.enable_unsafe_deserialization", "np.fromregex", "ast.parse"),
    *(
        "zipfile.ZipFile.extractall",
        "tarfile.open",
        "shutil.unpack_archive",
    ),
    *("xml.etree.ElementTree.parse", "ctypes.CDLL", "ctypes.cdll.LoadLibrary"),
}
PROCESSES = {"run", "Popen", "call", "check_call", "check_output", "getoutput"}
NETWORK = {"socket", "urllib", "requests", "http", "httpx", "aiohttp", "ftplib", "smtplib"}
UNSAFE = {"allow_pickle": True, "safe_mode": False, "shell": True}

ALLOWED = {
    (
        "export/nano/sources.py",
        "ast.parse",
    ): "parses the source of our own functions; nothing is run",
    (
        "pipeline/video/camera.py",
        "subprocess.run",
    ): "a fixed command that opens a window; no input gets there",
    ("machine.py", "subprocess.run"): "git, in a source checkout; arguments are fixed",
    (
        "widgets/local_page.py",
        "subprocess.run",
    ): "npm, for what the lock names; a fixed command, without the packages' scripts",
    ("training/workers.py", "import socket"): "free ports of this machine, for its own workers",
    (
        "export/nano/device/benchmark.py",
        "subprocess.run",
    ): "itself again, on the device; a list, no shell",
    (
        "export/nano/device/device.py",
        "importlib.import_module",
    ): "one of the modules that its own code lists",
    (
        "export/nano/device/device.py",
        "subprocess.run",
    ): "nvpmodel or tegrastats on the device; a fixed command",
}
"""(file, call): why it may be."""


def dotted(node):
    """Give a.b.c of an attribute or name, "" of anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and (start := dotted(node.value)):
        return f"{start}.{node.attr}"
    return ""


def findings(source, name):
    """Give (line, what) of everything suspicious in a source."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            modules = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            modules += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            for module in modules:
                if module.partition(".")[0] in MODULES | NETWORK:
                    yield node.lineno, f"import {module}"
        if not isinstance(node, ast.Call):
            continue
        called = dotted(node.func)
        process = called.rpartition(".")[2] in PROCESSES and called.startswith("subprocess")
        if (
            called in CALLS
            or process
            or called.endswith(("read_pickle", "enable_unsafe_deserialization"))
        ):
            yield node.lineno, called
        for keyword in node.keywords:
            value = getattr(keyword.value, "value", None)
            if keyword.arg in UNSAFE and value is UNSAFE[keyword.arg]:
                yield node.lineno, f"{keyword.arg}={value}"
        if called == "importlib.import_module" and not isinstance(node.args[0], ast.Constant):
            yield node.lineno, called
        if called in ("np.load", "numpy.load"):
            given = {k.arg: getattr(k.value, "value", None) for k in node.keywords}
            if given.get("allow_pickle") is not False:
                yield node.lineno, "np.load without allow_pickle=False"
        if called.endswith("models.load_model") and called.startswith("keras"):
            given = {k.arg: getattr(k.value, "value", None) for k in node.keywords}
            if given.get("safe_mode") is not True:
                yield node.lineno, "load_model without safe_mode=True"


SOURCES = sorted(ROOT.rglob("*.py"))


def test_nothing_runs_what_a_file_says():
    used, found = set(), []
    for path in SOURCES:
        name = path.relative_to(ROOT).as_posix()
        for line, what in findings(path.read_text("utf-8"), name):
            if (name, what) in ALLOWED:
                used.add((name, what))
            else:
                found.append(f"{name}:{line}: {what}")
    assert found == []
    assert used == {one for one in ALLOWED if (ROOT / one[0]).exists()}  # the list stays short


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from pickle import loads",
        "import requests",
        "eval(text)",
        "import os\nos.system('ls')",
        "subprocess.run('ls', shell=True)",
        "np.load(path)",
        "np.load(path, allow_pickle=True)",
        "keras.models.load_model(path)",
        "keras.models.load_model(path, safe_mode=False)",
        "keras.config.enable_unsafe_deserialization()",
        "pd.read_pickle(path)",
        "yaml.load(text)\nimport yaml",
    ],
)
def test_what_is_looked_for_is_found(source):
    assert list(findings(source, "x.py"))
