"""Videos and sources that people really have: issue 21, kind 4, and their neighbours."""

import struct
import warnings

import cv2
import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from affectkit import AffectPipeline
from affectkit.cli import app
from affectkit.pipeline import VideoWriter, process_video, read_video
from affectkit.pipeline.predict.inputs import find_inputs
from affectkit.pipeline.video.open import parse_source
from affectkit.pipeline.video.tracks import early_tracks


@pytest.fixture(scope="module")
def cases(shared):
    return shared / "cases"


@pytest.fixture(scope="module")
def pipeline():
    return AffectPipeline(track=True)


def read_all(path, stride=1):
    """Give the frames of a video and the notes about it."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        frames = list(read_video(path, stride))
    return frames, [str(warning.message) for warning in caught]


def write_with_opencv(path, codec="mp4v", count=30, size=(160, 120), rate=25.0):
    """Frames on which a white bar of 4 pixels a frame grows from the left."""
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*codec), rate, size)
    assert writer.isOpened(), path
    for index in range(count):
        frame = np.zeros((size[1], size[0], 3), np.uint8)
        frame[:, : 4 * (index + 1)] = 255
        writer.write(frame)
    writer.release()
    return path


def damage_packets(path, first, last):
    """Overwrite the pictures number `first` to `last` of an MP4 that OpenCV wrote."""
    content = bytearray(path.read_bytes())
    sizes_at, places_at = content.index(b"stsz"), content.index(b"stco")
    (count,) = struct.unpack_from(">I", content, sizes_at + 12)
    sizes = struct.unpack_from(f">{count}I", content, sizes_at + 16)
    (start,) = struct.unpack_from(">I", content, places_at + 12)
    begin, end = start + sum(sizes[:first]), start + sum(sizes[: last + 1])
    content[begin:end] = bytes(end - begin)
    path.write_bytes(content)


def hide_all_but(path, milliseconds, media_time=0):
    """Let the edit list of an MP4 that OpenCV wrote show only so much of it."""
    content = bytearray(path.read_bytes())
    at = content.index(b"elst") + 12
    struct.pack_into(">II", content, at, milliseconds, media_time)
    path.write_bytes(content)


def set_pixel_aspect(path, width, height):
    """Give an MP4 that OpenCV wrote another pixel aspect ratio."""
    content = bytearray(path.read_bytes())
    new = struct.pack(">I4sII", 16, b"pasp", width, height)
    entry = content.rindex(b"mp4v") - 4
    (size,) = struct.unpack_from(">I", content, entry)
    content[entry + size : entry + size] = new
    for name in (b"mp4v", b"stsd", b"stbl", b"minf", b"mdia", b"trak", b"moov"):
        at = content.rindex(name) - 4
        (size,) = struct.unpack_from(">I", content, at)
        struct.pack_into(">I", content, at, size + len(new))
    path.write_bytes(content)


@pytest.mark.needs_shared
@pytest.mark.parametrize(
    ("name", "read", "lost", "last"),
    [
        ("03-video-damaged-packet/zeros_mid.mp4", 50, 10, 1.967),
        ("04-video-real-damaged/no_timescale.mp4", 170, 12, 6.009),
    ],
)
def test_frames_after_a_damaged_one_are_read_and_lost_ones_counted(cases, name, read, lost, last):
    frames, notes = read_all(cases / name)
    assert [frame.index for frame in frames] == list(range(read))
    assert np.all(np.diff([frame.seconds for frame in frames]) > 0)
    assert frames[-1].seconds == pytest.approx(last, abs=1e-3)
    assert len(notes) == 1
    assert f"damaged: {lost} of its frames can't be decoded; the other {read} are used" in notes[0]


@pytest.mark.needs_shared
@pytest.mark.parametrize("stride", [1, 7])
def test_a_stride_counts_the_same_lost_frames(cases, stride):
    frames, notes = read_all(cases / "03-video-damaged-packet/zeros_mid.mp4", stride)
    assert [frame.index for frame in frames] == list(range(0, 50, stride))
    assert "10 of its frames" in notes[0]


def test_a_long_hole_is_passed(tmp_path):
    path = write_with_opencv(tmp_path / "hole.mp4", count=700, size=(64, 48))
    damage_packets(path, 30, 629)
    frames, notes = read_all(path)
    assert len(frames) >= 90
    assert frames[-1].seconds == pytest.approx(699 / 25)
    assert "frames can't be decoded" in notes[0]


def test_a_damaged_end_is_told(tmp_path):
    path = write_with_opencv(tmp_path / "end.mp4", count=60)
    damage_packets(path, 40, 59)
    frames, notes = read_all(path)
    assert len(frames) == 40
    assert len(notes) == 1
    assert "ends after 40 of its 60 frames: it is truncated or damaged" in notes[0]


@pytest.mark.needs_shared
def test_a_video_that_was_trimmed_is_not_called_truncated(cases):
    frames, notes = read_all(cases / "05-video-trimmed-false-alarm/cut_editlist.mp4")
    assert len(frames) == 39
    assert not notes


@pytest.mark.parametrize("media_time", [0, 512 * 30])
def test_edit_lists_may_hide_the_beginning_and_the_end(tmp_path, media_time):
    path = write_with_opencv(tmp_path / "trimmed.mp4", count=100)
    hide_all_but(path, 1000, media_time)
    frames, notes = read_all(path)
    assert 24 <= len(frames) <= 27
    assert not notes


@pytest.mark.needs_shared
@pytest.mark.parametrize("name", ["half", "hdv"])
def test_frames_come_in_square_pixels_and_give_the_same_answers(cases, pipeline, name):
    answers = {}
    for one in ("sq", name):
        rows = answers[one] = []
        process_video(
            pipeline,
            cases / f"06-video-anamorphic/{one}.mp4",
            on_faces=lambda index, seconds, faces, rows=rows: rows.extend(
                (index, face.expression, face.valence, face.arousal) for face in faces
            ),
        )
        assert next(iter(read_video(cases / f"06-video-anamorphic/{one}.mp4"))).rgb.shape == (
            *(480, 640, 3),
        )
    square, other = (pd.DataFrame(rows) for rows in answers.values())
    assert len(square) == len(other) == 60
    assert (square[1] == other[1]).mean() > 0.9
    assert (square[[2, 3]] - other[[2, 3]]).abs().mean().max() < 0.06


@pytest.mark.parametrize(
    ("ratio", "width"), [((2, 1), 320), ((8, 9), 142), ((1000, 1001), 160), ((0, 1), 160)]
)
def test_pixels_are_widened_or_narrowed(tmp_path, ratio, width):
    path = write_with_opencv(tmp_path / "oblong.mp4", count=30)
    set_pixel_aspect(path, *ratio)
    frames, notes = read_all(path)
    assert {frame.rgb.shape for frame in frames} == {(120, width, 3)}
    bar = (frames[9].rgb[60, :, 0] > 128).sum()
    assert bar == pytest.approx(40 * width / 160, abs=2)
    assert not notes


def test_the_pixels_of_a_turned_video_are_turned(tmp_path):
    path = write_with_opencv(tmp_path / "turned.mp4", count=5)
    set_pixel_aspect(path, 2, 1)
    content = bytearray(path.read_bytes())
    matrix = (0, 1 << 16, 0, -(1 << 16), 0, 0, 0, 0, 1 << 30)
    start = content.index(b"tkhd") - 4
    content[start + 48 : start + 84] = struct.pack(">9i", *matrix)
    path.write_bytes(content)
    assert read_all(path)[0][0].rgb.shape == (320, 120, 3)


def test_a_senseless_aspect_is_told(tmp_path):
    path = write_with_opencv(tmp_path / "senseless.mp4", count=5)
    set_pixel_aspect(path, 500, 1)
    frames, notes = read_all(path)
    assert frames[0].rgb.shape == (120, 160, 3)
    assert "pixels are 500:1, which is taken for a mistake" in notes[0]


@pytest.mark.needs_shared
def test_the_rate_is_that_of_the_time_stamps(cases, pipeline, tmp_path):
    path = cases / "25-video-rate-nonsense/clip.avi"
    frames, notes = read_all(path)
    assert len(frames) == 60
    assert not notes
    np.testing.assert_allclose(np.diff([frame.seconds for frame in frames]), 1 / 30, atol=1e-3)
    process_video(pipeline, path, tmp_path / "seen.mp4")
    seen = read_video(tmp_path / "seen.mp4")
    assert seen.frames_per_second == pytest.approx(30)
    assert len(list(seen)) == 60


@pytest.mark.needs_shared
def test_an_annotated_video_keeps_the_time_of_lost_frames(cases, pipeline, tmp_path):
    path = cases / "03-video-damaged-packet/zeros_mid.mp4"
    with pytest.warns(UserWarning, match="10 of its frames"):
        process_video(pipeline, path, tmp_path / "seen.mp4")
    assert len(list(read_video(tmp_path / "seen.mp4"))) == 60


@pytest.mark.needs_shared
def test_a_raw_stream_is_read_with_a_note_on_its_rate(cases):
    (path,) = (cases / "07-video-elementary-stream").glob("*.h264")
    frames, notes = read_all(path)
    assert len(frames) == 60
    np.testing.assert_allclose([frame.seconds for frame in frames], np.arange(60) / 25)
    assert len(notes) == 1
    assert "has no time stamps: 25 frames a second are assumed" in notes[0]


@pytest.mark.needs_shared
def test_a_folder_gives_its_videos_whatever_their_names_end_in(cases):
    for name, suffixes in (
        ("07-video-elementary-stream", {".h264"}),
        ("08-video-ends-not-in-list", {".mp4", ".asf", ".vob"}),
    ):
        found = find_inputs([cases / name])
        assert {file.path.suffix for file in found.files if file.is_video} == suffixes
        for file in found.files:
            assert len(read_all(file.path)[0]) == 60


@pytest.mark.parametrize(
    ("suffix", "codec"),
    [
        *((".m4v", "mp4v"), (".avi", "MJPG"), (".mkv", "MJPG"), (".mov", "mp4v")),
        *((".3gp", "mp4v"), (".ts", "mp4v"), (".asf", "WMV2"), (".wmv", "WMV1"), (".flv", "FLV1")),
        *((".vob", "mpg2"), (".mpg", "mpg1"), (".m2ts", "mpg2"), (".nut", "mp4v")),
        *((".mxf", "mpg2"), (".mjpeg", "MJPG"), (".webm", "VP80"), (".ogv", "VP80")),
    ],
)
def test_containers_that_hold_their_pictures_are_read(tmp_path, suffix, codec):
    path = tmp_path / f"clip{suffix}"
    writer = cv2.VideoWriter(
        str(path), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*codec), 25.0, (320, 240)
    )
    if not writer.isOpened():
        pytest.skip(f"this OpenCV does not write {suffix}")
    for index in range(20):
        writer.write(np.full((240, 320, 3), 10 * index, np.uint8))
    writer.release()
    files = find_inputs([tmp_path]).files
    assert [(file.path.name, file.is_video) for file in files] == [(path.name, True)]
    frames, notes = read_all(path)
    assert len(frames) == 20
    assert frames[-1].rgb.mean() == pytest.approx(190, abs=6)
    assert not notes


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.mp4", b"\xef\xbb\xbf#EXTM3U\n#EXTINF:1,\nb.ts\n", "is a playlist.* name the videos"),
        ("a.mpd", b'<?xml version="1.0"?>\n<MPD xmlns="x">', "is a playlist"),
        ("a.mkv", b"ffconcat version 1.0\nfile b.mp4\n", "is a playlist"),
        ("a.mp4", b"\x89PNG\r\n\x1a\n" + bytes(99), r"is a picture \(PNG\)"),
        ("a.mp4", b"\xff\xd8\xff\xe0" + bytes(99), r"is a picture \(JPEG\)"),
        ("a.swf", b"FWS\x06" + bytes(99), "is a Flash film.* convert it"),
        ("a.mp4", b"PK\3\4" + bytes(99), "is a zip archive.* unpack it"),
    ],
)
def test_what_is_no_video_is_refused_for_what_it_is(tmp_path, name, content, reason):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=f"can't be read as a video: it {reason}"):
        read_video(tmp_path / name)


@pytest.mark.parametrize(
    "address", ["rtsp://10.0.0.9/live", "http://10.0.0.9/a.mp4", "RTMP://h/x", "srt://h:9"]
)
def test_addresses_are_refused_by_name(address, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    reason = "is an address, and nothing is read from a network: save it to a file first"
    with pytest.raises(ValueError, match=f"^{address} {reason}"):
        parse_source(address)
    with pytest.raises(ValueError, match=reason):
        read_video(address)
    ((name, missing),) = find_inputs([address]).missing
    assert name == address
    assert reason in missing
    for command in (f"camera --headless -c {address}", f"predict {address} --output r.csv"):
        done = CliRunner().invoke(app, command.split())
        assert done.exit_code == 2
        assert "is an address" in f"{done.output}{done.exception}"


def test_file_addresses_are_refused_by_name():
    with pytest.raises(ValueError, match="name the file by its path"):
        parse_source("file:///home/a.mp4")


def test_cameras_are_numbers_devices_or_links_to_them(tmp_path):
    (tmp_path / "usb-cam").symlink_to("/dev/video3")
    assert parse_source("2") == 2
    assert parse_source("/dev/video12") == 12
    assert parse_source(tmp_path / "usb-cam") == 3
    assert parse_source("clip.mp4").name == "clip.mp4"


def test_predict_tells_what_to_do_with_a_device(tmp_path):
    (tmp_path / "video0").symlink_to("/dev/null")
    for path in ("/dev/null", tmp_path / "video0"):
        ((name, reason),) = find_inputs([path]).failed
        assert name == str(path)
        assert "is a device" in reason
        assert "affectkit camera --source" in reason


def test_a_device_that_is_no_camera_is_refused():
    with pytest.raises(ValueError, match="/dev/null is a device"):
        read_video("/dev/null")


def test_a_written_video_reads_without_notes(tmp_path):
    with VideoWriter(tmp_path / "a.mkv", 12.5) as writer:
        for _ in range(40):
            writer.write(np.zeros((120, 160, 3), np.uint8))
    frames, notes = read_all(tmp_path / "a.mkv")
    assert len(frames) == 40
    assert not notes


def box(name, *contents):
    content = b"".join(contents)
    return struct.pack(">I4s", 8 + len(content), name) + content


def second_track(first, second, enabled):
    """Give an MP4 of two that OpenCV wrote: both tracks, of which the `enabled` are the default."""
    one, two = first.read_bytes(), second.read_bytes()
    head, mdat = (one.index(name) - 4 for name in (b"ftyp", b"mdat"))
    pictures = [
        content[content.index(b"mdat") + 4 : content.index(b"moov") - 4] for content in (one, two)
    ]
    tracks = []
    start = mdat + 8
    for number, content in enumerate((one, two)):
        at = content.index(b"trak") - 4
        (size,) = struct.unpack_from(">I", content, at)
        track = bytearray(content[at : at + size])
        old = content.index(b"mdat") + 4
        (place,) = struct.unpack_from(">I", track, track.index(b"stco") + 12)
        struct.pack_into(">I", track, track.index(b"stco") + 12, place - old + start)
        header = track.index(b"tkhd")
        track[header + 7] = 3 if number in enabled else 2
        struct.pack_into(">I", track, header + 16, number + 1)
        tracks.append(bytes(track))
        start += len(pictures[number])
    movie = one[one.index(b"mvhd") - 4 : one.index(b"trak") - 4]
    return one[head:mdat] + box(b"mdat", *pictures) + box(b"moov", movie, *tracks)


@pytest.mark.parametrize(("enabled", "width"), [([0], 160), ([1], 320), ([0, 1], 160), ([], 160)])
def test_of_several_tracks_the_default_one_is_read(tmp_path, enabled, width):
    one = write_with_opencv(tmp_path / "one.mp4", count=10)
    two = write_with_opencv(tmp_path / "two.mp4", count=10, size=(320, 240))
    (tmp_path / "both.mp4").write_bytes(second_track(one, two, enabled))
    frames, notes = read_all(tmp_path / "both.mp4")
    assert {frame.rgb.shape[1] for frame in frames} == {width}
    assert len(frames) == 10
    assert not notes
    (size,) = {(frame.rgb[5, :, 0] > 128).sum() for frame in frames[9:]}
    assert size == pytest.approx(40, abs=2)


def element(name, *contents):
    """An element of Matroska with eight bytes of size."""
    content = b"".join(contents)
    return bytes.fromhex(name) + struct.pack(">Q", len(content) | 1 << 56) + content


def matroska(*tracks):
    entries = (element("ae", *track) for track in tracks)
    return element("1a45dfa3") + element(
        "18538067", element("ec", bytes(9)), element("1654ae6b", *entries)
    )


VIDEO, SOUND = element("83", b"\1"), element("83", b"\2")
OTHER, DEFAULT = element("88", b"\0"), element("88", b"\1")


@pytest.mark.parametrize(
    ("tracks", "hidden"),
    [
        ([(VIDEO, OTHER), (SOUND,), (VIDEO, DEFAULT)], 1),
        ([(VIDEO, OTHER), (VIDEO, OTHER), (VIDEO,)], 2),
        ([(VIDEO,), (VIDEO, DEFAULT)], 0),
        ([(SOUND,), (VIDEO, OTHER)], 0),
        ([], 0),
    ],
)
def test_tracks_of_matroska_before_the_default_one_are_hidden(tmp_path, tracks, hidden):
    content = matroska(*tracks)
    (tmp_path / "a.mkv").write_bytes(content)
    changes = early_tracks(tmp_path / "a.mkv")
    assert len(changes) == hidden
    for place, mask in changes.items():
        assert content[place - 9 : place + 1] == VIDEO
        assert mask == b"\x11"


@pytest.mark.parametrize("length", range(0, 120, 7))
def test_what_was_cut_off_hides_no_track(tmp_path, length):
    content = matroska((VIDEO, OTHER), (VIDEO,))
    for name, whole in (("a.mkv", content), ("a.mp4", box(b"ftyp") + box(b"moov", box(b"trak")))):
        (tmp_path / name).write_bytes(whole[:length])
        assert set(early_tracks(tmp_path / name).values()) <= {b"\x11"}
