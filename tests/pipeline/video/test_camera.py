"""The camera's loop: newest frames, mirror, summary; and what is said when there is none."""

import os
import re
import shutil
import subprocess
import sys
import time
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from affectkit import AffectPipeline
from affectkit.cli import app
from affectkit.cli.camera import _keep_rows
from affectkit.pipeline import Face, FaceAffect, StageTimer, VideoWriter, read_video, run_camera
from affectkit.pipeline.predict.journal import Journal, recover_table
from affectkit.pipeline.video.camera import CameraWindow, check_display, draw_mirrored

BOX = (20.0, 30.0, 60.0, 60.0)


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """Half a second, 20 frames a second."""
    path = tmp_path_factory.mktemp("camera") / "clip.mp4"
    with VideoWriter(path, 20) as writer:
        for index in range(10):
            writer.write(np.full((120, 160, 3), 10 * index, np.uint8))
    return path


@pytest.fixture
def pipeline():
    """Knows where the face is."""
    return AffectPipeline(detector=lambda image: [Face(BOX, 1.0, (0.0,) * 4)], timer=StageTimer())


def test_a_run_without_window_gives_counts_boxes_and_stage_times(clip, pipeline):
    found = []
    summary = run_camera(pipeline, read_video(clip), on_faces=lambda *row: found.append(row))
    assert (summary.frames, summary.faces) == (10, 10)
    assert summary.duration > 0
    assert [index for index, *_ in found] == list(range(10))
    assert {faces[0].box for *_, faces in found} == {BOX}  # not mirrored
    table = pipeline.timer.table()
    assert len(table) == 10
    assert {"decode", "colour", "detect", "crop", "classify", "end to end"} <= set(table)
    assert (table["residual"] >= 0).all()


def test_a_run_ends_after_its_seconds(clip, pipeline):
    def wait(*_):
        time.sleep(0.05)

    summary = run_camera(pipeline, read_video(clip), seconds=0.2, on_faces=wait)
    assert 3 <= summary.frames <= 5


def test_ctrl_c_ends_a_run_with_its_summary(clip, pipeline):
    def interrupt(index, *_):
        if index == 3:
            raise KeyboardInterrupt

    assert run_camera(pipeline, read_video(clip), on_faces=interrupt).frames == 3


def test_of_a_camera_the_newest_frame_is_taken(clip):
    frames = []
    for frame in read_video(clip, newest_only=True):
        frames.append(frame.index)
        time.sleep(0.15)  # the file is decoded meanwhile
    assert len(frames) < 5
    assert frames == sorted(frames)


def test_the_mirror_swaps_picture_and_boxes_but_not_text():
    picture = np.zeros((120, 160, 3), np.uint8)
    picture[:, :40] = 90
    face = FaceAffect((10.0, 60.0, 40.0, 40.0), 1.0, "Happy", {"Happy": 1.0}, 0.5, 0.5)
    mirrored = draw_mirrored(picture, [face], True, {})
    assert mirrored[5, 130].tolist() == [90] * 3
    columns = np.flatnonzero(mirrored[80, :, 2] > 150)  # the box is yellow
    assert columns.min() == pytest.approx(160 - 50, abs=2)
    assert columns.max() == pytest.approx(160 - 10, abs=2)
    plain = draw_mirrored(picture.copy(), [face], False, {})
    assert np.flatnonzero(plain[80, :, 2] > 150).min() == pytest.approx(10, abs=2)
    middle = FaceAffect((60.0, 60.0, 40.0, 40.0), 1.0, "Happy", {"Happy": 1.0}, 0.5, 0.5)
    dark = np.zeros_like(picture)  # of a face in the middle both pictures are the same
    same = [draw_mirrored(dark.copy(), [middle], mirror, {"detect": 10**6}) for mirror in (0, 1)]
    np.testing.assert_array_equal(*same)


def run(*arguments, exit_code=0):
    result = CliRunner().invoke(app, ["camera", *(str(argument) for argument in arguments)])
    assert result.exit_code == exit_code, result.output
    assert "Traceback" not in result.output
    return " ".join(result.output.split())


