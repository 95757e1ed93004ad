"""Videos through the whole pipeline: faces, frames, times, stages and memory."""

import numpy as np
import psutil
import pytest

from affectkit import AffectPipeline
from affectkit.pipeline import StageTimer, VideoWriter, process_video, read_video
from affectkit.pipeline.video.annotate import SteadyWriter


@pytest.fixture(scope="module")
def pipeline():
    return AffectPipeline(track=True)


@pytest.fixture(scope="module")
def portrait(tmp_path_factory):
    """A drawn face that moves to the right, 20 frames of 160 pixels."""
    from affectkit.faces import render_face

    face = render_face(3, 160)[0]
    path = tmp_path_factory.mktemp("videos") / "portrait.mp4"
    with VideoWriter(path, 10) as writer:
        for index in range(20):
            frame = np.full((200, 240, 3), 128, np.uint8)
            frame[20:180, 2 * index : 2 * index + 160] = face[..., ::-1]
            writer.write(frame)
    return path


@pytest.mark.needs_shared
def test_the_videos_have_the_faces_that_people_see(shared, pipeline, tmp_path):
    for name, faces in (("single_face", 1), ("no_face", 0)):
        source, annotated = shared / f"data/videos/{name}.mp4", tmp_path / f"{name}.mp4"
        found, tracks = [], set()

        def note(index, seconds, faces, found=found, tracks=tracks):
            found.append((index, seconds, len(faces)))
            tracks.update(face.track for face in faces)

        summary = process_video(pipeline, source, annotated, on_faces=note)
        assert {number for *_, number in found} == {faces}
        assert tracks == set(range(faces))
        assert (summary.frames, summary.faces) == (len(found), faces * len(found))
        before = [(frame.index, frame.seconds) for frame in read_video(source)]
        after = [(frame.index, frame.seconds) for frame in read_video(annotated)]
        assert [entry[:2] for entry in found] == before
        # no_face.mp4 claims 23.67 frames a second and has 24
        np.testing.assert_allclose(after, before, atol=1e-3 if faces else 0.06)


def test_every_stage_is_timed_in_every_frame(portrait, tmp_path):
    timer = StageTimer()
    pipeline = AffectPipeline(smoothing=0.5, timer=timer)
    process_video(pipeline, portrait, tmp_path / "a.mp4")
    table = timer.table()
    stages = [
        "decode",
        "colour",
        "detect",
        "crop",
        "preprocess",
        "classify",
        "smooth",
        "draw",
        "encode",
    ]
    assert list(table) == [*stages, "end to end", "residual"]
    assert len(table) == 20
    assert (table[stages] > 0).all(axis=None)
    assert (table["residual"] >= 0).all()
    assert table["residual"].median() < 0.1 * table["end to end"].median()


def test_faces_are_drawn_into_the_annotated_video(portrait, pipeline, tmp_path):
    process_video(pipeline, portrait, tmp_path / "a.avi", show_times=False)
    pairs = zip(read_video(portrait), read_video(tmp_path / "a.avi"), strict=True)
    for before, after in pairs:
        changed = np.abs(before.rgb.astype(int) - after.rgb).max(axis=2) > 80
        assert 200 < changed.sum() < 0.3 * changed.size


def test_a_stride_keeps_the_times(portrait, pipeline, tmp_path):
    found = []
    process_video(pipeline, portrait, tmp_path / "a.mp4", 4, lambda *row: found.append(row[:2]))
    assert found == [(index, pytest.approx(index / 10)) for index in range(0, 20, 4)]
    seconds = [frame.seconds for frame in read_video(tmp_path / "a.mp4")]
    np.testing.assert_allclose(seconds, [0, 0.4, 0.8, 1.2, 1.6], atol=1e-3)


def test_smoothing_and_numbers_start_anew_with_each_video(portrait):
    pipeline = AffectPipeline(smoothing=0.9)
    runs = []
    for _ in range(2):
        found = []
        process_video(pipeline, portrait, on_faces=lambda *row, found=found: found.append(row))
        runs.append(found)
    assert runs[0] == runs[1]


def test_an_annotated_video_keeps_the_times_of_a_variable_frame_rate(
    variable_rate_video, pipeline, tmp_path
):
    process_video(pipeline, variable_rate_video[0], tmp_path / "b.mp4")
    assert len(list(read_video(tmp_path / "b.mp4"))) == 21  # at 25 a second, the last at 20 / 25 s


class Written:
    """Takes the place of a `VideoWriter`."""

    path = "b.mp4"

    def __init__(self):
        self.frames = []

    def write(self, frame, times=None):
        self.frames.append(frame)


def write_steadily(seconds, rate):
    written = Written()
    steady = SteadyWriter(written, rate)
    for number, time in enumerate(seconds):
        steady.write(number, time, {})
    steady.warn_of_changes("a.mp4")
    return written.frames


def test_frames_are_repeated_until_the_next_ones_time():
    assert write_steadily([5, 5.1, 5.4, 5.5], 10) == [0, 1, 1, 1, 2, 3]
    assert write_steadily(np.arange(60) / 29.97, 29.97) == list(range(60))
    assert write_steadily(np.round(np.arange(60) / 30, 2), 30) == list(range(60))  # 0.03, 0.07


def test_frames_that_follow_faster_are_left_out_with_a_warning():
    with pytest.warns(UserWarning, match=r"a\.mp4 .*: 5 of its frames are left out of b\.mp4"):
        assert len(write_steadily([0, 0.1, 0.2, 0.21, 0.22, 0.23, 0.24, 0.25, 0.3], 10)) == 4


def test_a_jump_in_time_is_cut_with_a_warning():
    with pytest.warns(UserWarning, match=r"a\.mp4 shows nothing for \d+ s .* cut from b\.mp4"):
        assert len(write_steadily([0, 0.1, 1e8, 1e8 + 0.1], 10)) < 700


def test_a_video_does_not_overwrite_itself(portrait, pipeline):
    size = portrait.stat().st_size
    with pytest.raises(ValueError, match="would overwrite"):
        process_video(pipeline, portrait, portrait)
    assert portrait.stat().st_size == size


def test_an_interrupted_run_leaves_a_playable_video(portrait, pipeline, tmp_path):
    def stop(index, seconds, faces):
        if index == 12:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        process_video(pipeline, portrait, tmp_path / "a.mp4", on_faces=stop)
    assert len(list(read_video(tmp_path / "a.mp4"))) == 12


@pytest.mark.slow
def test_memory_does_not_grow_with_the_length_of_a_video(tmp_path):
    path = tmp_path / "long.avi"
    with VideoWriter(path, 25) as writer:
        for index in range(3000):
            writer.write(np.full((120, 160, 3), index % 200, np.uint8))
    pipeline = AffectPipeline(detector="blazeface-near", timer=StageTimer(keep=100))
    memory = []

    def note(index, seconds, faces):
        if index in (500, 2999):
            memory.append(psutil.Process().memory_info().rss)

    process_video(pipeline, path, tmp_path / "annotated.mp4", on_faces=note)
    assert memory[1] - memory[0] < 20e6
    assert len(pipeline.timer.frames) == 100
