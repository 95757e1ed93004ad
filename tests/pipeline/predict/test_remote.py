"""`affectkit predict` on several processes: the same rows, whatever ends on the way."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pytest
from PIL import Image
from typer.testing import CliRunner

from affectkit.cli import app
from affectkit.pipeline import PredictSettings, VideoWriter
from affectkit.pipeline.predict.cluster import open_cluster
from affectkit.pipeline.predict.journal import journal_path
from affectkit.pipeline.predict.remote import predict_on_cluster
from affectkit.pipeline.predict.task import FileTask, predict_file

pytest.importorskip("distributed")

PROGRAM = [sys.executable, "-c", "from affectkit.cli import app; app()", "predict"]
PICTURES = 48


@pytest.fixture(scope="module")
def material(tmp_path_factory):
    """Pictures with a face, one that is damaged, one without a face, and two videos."""
    from affectkit.faces import render_face

    folder = tmp_path_factory.mktemp("material")
    face = np.pad(render_face(3, 160)[0], ((20, 20), (20, 20), (0, 0)), "edge")
    for index in range(PICTURES):
        Image.fromarray(np.roll(face, index, axis=1)).save(folder / f"{index:02}.png")
    (folder / "03.png").write_bytes(b"no picture")
    Image.new("RGB", (64, 64)).save(folder / "04.png")
    for name, count in (("a.mp4", 6), ("b.mp4", 12)):
        with VideoWriter(folder / name, 10) as writer:
            for index in range(count):
                writer.write(np.roll(face[..., ::-1], index, axis=1))
    return folder


@pytest.fixture(scope="module")
def single(material, tmp_path_factory):
    """The rows of one process."""
    output = tmp_path_factory.mktemp("single") / "rows.csv"
    run(material, "--output", output, "--smoothing", 0.5, exit_code=1)
    return output


@pytest.fixture(scope="module")
def cluster():
    from distributed import LocalCluster

    with LocalCluster(
        n_workers=2,
        threads_per_worker=1,
        host="127.0.0.1",
        dashboard_address="127.0.0.1:0",
        memory_limit=None,
    ) as cluster:
        yield cluster


def run(*arguments, exit_code=0):
    result = CliRunner().invoke(app, ["predict", *(str(argument) for argument in arguments)])
    assert result.exit_code == exit_code, result.output
    assert "Traceback" not in result.output
    return " ".join(result.output.split())


def wait_for_rows(output, process):
    """Wait until a running command has written rows of some files."""
    log = journal_path(output).with_name(f"{journal_path(output).name}-wal")
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        if log.exists() and log.stat().st_size > 50_000:
            return
        time.sleep(0.005)
    raise AssertionError(f"{output} did not get rows")


def tasks_of(*paths):
    return [FileTask(path, str(path), path.suffix == ".mp4") for path in paths]


def worker_processes(process):
    return [
        child
        for child in psutil.Process(process.pid).children(recursive=True)
        if "spawn_main" in " ".join(child.cmdline())
    ]


def test_a_cluster_writes_the_same_rows_in_the_same_order(material, single, cluster, tmp_path):
    output = tmp_path / "rows.csv"
    arguments = [material, "--output", output, "--smoothing", 0.5, "--annotate", tmp_path / "drawn"]
    arguments += ["--scheduler", cluster.scheduler_address]
    text = run(*arguments, exit_code=1)
    assert output.read_bytes() == single.read_bytes()
    assert "03.png" in text
    skipped = pd.read_csv(tmp_path / "rows_skipped.csv")
    expected = pd.read_csv(single.with_name("rows_skipped.csv"))
    pd.testing.assert_frame_equal(skipped, expected)
    drawn = {path.name for path in (tmp_path / "drawn").iterdir()}
    assert drawn == {path.name for path in material.iterdir()} - {"03.png"}
    # called again, only the failed one is tried
    text = run(*arguments, exit_code=1)
    assert f"0 faces in 0 files, {PICTURES + 1} done before" in text
    assert output.read_bytes() == single.read_bytes()


def test_files_are_named_as_on_the_command_line(material, cluster, tmp_path, monkeypatch):
    monkeypatch.chdir(material)
    run("00.png", "b.mp4", "--output", tmp_path / "rows.csv", "--scheduler",
        cluster.scheduler_address)  # fmt: skip
    rows = pd.read_csv(tmp_path / "rows.csv")
    assert rows["file"].drop_duplicates().tolist() == ["00.png", "b.mp4"]
    assert rows["frame"].dropna().tolist() == list(range(12))


def test_a_killed_worker_is_replaced_and_every_file_is_there_once(material, single, tmp_path):
    output = tmp_path / "rows.csv"
    command = [*PROGRAM, str(material), "--output", str(output), "--workers", "2"]
    process = subprocess.Popen([*command, "--smoothing", "0.5"], stderr=subprocess.PIPE, text=True)
    wait_for_rows(output, process)
    workers = worker_processes(process)
    workers[0].kill()
    _, errors = process.communicate(timeout=180)
    assert len(workers) == 2
    assert process.returncode == 1, errors
    assert "Traceback" not in errors
    assert output.read_bytes() == single.read_bytes()


@pytest.mark.slow
def test_a_file_that_ends_every_worker_is_told_and_the_others_are_done(material):
    def detect(image):
        if image.shape[:2] == (64, 64):
            os.kill(os.getpid(), signal.SIGKILL)
        return []

    tasks = tasks_of(*(material / f"{index:02}.png" for index in range(12)), material / "a.mp4")
    with open_cluster(workers=2) as client:
        settings = PredictSettings(detector=detect)
        results = list(predict_on_cluster(client, tasks, settings))
    assert [result.task for result in results] == tasks
    assert [index for index, result in enumerate(results) if result.error] == [3, 4]
    assert "can't be read" in results[3].error
    assert "a worker process ended whenever" in results[4].error
    assert [len(result.rows) for result in results] == [1, 1, 1, 0, 0, *[1] * 7, 6]


def test_a_stopped_run_leaves_no_process_and_goes_on(material, single, tmp_path):
    output = tmp_path / "rows.csv"
    arguments = [str(material), "--output", str(output), "--smoothing", "0.5"]
    command = [*PROGRAM, *arguments, "--workers", "2"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)
    wait_for_rows(output, process)
    workers = worker_processes(process)
    os.killpg(process.pid, signal.SIGINT)  # as Ctrl-C in a terminal
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGINT, errors
    assert "Traceback" not in errors
    assert psutil.wait_procs(workers, timeout=30)[1] == []
    assert "done before" in run(*arguments, exit_code=1)
    assert output.read_bytes() == single.read_bytes()


@pytest.mark.slow
def test_a_scheduler_that_ends_is_told_and_the_rest_is_done_later(material, single, tmp_path):
    output = tmp_path / "rows.csv"
    file = tmp_path / "scheduler.json"
    dask = [sys.executable, "-m", "dask"]
    common = ["--scheduler-file", str(file)]
    scheduler = subprocess.Popen(
        [*dask, "scheduler", *common, "--host", "127.0.0.1", "--port", "0", "--no-dashboard"],
        stderr=subprocess.DEVNULL,
    )
    worker = subprocess.Popen(
        [*dask, "worker", *common, "--host", "127.0.0.1", "--nthreads", "1", "--no-dashboard"],
        stderr=subprocess.DEVNULL,
    )
    try:
        address = wait_for_address(file)
        arguments = [str(material), "--output", str(output), "--smoothing", "0.5"]
        process = subprocess.Popen(
            [*PROGRAM, *arguments, "--scheduler", address], stderr=subprocess.PIPE, text=True
        )
        wait_for_rows(output, process)
        scheduler.kill()
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 2, errors
        assert "the connection to the Dask scheduler is lost" in errors
        assert "done before" in run(*arguments, exit_code=1)
        assert output.read_bytes() == single.read_bytes()
    finally:
        for started in (scheduler, worker):
            started.terminate()
            started.wait(60)


def wait_for_address(file: Path) -> str:
    deadline = time.monotonic() + 60
    while not file.exists() or not file.read_text().strip():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return json.loads(file.read_text())["address"]


def test_what_is_impossible_leaves_nothing(material, tmp_path, monkeypatch):
    monkeypatch.setattr("affectkit.pipeline.predict.cluster._CONNECT_SECONDS", 1)
    output = tmp_path / "rows.csv"
    text = run(material, "--output", output, "--scheduler", "tcp://127.0.0.1:9", exit_code=2)
    assert "no Dask scheduler answers at tcp://127.0.0.1:9" in text
    assert list(tmp_path.iterdir()) == []


def test_this_process_gives_the_same(material, cluster):
    settings = PredictSettings()
    tasks = tasks_of(material / "00.png", material / "03.png", material / "a.mp4")
    with open_cluster(cluster.scheduler_address) as client:
        results = list(predict_on_cluster(client, tasks, settings))
    pipelines = {is_video: settings.load_pipeline(is_video) for is_video in (False, True)}
    assert results == [predict_file(task, pipelines[task.is_video]) for task in tasks]
    assert [(result.faces, bool(result.error)) for result in results] == [
        (1, False), (0, True), (6, False)
    ]  # fmt: skip