def test_the_command_prints_a_summary_and_records_rows_if_asked(clip, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = run("--source", clip, "--headless", "--seconds", 60)
    assert "10 frames in" in text
    assert "detect" in text
    assert list(tmp_path.iterdir()) == []  # nothing is stored unless asked for
    run("-c", clip, "--headless", "--record", "rows.csv")
    assert [path.name for path in tmp_path.iterdir()] == ["rows.csv"]
    rows = pd.read_csv("rows.csv")
    assert rows["frame"].tolist() == list(range(10))
    assert rows["face"].isna().all()
    assert "rows.csv exists" in run("-c", clip, "--headless", "--record", "rows.csv", exit_code=2)
    run("-c", clip, "--headless", "--record", "rows.csv", "--overwrite")


def test_a_recording_that_is_killed_has_all_but_its_last_second(tmp_path, monkeypatch):
    clock = iter((0.0, 0.5, 1.0, 1.0, 1.5))
    fake = SimpleNamespace(monotonic=lambda: next(clock))
    monkeypatch.setattr("affectkit.cli.camera.time", fake)
    (tmp_path / "killed").mkdir()
    with Journal(tmp_path / "rows.csv", {"source": "camera 0"}) as journal:
        write = _keep_rows(journal, "camera 0")
        for index in range(3):
            write(index, index / 2, [])
        for path in tmp_path.glob("rows.csv.progress.sqlite*"):
            shutil.copy(path, tmp_path / "killed")
    assert pd.read_csv(tmp_path / "rows.csv")["frame"].tolist() == [0, 1, 2]
    assert recover_table(tmp_path / "killed" / "rows.csv") == 1
    assert pd.read_csv(tmp_path / "killed" / "rows.csv")["frame"].tolist() == [0, 1]


def test_a_missing_camera_or_file_is_one_message(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = run("--source", 97, "--headless", "--record", "rows.csv", exit_code=2)
    assert "Error: camera 97 can't be opened" in text
    assert "no video absent.mp4" in run("-c", "absent.mp4", "--headless", exit_code=2)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform != "linux", reason="displays are told by DISPLAY on Linux only")
def test_no_display_is_one_message(clip, monkeypatch):
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    assert "no window can be opened" in run("--source", clip, exit_code=2)
    monkeypatch.setenv("DISPLAY", ":987")
    with pytest.raises(OSError, match="no window can be opened .*:987.*--headless"):
        check_display()


def test_opencv_without_windows_is_one_message(monkeypatch):
    monkeypatch.setattr("cv2.currentUIFramework", lambda: "")
    with pytest.raises(ImportError, match="opencv-python-headless"):
        CameraWindow()


@pytest.mark.skipif(
    not shutil.which("xvfb-run") and os.environ.get("CI", "").lower() != "true",
    reason="needs xvfb-run",
)
def test_frames_are_shown_in_a_window_in_their_time(clip):
    command = ["xvfb-run", "-a", sys.executable, "-c", "from affectkit.cli import app; app()"]
    done = subprocess.run(
        [*command, "camera", "-c", str(clip)],
        capture_output=True,
        text=True,
        timeout=60,
        env=os.environ | {"COLUMNS": "100"},
    )
    assert done.returncode == 0, done.stderr
    (seconds,) = re.findall(r"10 frames in ([\d.]+)", done.stdout)
    assert 0.3 < float(seconds) < 5  # 0.45 s from first to last frame; machines may be busy
    assert "display" in done.stdout
    assert done.stderr == ""  # no greetings of LiteRT or Qt


SIZE = """
import cv2, numpy as np
from affectkit.pipeline.video.camera import TITLE, CameraWindow
with CameraWindow() as window:
    window.show(np.zeros((360, 800, 3), np.uint8), 0.3)
    print(*cv2.getWindowImageRect(TITLE))
"""


@pytest.mark.skipif(
    not shutil.which("xvfb-run") and os.environ.get("CI", "").lower() != "true",
    reason="needs xvfb-run",
)
def test_the_window_has_the_size_of_the_video_and_no_toolbar():
    command = ["xvfb-run", "-a", sys.executable, "-c", SIZE]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split() == ["0", "0", "800", "360"]
