"""The kit's own code keeps to what Windows has and allows, as far as Linux can tell."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

RULES = Path(__file__).with_name("windows")
ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = os.environ | {
    "PYTHONPATH": os.pathsep.join([str(RULES), str(ROOT)]),
    "PYTHONWARNDEFAULTENCODING": "1",
    "TF_CPP_MIN_LOG_LEVEL": "3",
}


def python(*arguments, cwd, exit_code=0):
    command = [sys.executable, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=ENVIRONMENT)
    assert done.returncode == exit_code, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("import fcntl", "No module named 'fcntl'"),
        ("import os; os.fork()", "no attribute 'fork'"),
        ("import os; open('a', 'w').close(); b = open('a'); os.fsync(b.fileno())", "Bad file"),
        ("open('a', 'w').close(); b = open('a'); from pathlib import Path; Path('a').unlink()",
         "another process uses"),
        ("from pathlib import Path; Path('a').touch(); Path('b').touch(); Path('a').rename('b')",
         "exists already"),
    ],
)  # fmt: skip
def test_the_imitation_refuses_what_windows_refuses(tmp_path, code, error):
    wrapped = f"try:\n    exec({code!r})\nexcept (ImportError, AttributeError, OSError) as error:\n"
    assert error in python("-c", f"{wrapped}    print(error)", cwd=tmp_path)


def test_every_module_is_imported_without_what_windows_lacks(tmp_path):
    modules = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for path in (ROOT / "affectkit").rglob("*.py")
        if "device" not in path.parts  # runs on the Nano, which is Linux
    ]
    assert len(modules) > 100
    python("-c", f"import importlib\nfor name in {modules}: importlib.import_module(name)",
           cwd=tmp_path)  # fmt: skip
