"""The widget without a browser: a page's messages are handed to it, and its own are kept."""

from __future__ import annotations

import base64
import inspect
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from affectkit import AffectPipeline
from affectkit.cli import camera as camera_command
from affectkit.labels import EXPRESSION_COLOURS, EXPRESSIONS
from affectkit.pipeline import FaceAffect, VideoWriter
from affectkit.widgets import AffectCamera, Snapshot, sample_frames
from affectkit.widgets.camera import LIVE_SMOOTHING
from affectkit.widgets.sample_clip import decode_frame, encode_frame
from affectkit.widgets.session_record import COLUMNS

LONG = 60
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=7) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=10,
)


class Page:
    """Sends what a page sends to a widget, and keeps what the widget sends."""

    def __init__(self, camera, session="one"):
        self.camera, self.session, self.sent = camera, session, []
        self._changed = threading.Condition()
        send = camera.send

        def keep(content, buffers=None):
            send(content, buffers)
            with self._changed:
                self.sent.append((content, buffers))
                self._changed.notify_all()

        camera.send = keep

    def say(self, kind, buffers=(), session=None, **content):
        message = {"type": kind, "session": self.session if session is None else session, **content}
        self.camera._handle_custom_msg(message, [memoryview(part) for part in buffers])

    def frame(self, number, image, session=None):
        jpeg = encode_frame(image)
        self.say("frame", [jpeg], session, number=number, time=number / 10)
        return decode_frame(jpeg)

    def wait(self, kind, count=1):
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.of_kind(kind)) >= count, LONG)
        return self.of_kind(kind)

    def of_kind(self, kind):
        return [content for content, _ in self.sent if content["type"] == kind]


@pytest.fixture(scope="module")
def happy():
    return next(sample_frames(("Happy",), (0.7,)))


@pytest.fixture
def camera():
    cameras = []

    def make(*arguments, **settings):
        cameras.append(AffectCamera(*arguments, **settings))
        return cameras[-1]

    yield make
    for made in cameras:
        made.close()


def nobody(image):
    return []


def test_an_answer_is_what_the_pipeline_says(camera, happy):
    widget = camera(smoothing=0)
    page = Page(widget)
    page.say("view")
    page.say("hello", mode="camera")
    image = page.frame(0, happy)
    (answer,) = page.wait("result")
    (face,) = AffectPipeline()(image)
    assert (answer["session"], answer["number"]) == ("one", 0)
    (told,) = answer["faces"]
    assert told["expression"] == face.expression == "Happy"
    np.testing.assert_allclose(told["probabilities"], list(face.probabilities.values()), atol=1e-4)
    np.testing.assert_allclose(told["box"], np.divide(face.box, [640, 480] * 2), atol=1e-4)
    assert told["valence"] == pytest.approx(face.valence, abs=1e-4)
    stages = {"queue", "decode", "detect", "crop", "preprocess", "classify", "residual"}
    assert stages <= set(answer["milliseconds"])
    assert sum(answer["milliseconds"].values()) <= answer["kernel"] + 0.1
    snapshot = widget.snapshot
    assert isinstance(snapshot, Snapshot)
    np.testing.assert_array_equal(snapshot.image, image)
    assert snapshot.faces[0].expression == "Happy"
    assert widget.record["expression"].tolist() == ["Happy"]
    assert tuple(widget.record.columns) == COLUMNS
    page.say("bye", reason="user", times=[[0, 1, 2, 30, 1, 40]])
    assert widget.statistics["milliseconds"]["latency"] == 40
    assert widget.statistics["frames"] == 1
    assert widget.status == "idle"


def test_a_view_asks_whether_the_kernel_is_there(camera):
    page = Page(camera(nobody))
    page.say("ask")
    assert page.of_kind("ready") == [{"type": "ready", "session": "one"}]


