"""Without a network all that ships works, and nothing even tries to reach one: no telemetry."""

import json
import os
import shutil
import subprocess
import sys
import textwrap

import pytest

WATCH = '''
"""Started by every Python: notes whoever reaches for the network, and refuses."""
import os
import sys

REACHING = {"socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto",
            "socket.gethostbyaddr", "socket.sendmsg", "urllib.Request", "http.client.connect"}

def watch(event, arguments):
    if event not in REACHING:
        return
    address = arguments[-1] if arguments else None
    if event == "socket.connect" and isinstance(address, (str, bytes)):
        return  # of the machine itself: AF_UNIX
    with open(os.environ["AFFECTKIT_WATCH"], "a") as file:
        file.write(f"{event} {arguments!r}\\n")
    raise OSError(101, "Network is unreachable")

sys.addaudithook(watch)
'''

WORK = """
import json, os, sys
from pathlib import Path
import affectkit
assert "tensorflow" not in sys.modules and "numpy" not in sys.modules
from typer.testing import CliRunner
from affectkit.cli import app

folder = Path(sys.argv[1])

def run(*arguments):
    result = CliRunner().invoke(app, [str(one) for one in arguments])
    assert result.exit_code == 0, (arguments, result.output)
    return result.output

doctor = run("doctor")
from affectkit.data.datasets import load_table
table = load_table("affectfaces", split="test")
picture = table["path"].iloc[0]
run("predict", picture, "--output", folder / "rows.jsonl")
run("export", "--help")
from affectkit import open_model
loaded = open_model("affectkit-real-int8")
keras = open_model("affectkit-synthetic")
rows = [json.loads(line) for line in (folder / "rows.jsonl").read_text().splitlines()]
tasks = sorted({*loaded.tasks, *keras.tasks})
print(json.dumps({"rows": len(table), "tasks": tasks, "faces": rows}))
"""


def run_offline(tmp_path, *prefix):
    (tmp_path / "sitecustomize.py").write_text(WATCH)
    watch = tmp_path / "reached"
    watch.touch()
    environment = os.environ | {
        "PYTHONPATH": str(tmp_path),
        "AFFECTKIT_WATCH": str(watch),
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
    command = [*prefix, sys.executable, "-c", textwrap.dedent(WORK), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=600)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1]), watch.read_text()


def check(result):
    assert result["rows"] == 1600
    assert result["tasks"] == ["classification", "regression"]
    (face,) = result["faces"]
    assert face["expression"]
    assert -1 <= face["valence"] <= 1


@pytest.mark.slow
def test_all_that_ships_works_offline_and_nothing_reaches_for_the_network(tmp_path):
    unshare = shutil.which("unshare")
    # a process without any network, where the system lets us: native code can't reach out either
    cut = [unshare, "--user", "--map-root-user", "--net"] if unshare else []
    if cut and subprocess.run([*cut, "true"], capture_output=True).returncode:
        cut = []
    result, reached = run_offline(tmp_path, *cut)
    check(result)
    assert reached == ""


def test_the_watch_sees_whoever_reaches_out(tmp_path):
    (tmp_path / "sitecustomize.py").write_text(WATCH)
    (tmp_path / "reached").touch()
    code = "import urllib.request\nurllib.request.urlopen('http://127.0.0.1:9/')"
    environment = os.environ | {
        "PYTHONPATH": str(tmp_path),
        "AFFECTKIT_WATCH": str(tmp_path / "reached"),
    }
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, env=environment)
    assert done.returncode
    assert "urllib.Request" in (tmp_path / "reached").read_text()


HEAVY = ("tensorflow", "keras", "numpy", "pandas", "cv2", "PIL", "scipy", "sklearn", "matplotlib")


@pytest.mark.parametrize(
    ("module", "allowed"), [("affectkit", set()), ("affectkit.record", {"numpy"})]
)
def test_importing_is_quick_and_imports_nothing_heavy(module, allowed):
    code = f"""
        import sys, time
        before = set(sys.modules)
        start = time.perf_counter()
        import {module}
        seconds = time.perf_counter() - start
        print(seconds, *sorted(set(sys.modules) - before))
    """
    limit = 0.3 if not allowed else 1.0  # NumPy alone takes a fifth of a second
    tries = []
    for _ in range(5):  # the best of some: others may be using the machine
        done = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(code)],
            capture_output=True,
            text=True,
            check=True,
        )
        seconds, *modules = done.stdout.split()
        assert not {name.partition(".")[0] for name in modules} & set(HEAVY) - allowed
        tries.append(float(seconds))
        if min(tries) < limit:
            break
    assert min(tries) < limit
