"""TF_CONFIG says who trains and writes; processes start together, and again when one fails."""

import json
import multiprocessing
import os
import sys
import time
from pathlib import Path

import psutil
import pytest

from affectkit.training import cluster_settings
from affectkit.training.workers import cluster_workers, free_ports, is_chief, launch_workers


@pytest.fixture
def tf_config(monkeypatch):
    def set_config(content):
        monkeypatch.setenv("TF_CONFIG", content)

    monkeypatch.delenv("TF_CONFIG", raising=False)
    return set_config


def test_without_it_one_process_trains_and_writes(tf_config):
    assert is_chief()
    assert cluster_workers() == 0
    tf_config("")
    assert is_chief()


def test_the_first_worker_writes(tf_config):
    ports = free_ports(2)
    assert len(set(ports)) == 2
    addresses = [f"127.0.0.1:{port}" for port in ports]
    for number in (0, 1):
        tf_config(cluster_settings(addresses, number))
        assert is_chief() == (number == 0)
        assert cluster_workers() == 2
    assert json.loads(cluster_settings(addresses, 1)) == {
        "cluster": {"worker": addresses},
        "task": {"type": "worker", "index": 1},
    }


@pytest.mark.parametrize(("kind", "writes"), [("chief", True), ("worker", False)])
def test_where_there_is_a_chief_it_writes(tf_config, kind, writes):
    """As Kubeflow names them: one chief beside the workers."""
    cluster = {"chief": ["one:1"], "worker": ["two:1", "three:1"]}
    tf_config(json.dumps({"cluster": cluster, "task": {"type": kind, "index": 0}}))
    assert is_chief() == writes
    assert cluster_workers() == 3


def test_who_has_no_part_and_what_is_no_json_is_named(tf_config):
    cluster = {"worker": ["one:1"], "ps": ["two:1"]}
    tf_config(json.dumps({"cluster": cluster, "task": {"type": "ps", "index": 0}}))
    with pytest.raises(ValueError, match="chief or worker, got 'ps'"):
        cluster_workers()
    for text in ("{", "[]", '{"cluster": 3}'):
        tf_config(text)
        with pytest.raises(ValueError, match="expected TF_CONFIG to be JSON"):
            cluster_workers()


def count_starts(folder, failures):
    """Fail the first times with the code of the environment."""
    file = Path(folder) / str(json.loads(os.environ["TF_CONFIG"])["task"]["index"])
    starts = int(file.read_text()) if file.exists() else 0
    file.write_text(str(starts + 1))
    if starts < failures:
        sys.exit(int(os.environ["CODE"]))


def launch(folder, failures, code, **options):
    environment = {"CODE": str(code)}
    return launch_workers(count_starts, [folder, failures], 2, environment=environment, **options)


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


def sleep(folder):
    (Path(folder) / str(os.getpid())).touch()
    time.sleep(600)


def test_who_stops_the_launch_stops_the_workers(tmp_path):
    def check():
        if len(list(tmp_path.iterdir())) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        launch_workers(sleep, [tmp_path], 2, check=check)
    for file in tmp_path.iterdir():
        with pytest.raises(ProcessLookupError):
            os.kill(int(file.name), 0)


def test_workers_end_when_the_launcher_is_killed(tmp_path):
    spawn = multiprocessing.get_context("spawn")
    launcher = spawn.Process(target=launch_workers, args=(sleep, [tmp_path], 2))
    launcher.start()
    deadline = time.monotonic() + 120
    while len(list(tmp_path.iterdir())) < 2:
        assert launcher.is_alive()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    workers = [psutil.Process(int(file.name)) for file in tmp_path.iterdir()]
    launcher.kill()
    launcher.join()
    left = psutil.wait_procs(workers, timeout=60)[1]
    for process in left:
        process.kill()
    assert left == []