def test_what_people_watch_is_smoothed_as_in_the_window_and_what_is_measured_is_not(camera):
    (window,) = [
        parameter.default
        for name, parameter in inspect.signature(camera_command.run).parameters.items()
        if name == "smoothing"
    ]
    assert window == LIVE_SMOOTHING
    frames = list(sample_frames(("Neutral", "Happy"), (0.7,) * 3))
    for settings, smoothing in (({}, window), ({"headless": True}, 0), ({"smoothing": 0.3}, 0.3)):
        widget = camera(**settings)
        page = Page(widget)
        page.say("hello", mode="camera")
        pipeline = AffectPipeline(smoothing=smoothing, track=True)
        for number, frame in enumerate(frames):
            (expected,) = pipeline(page.frame(number, frame))
            answer = page.wait("result", number + 1)[number]["faces"][0]
            assert answer["valence"] == pytest.approx(expected.valence, abs=1e-4)
            assert answer["probabilities"] == pytest.approx(
                list(expected.probabilities.values()), abs=1e-4
            )
        assert widget.record["valence"].iloc[-1] == expected.valence
        assert widget.snapshot.faces[0].valence == expected.valence


def test_a_still_leaves_no_trace_and_calls_no_function_of_a_user(camera, happy):
    widget = camera()
    data, metadata = widget._repr_mimebundle_()
    assert widget._repr_mimebundle_()[0] == data
    assert base64.b64decode(data["image/png"]) == widget.get_state()["_still"]
    assert "Happy" in metadata["image/png"]["alt"]
    assert (widget.statistics["frames"], len(widget.record), widget.snapshot) == (0, 0, None)
    page = Page(widget)
    page.say("hello", mode="camera")
    page.frame(0, happy)
    assert page.wait("result")[0]["faces"][0]["track"] == 0
    calls = []
    other = camera(lambda image: calls.append(image) or [])
    assert other._repr_mimebundle_()[1]["image/png"]["alt"] == "A drawn face."
    assert calls == []


def test_only_the_newest_frame_is_worked_on(camera, happy):
    started, go = threading.Event(), threading.Event()

    def slow(image):
        started.set()
        go.wait(LONG)
        return []

    widget = camera(slow)
    page = Page(widget)
    page.say("hello", mode="camera")
    page.frame(0, happy)
    assert started.wait(LONG)
    for number in (1, 2, 3):
        page.frame(number, happy)
    go.set()
    assert [answer["number"] for answer in page.wait("result", 2)] == [0, 3]
    assert [drop["number"] for drop in page.of_kind("drop")] == [1, 2]
    assert widget.statistics["dropped"] == 2


def test_the_newest_view_owns_the_camera(camera, happy):
    widget = camera(nobody)
    page = Page(widget)
    page.say("hello", session="one", mode="camera")
    page.say("hello", session="two", mode="camera")
    assert [stop["session"] for stop in page.of_kind("stop")] == ["one"]
    page.frame(7, happy, session="one")  # was on its way
    assert [stop["session"] for stop in page.of_kind("stop")] == ["one", "one"]
    page.frame(0, happy, session="two")
    assert page.wait("result")[0]["session"] == "two"
    page.say("bye", session="one", reason="stopped")
    assert widget.status == "streaming"


def test_an_error_of_the_pipeline_is_told_and_the_stream_goes_on(camera, happy):
    def moody(image):
        if widget.statistics["errors"] == 0:
            raise ZeroDivisionError("no luck")
        return []

    widget = camera(moody)
    page = Page(widget)
    page.say("hello", mode="camera")
    page.frame(0, happy)
    (error,) = page.wait("error")
    assert error["text"] == "The pipeline failed: ZeroDivisionError: no luck"
    assert "in moody" in widget.last_error
    page.frame(1, happy)
    assert page.wait("result")[0]["number"] == 1
    assert widget.statistics["errors"] == 1


