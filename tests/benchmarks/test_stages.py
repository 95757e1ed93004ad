"""The stages of a video: a tiny run writes every field that is promised, and the sums are right."""

import numpy as np
import pytest

from affectkit.course import read_run
from affectkit.models import find_model, open_model
from affectkit.pipeline.stage_timer import STAGES

MODEL, FRAMES = "affectkit-synthetic-int8", 6


@pytest.fixture(scope="module")
def run(scripts, video, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    command = ["--output", str(folder), "--rounds", "2", "--video", str(video), "--model", MODEL]
    return read_run(scripts("stages").main(command))


def test_a_run_says_where_when_and_how_it_was_made(run, check_run, check_loading):
    check_run(run, "stages.py", [1, 2])
    check_loading(run.table("loading").iloc[0], find_model(MODEL).path)


def test_stages_and_residual_add_up_to_the_frame(run):
    stages = run.table("stages")
    assert set(stages["mode"]) == {"sequential", "overlapped"}
    for _, rows in stages.groupby(["mode", "threads"]):
        means = rows.set_index("stage")["mean"]
        assert set(means.index) - {"end to end", "residual"} <= set(STAGES)
        assert {"decode", "colour", "detect", "draw", "encode"} <= set(means.index)
        parts = means.drop("end to end").sum()
        assert parts == pytest.approx(means["end to end"])
        assert (rows["n"] == 2 * FRAMES).all()
        assert rows.set_index("stage")["share"]["end to end"] == pytest.approx(1)
        assert not rows["p90_enough"].any()
    videos = run.table("videos")
    assert (videos["frames"] == FRAMES).all()
    assert (videos["faces"] == FRAMES).all()
    np.testing.assert_allclose(stages["mean_per_face"], stages["mean"])  # one face a frame


def test_end_to_end_is_compared_with_the_bare_work_of_the_same_frames(run):
    overhead = run.table("overhead")
    ratio = overhead["end_to_end_ms"] / overhead["bare_ms"]
    np.testing.assert_allclose(overhead["end_to_end_over_bare"], ratio)
    assert (overhead["end_to_end_over_work_within"] > 1).all()
    targets = [one for one in run.content["targets"] if "1 thread" in one["name"]]
    target, overlapped = targets
    mine = overhead.loc[overhead["threads"] == 1, "end_to_end_over_bare"].median()
    assert target["value"] == pytest.approx(mine)
    assert target["reached"] == (mine <= 1.15)
    bare = run.table("bare").query("mode == 'bare' and threads == 1")
    assert set(bare["stage"]) == {"decode", "invoke", "encode", "end to end"}
    # as `affectkit predict` does it: the time from one frame to the next
    videos = run.table("videos").query("mode == 'overlapped' and threads == 1")
    work = bare.loc[bare["stage"] == "end to end", "mean"].item()
    expected = 1e3 / videos["frames_a_second"].item() / work
    assert overlapped["value"] == pytest.approx(expected)
    assert overlapped["name"].startswith("overlapped, time from frame to frame / bare")


def test_the_invocations_of_each_frame_are_seen(scripts):
    invocations = scripts("stages").Invocations()
    model = open_model(MODEL)
    face = np.zeros((2, *[model.preprocessing.image_size] * 2, 3), np.float32)
    with invocations.watched():
        model(face)
        invocations.end_frame()
        invocations.end_frame()
    model(face)
    assert [len(frame) for frame in invocations.frames] == [2, 0]
    assert len(set(map(id, invocations.frames[0]))) == 1
    assert invocations.nanoseconds[0] > 10_000
    assert invocations.nanoseconds[1] == 0


def test_a_video_is_shortened_and_what_is_none_is_refused(scripts, video, tmp_path):
    module = scripts("stages")
    short = module.shorten(video, 2, tmp_path / "short.mp4")
    with module.opened(short) as capture:
        frames = sum(capture.read()[0] for _ in range(FRAMES))
    assert frames == 2
    (tmp_path / "no.mp4").write_text("no video")
    with pytest.raises(ValueError, match="can't be read as a video"):
        module.shorten(tmp_path / "no.mp4", 2, tmp_path / "short.mp4")
