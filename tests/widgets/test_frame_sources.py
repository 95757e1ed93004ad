from __future__ import annotations

import threading

import numpy as np
import pytest

from affectkit.pipeline import VideoWriter
from affectkit.widgets.frame_sources import KernelSource

LONG = 60


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    path = tmp_path_factory.mktemp("video") / "grey.mp4"
    with VideoWriter(path, 50) as writer:
        for level in range(5):
            writer.write(np.full((96, 128, 3), 40 * level, np.uint8))
    return path


def test_a_video_runs_again_and_again_at_the_page_s_pace(video):
    frames, enough = [], threading.Semaphore(0)

    def take(frame, seconds):
        frames.append((frame.index, seconds))
        enough.release()

    source = KernelSource(video, take, print, unanswered=2)
    source.start()
    for _ in range(2):
        assert enough.acquire(timeout=LONG)
    assert not enough.acquire(timeout=0.3)  # the page owes two answers
    for _ in range(10):
        source.answered()
        assert enough.acquire(timeout=LONG)
    source.stop(LONG)
    assert not source.is_running
    assert [index for index, _ in frames[:12]] == [*range(5), *range(5), 0, 1]
    seconds = [second for _, second in frames]
    assert seconds == sorted(seconds)


@pytest.mark.parametrize(
    ("source", "reason"), [(99, "camera 99 can't be opened"), ("text", "can't be read as a video")]
)
def test_the_reason_is_told_when_there_is_no_picture(source, reason, tmp_path):
    if isinstance(source, str):
        source = tmp_path / "text.mp4"
        source.write_text("no video")
    reasons, ended = [], threading.Event()

    def end(text):
        reasons.append(text)
        ended.set()

    kernel_source = KernelSource(source, print, end)
    kernel_source.start()
    assert ended.wait(LONG)
    kernel_source.stop(LONG)
    assert not kernel_source.is_running
    assert len(reasons) == 1
    assert reason in reasons[0]


def test_a_page_that_is_silent_is_taken_for_closed(video, monkeypatch):
    monkeypatch.setattr("affectkit.widgets.frame_sources.PATIENCE", 0.2)
    reasons, ended, frames = [], threading.Event(), []

    def end(text):
        reasons.append(text)
        ended.set()

    source = KernelSource(video, lambda frame, _: frames.append(frame.index), end, unanswered=1)
    source.start()
    assert ended.wait(LONG)
    assert frames == [0]
    assert "does not answer" in reasons[0]