@pytest.mark.parametrize(
    "message",
    [
        "text",
        {},
        {"type": "frame"},
        {"type": "frame", "session": "one"},
        {"type": "frame", "session": "one", "number": "0", "time": 0},
        {"type": "unknown", "session": "one"},
        {"type": "bye", "session": 3},
        {"type": "shown", "session": "one", "times": 5},
    ],
)
def test_messages_that_make_no_sense_are_left_alone(camera, message):
    widget = camera(nobody)
    page = Page(widget)
    widget._handle_custom_msg(message, [])
    widget._handle_custom_msg(message, [memoryview(b"no JPEG")])
    assert page.of_kind("result") == []
    assert widget.status == "no page"


@given(st.dictionaries(st.sampled_from(["type", "session", "number", "time", "times"]), anything))
def test_a_page_may_send_anything(message):
    widget = AffectCamera(nobody)
    for kind in ("frame", "shown", "bye", "status", message.get("type")):
        widget._handle_custom_msg(message | {"type": kind}, [])
    assert widget.statistics["frames"] == 0
    widget.close()


def test_a_damaged_frame_is_told(camera):
    page = Page(camera(nobody))
    page.say("hello", mode="camera")
    page.say("frame", [b"no JPEG"], number=0, time=0.0)
    assert "expected a JPEG" in page.wait("error")[0]["text"]


def test_start_waits_for_a_page_and_stop_reaches_all(camera):
    widget = camera(nobody)
    page = Page(widget)
    widget.start()
    assert widget.status == "no page"
    page.say("page", session="")
    assert widget.status == "idle"
    assert widget.wait_for_page(0)
    assert page.of_kind("start") == []
    page.say("view")
    assert page.of_kind("start") == [{"type": "start", "session": "one"}]
    page.say("view", session="two")
    assert len(page.of_kind("start")) == 1
    widget.start()
    assert page.of_kind("start")[-1]["session"] == "two"
    widget.stop()
    assert page.of_kind("stop")[-1]["session"] is None


def test_so_many_frames_and_no_more(camera, happy):
    widget = camera(nobody, maximum_frames=2)
    page = Page(widget)
    page.say("hello", mode="camera")
    for number in range(2):
        page.frame(number, happy)
        page.wait("result", number + 1)
    assert page.wait("stop")[0]["text"] == "2 frames were looked at."
    page.frame(2, happy)  # was on its way
    assert page.wait("drop")[0]["number"] == 2
    assert widget.statistics["frames"] == 2


def test_the_clip_is_sent_on_demand(camera, variable_rate_video):
    widget = camera(nobody, sample=variable_rate_video[0])
    page = Page(widget)
    page.say("clip")
    (clip,) = page.wait("clip")
    (buffers,) = [parts for content, parts in page.sent if content is clip]
    assert clip["session"] == "one"
    assert decode_frame(buffers[0]).shape == (120, 160, 3)


def test_a_video_at_the_kernel_is_shown_in_the_page(camera, happy, tmp_path):
    path = tmp_path / "happy.mp4"
    with VideoWriter(path, 25) as writer:
        for _ in range(3):
            writer.write(np.ascontiguousarray(happy[..., ::-1]))
    widget = camera(source=path, resolution=(320, 240))
    page = Page(widget)
    page.say("view")
    page.say("kernel")
    page.wait("result", 2)
    for number in range(4):
        page.say("shown", number=number)
    answers = page.wait("result", 6)[:6]
    assert [answer["number"] for answer in answers] == list(range(6))
    assert {answer["faces"][0]["expression"] for answer in answers} == {"Happy"}
    (picture,) = next(parts for content, parts in page.sent if content["type"] == "result")
    assert decode_frame(picture).shape == (240, 320, 3)
    page.say("bye", reason="page closed")
    end = time.monotonic() + LONG
    while any(thread.name == "kernel source" for thread in threading.enumerate()):
        assert time.monotonic() < end
        time.sleep(0.05)
    assert widget.snapshot.image.shape == (480, 640, 3)


