"""Reading and writing videos: every frame, at its time, and clear words when something is wrong."""

import struct
import subprocess
import sys
import threading
import warnings

import numpy as np
import pytest

from affectkit.pipeline import VideoWriter, read_video


def write_video(path, count=30, size=(160, 120), rate=25.0):
    """Frames that tell their number: a white bar of 4 pixels a frame grows from the left."""
    with VideoWriter(path, rate) as writer:
        for index in range(count):
            writer.write(numbered_frame(index, size))
    return path


def numbered_frame(index, size=(160, 120)):
    frame = np.zeros((size[1], size[0], 3), np.uint8)
    frame[:, : 4 * (index % 30 + 1)] = (255, 128, 0)  # blue is first in BGR
    return frame


def number_of(rgb):
    return round((rgb[rgb.shape[0] // 2, :, 2] > 128).sum() / 4) - 1


def rotate(path):
    """Let an MP4 ask for a quarter turn clockwise, as telephones do."""
    content = bytearray(path.read_bytes())
    start = content.index(b"tkhd") - 4
    matrix = (0, 1 << 16, 0, -(1 << 16), 0, 0, 0, 0, 1 << 30)
    content[start + 48 : start + 84] = struct.pack(">9i", *matrix)
    path.write_bytes(content)


@pytest.mark.parametrize("suffix", [".mp4", ".avi", ".mkv"])
def test_what_is_written_is_read_again_frame_by_frame(tmp_path, suffix):
    frames = list(read_video(write_video(tmp_path / f"numbers{suffix}")))
    assert [frame.index for frame in frames] == list(range(30))
    assert [number_of(frame.rgb) for frame in frames] == list(range(30))
    seconds = [frame.seconds for frame in frames]
    np.testing.assert_allclose(seconds, np.arange(30) / 25, atol=0.001)
    for frame in frames:
        assert frame.rgb.shape == (120, 160, 3)
        np.testing.assert_array_equal(frame.rgb, frame.bgr[..., ::-1])
        assert frame.rgb[60, 2].tolist() == pytest.approx([0, 128, 255], abs=12)
        assert set(frame.nanoseconds) == {"decode", "colour"}


def test_every_third_frame_keeps_its_number_and_time(tmp_path):
    frames = list(read_video(write_video(tmp_path / "a.mp4"), stride=3))
    assert [frame.index for frame in frames] == list(range(0, 30, 3))
    assert [number_of(frame.rgb) for frame in frames] == list(range(0, 30, 3))
    np.testing.assert_allclose([frame.seconds for frame in frames], np.arange(0, 30, 3) / 25)


def test_times_of_a_variable_frame_rate_are_the_files(variable_rate_video):
    path, expected = variable_rate_video
    seconds = [frame.seconds for frame in read_video(path)]
    np.testing.assert_allclose(seconds, expected, atol=1e-4)


def test_a_rotated_video_is_turned_upright(tmp_path):
    path = write_video(tmp_path / "a.mp4")
    rotate(path)
    frame = next(iter(read_video(path)))
    assert frame.rgb.shape == (160, 120, 3)
    assert frame.rgb[1, 60, 2] > 200  # the left bar is at the top after a turn clockwise
    assert frame.rgb[150, 60, 2] < 50


def test_leaving_early_ends_the_thread(tmp_path):
    path = write_video(tmp_path / "a.mp4", count=100)
    before = threading.active_count()
    for frame in read_video(path):
        if frame.index == 3:
            break
    with read_video(path) as reader:
        next(iter(reader))
    assert threading.active_count() == before


def test_a_truncated_video_gives_its_frames_and_a_note(tmp_path):
    path = write_video(tmp_path / "a.avi", count=100)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.warns(UserWarning, match=r"a\.avi ends after \d+ of its 100 frames: it is trunc"):
        frames = list(read_video(path))
    assert 30 < len(frames) < 70
    assert [number_of(frame.rgb) for frame in frames] == [
        index % 30 for index in range(len(frames))
    ]


def test_what_is_no_video_is_refused(tmp_path):
    path = write_video(tmp_path / "a.mp4")
    path.write_bytes(path.read_bytes()[:1000])  # its index was at the end
    with pytest.raises(ValueError, match=r"a\.mp4 can't be read as a video: it is damaged"):
        read_video(path)
    path.write_bytes(b"")
    with pytest.raises(ValueError, match=r"a\.mp4 is empty \(0 bytes\)"):
        read_video(path)
    path.write_text("no video\n" * 1000)
    with pytest.raises(ValueError, match="can't be read as a video"):
        read_video(path)
    with pytest.raises(FileNotFoundError, match=r"no video .*absent\.mp4"):
        read_video(tmp_path / "absent.mp4")
    with pytest.raises(ValueError, match="stride of at least 1, got 0"):
        read_video(path, stride=0)


def test_a_video_without_frames_is_refused(tmp_path):
    path = write_video(tmp_path / "a.avi", count=10)
    content = path.read_bytes()
    path.write_bytes(content[: content.index(b"movi") + 4])
    with pytest.raises(ValueError, match=r"a\.avi (has no frame|can't be read)"):
        list(read_video(path))


def test_a_missing_camera_is_told():
    with pytest.raises(FileNotFoundError, match="camera 97 can't be opened"):
        read_video(97)


def test_odd_and_changing_sizes_are_written(tmp_path):
    with VideoWriter(tmp_path / "a.mp4", 30) as writer:
        writer.write(numbered_frame(3, (161, 121)))
        writer.write(numbered_frame(4, (322, 242)))
    shapes = [frame.rgb.shape for frame in read_video(tmp_path / "a.mp4")]
    assert shapes == [(120, 160, 3)] * 2


def test_frames_get_the_time_of_their_encoding(tmp_path):
    times = [{"end to end": 5}, {}]
    with VideoWriter(tmp_path / "a.mp4", 30) as writer:
        for entry in times:
            writer.write(numbered_frame(0), entry)
    assert times[0]["end to end"] == times[0]["encode"] + 5 > 5
    assert set(times[1]) == {"encode"}


def test_an_exception_leaves_a_playable_file(tmp_path):
    def interrupted():
        with VideoWriter(tmp_path / "a.mp4", 25) as writer:
            for index in range(10):
                writer.write(numbered_frame(index))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert len(list(read_video(tmp_path / "a.mp4"))) == 10


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".avi"])
def test_a_killed_process_leaves_most_of_a_video_or_the_older_one(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    write_video(path, count=3)
    code = f"""
import os, signal, time
import numpy as np
from affectkit.pipeline.video.write import VideoWriter
noise = np.random.default_rng(0).integers(0, 255, (240, 320, 3), np.uint8)
writer = VideoWriter({str(path)!r}, 25)
for index in range(100):
    writer.write(np.roll(noise, index))
while writer.frames_written < 100:
    time.sleep(0.01)
os.kill(os.getpid(), signal.SIGKILL)
"""
    subprocess.run([sys.executable, "-c", code], check=False, timeout=60)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the note that it is truncated
        frames = len(list(read_video(path)))
    if suffix != ".mp4":
        assert frames > 50
        return
    assert frames == 3
    assert len(list(tmp_path.iterdir())) == 2
    write_video(path, count=5)
    assert len(list(read_video(path))) == 5
    assert list(tmp_path.iterdir()) == [path]


def test_a_video_that_got_no_frame_leaves_no_file(tmp_path):
    with VideoWriter(tmp_path / "a.mp4", 25):
        pass
    assert list(tmp_path.iterdir()) == []


def test_what_cant_be_written_is_told(tmp_path):
    with pytest.raises(ValueError, match=r"end in \.mp4, \.mkv, \.avi, got .*a\.gif"):
        VideoWriter(tmp_path / "a.gif", 25)
    with pytest.raises(ValueError, match="frame rate above 0"):
        VideoWriter(tmp_path / "a.mp4", 0)
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        VideoWriter(tmp_path / "file/a.mp4", 25)
    (tmp_path / "b.mp4").mkdir()
    with pytest.raises(OSError, match="Is a directory"):
        VideoWriter(tmp_path / "b.mp4", 25)


def test_a_codec_that_is_missing_is_told(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules["affectkit.pipeline.video.write"].CODECS, ".mp4", "none")
    with (
        pytest.raises(OSError, match=r"did not open a \.mp4 of 160 x 120 pixels"),
        VideoWriter(tmp_path / "a.mp4", 25) as writer,
    ):
        writer.write(numbered_frame(0))


def test_a_full_disk_is_told(tmp_path):
    code = f"""
import resource
import numpy as np
from affectkit.pipeline.video.write import VideoWriter
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
noise = np.random.default_rng(0).integers(0, 255, (120, 160, 3), np.uint8)
try:
    with VideoWriter({str(tmp_path / "a.mp4")!r}, 25) as writer:
        for _ in range(200):
            writer.write(np.roll(noise, 7))
            noise = np.roll(noise, 1)
except OSError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert "could not be written to its end" in done.stdout, done.stderr
    assert "disk is full or a quota reached" in done.stdout


@pytest.mark.parametrize("name", ["ein Film mit Lücken.mp4", "映画.mp4"])
def test_names_with_blanks_and_other_letters(tmp_path, name):
    assert len(list(read_video(write_video(tmp_path / name, count=3)))) == 3
