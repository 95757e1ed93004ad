"""Processes are started together, again when one fails, and not where that would not help."""

import os
import subprocess
import sys
import time

import psutil
import pytest

from affectkit.training.workers import launch_workers

COUNT = """
import json, os, sys
from pathlib import Path
number = json.loads(os.environ["TF_CONFIG"])["task"]["index"]
file = Path(sys.argv[1]) / str(number)
starts = int(file.read_text()) if file.exists() else 0
file.write_text(str(starts + 1))
sys.exit(int(os.environ["CODE"]) if starts < int(sys.argv[2]) else 0)
"""


def launch(folder, failures, code, **options):
    command = [sys.executable, "-c", COUNT, str(folder), str(failures)]
    return launch_workers(command, 2, environment={"CODE": str(code)}, **options)


def starts(folder):
    return [int((folder / str(number)).read_text()) for number in (0, 1)]


def test_all_are_started_again_until_they_succeed(tmp_path):
    assert launch(tmp_path, failures=2, code=1, restarts=3) == 2
    assert starts(tmp_path) == [3, 3]


def test_the_number_of_starts_is_bounded(tmp_path):
    with pytest.raises(OSError, match=r"failed 2 times, at last with exit codes \[7, 7\]"):
        launch(tmp_path, failures=9, code=7, restarts=1)
    assert starts(tmp_path) == [2, 2]


def test_a_final_code_ends_it_at_once(tmp_path):
    with pytest.raises(OSError, match="exit code 2, and would do so again"):
        launch(tmp_path, failures=9, code=2, restarts=3, final_codes=(2,))
    assert starts(tmp_path) == [1, 1]


SLEEP = """
import os, sys, time
from pathlib import Path
(Path(sys.argv[1]) / f"pid{os.getpid()}").touch()
time.sleep(600)
"""


def test_who_stops_the_launch_stops_the_workers(tmp_path):
    def check():
        if len(list(tmp_path.iterdir())) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        launch_workers([sys.executable, "-c", SLEEP, str(tmp_path)], 2, check=check)
    for file in tmp_path.iterdir():
        with pytest.raises(ProcessLookupError):
            os.kill(int(file.name.removeprefix("pid")), 0)


LAUNCHER = """
import sys
from affectkit.training.workers import launch_workers
launch_workers([sys.executable, "-c", *sys.argv[1:]], 2)
"""


def test_workers_end_when_the_launcher_is_killed(tmp_path):
    worker = f"from affectkit.training.workers import end_with_launcher; end_with_launcher(){SLEEP}"
    command = [sys.executable, "-c", LAUNCHER, worker, str(tmp_path)]
    launcher = subprocess.Popen(command)
    deadline = time.monotonic() + 120
    while len(list(tmp_path.iterdir())) < 2:
        assert launcher.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    workers = psutil.Process(launcher.pid).children()
    assert all(worker.is_running() for worker in workers)
    launcher.kill()
    launcher.wait()
    left = psutil.wait_procs(workers, timeout=60)[1]
    for process in left:
        process.kill()
    assert left == []