def test_headless_runs_the_clip_and_ends(camera):
    widget = camera(headless=True)
    record = widget.run_headless(maximum_frames=30)
    assert record["frame"].tolist() == list(range(30))
    assert record["time"].tolist() == pytest.approx([number / 15 for number in range(30)])
    assert record["expression"][5] == "Neutral"
    assert record["expression"][17] == "Happy"
    pipeline = AffectPipeline(track=True)
    expected = [
        pipeline(frame)[0].valence for frame, _ in zip(sample_frames(), range(30), strict=0)
    ]
    np.testing.assert_array_equal(record["valence"], expected)
    assert widget.statistics["frames"] == 30


def test_auto_runs_by_itself_only_where_no_page_is(camera, variable_rate_video, monkeypatch):
    monkeypatch.setattr("affectkit.widgets.camera.PAGE_SECONDS", 0.05)
    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)
    looked = []

    def look(image):
        looked.append(image.shape)
        return []

    widget = camera(look, sample=variable_rate_video[0], headless="auto")
    widget.start()
    assert looked == [(120, 160, 3)] * 6
    page = Page(widget)
    page.say("view")
    assert len(widget.run_headless()) == 0
    widget.start()
    assert len(looked) == 6
    assert len(page.of_kind("start")) == 1


def test_headless_tells_what_is_wrong(camera):
    widget = camera(nobody, source=0)
    with pytest.raises(ValueError, match="maximum_frames for a camera"):
        widget.run_headless()
    with pytest.raises(FileNotFoundError, match="camera 99 can't be opened"):
        widget.run_headless(99, maximum_frames=1)
    with pytest.raises(FileNotFoundError, match="there is no video nowhere.mp4"):
        widget.run_headless("nowhere.mp4")
    widget = camera(lambda image: [][0])
    with pytest.raises(RuntimeError, match="IndexError: list index out of range"):
        widget.run_headless(maximum_frames=1)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"headless": "yes"}, "headless as True, False or 'auto', got 'yes'"),
        ({"maximum_frames": 0}, "maximum_frames of at least 1, got 0"),
        ({"max_in_flight": 9}, "should not be greater than 8"),
        ({"resolution": (1, 1)}, "resolution of 32..4096, got 1x1"),
        ({"frames_per_second": -1}, "should not be less than 0.1"),
        ({"pipeline": "unknown"}, "expected a checkpoint"),
    ],
)
def test_impossible_settings_are_told(settings, message):
    with pytest.raises(ValueError, match=message):
        AffectCamera(**({"pipeline": nobody} | settings))


def test_settings_reach_the_page(camera):
    widget = camera(nobody, mirror=False, resolution=(320, 240), sample=False)
    state = widget.get_state()
    assert (state["mirror"], list(state["resolution"])) == (False, [320, 240])
    assert state["_expressions"] == list(EXPRESSIONS)
    assert state["_colours"] == [EXPRESSION_COLOURS[name] for name in EXPRESSIONS]
    assert state["_has_sample"] is False
    assert "getUserMedia" in state["_esm"]
    page = Page(widget)
    page.say("view")
    page.sent.clear()
    widget.mirror = True
    assert page.of_kind("nothing") == [{"type": "nothing", "session": None}]


def test_nothing_of_a_session_is_kept_without_a_record(camera, happy):
    face = FaceAffect((0, 0, 9, 9), 0.9, None, {}, 0.1, 0.2)
    widget = camera(lambda image: [face], record=False)
    page = Page(widget)
    page.say("hello", mode="camera")
    page.frame(0, happy)
    page.wait("result")
    assert len(widget.record) == 0
    assert tuple(widget.record.columns) == COLUMNS


def test_what_notebooks_keep_of_it_is_always_the_same(camera):
    assert repr(camera(nobody)) == repr(camera(nobody)) == "AffectCamera(source='browser')"


def test_importing_the_subpackage_is_quick():
    code = "import sys, affectkit.widgets; print({'cv2', 'anywidget', 'numpy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
