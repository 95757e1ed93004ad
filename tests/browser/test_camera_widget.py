"""The camera widget in JupyterLab, in Chromium, with a camera of drawn frames.

One server, one browser and one kernel serve all tests that can share them; they run in order.
"""

from __future__ import annotations

import json
import os
import shutil
from base64 import b64decode
from pathlib import Path

import cv2
import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient
from nbconvert import HTMLExporter
from playwright.sync_api import expect

from affectkit import AffectPipeline
from affectkit.labels import EXPRESSIONS
from affectkit.widgets import sample_frames

ROOT = Path(__file__).resolve().parents[2]
CAMERA_APP = ROOT / "notebooks" / "apps" / "camera.ipynb"
WEBCAM_NOTEBOOK = ROOT / "notebooks" / "06_webcam_demo.ipynb"
LONG = 120_000  # milliseconds
SHOW = """
import sys, threading, time
from affectkit.widgets import AffectCamera
camera = AffectCamera(smoothing=0)
camera
"""
MOODY = """
calls = []
def moody(image):
    calls.append(1)
    if len(calls) % 10 == 3:
        raise ZeroDivisionError("no luck")
    return []
moody_camera = AffectCamera(moody)
moody_camera
"""
CELLS = [SHOW, "camera", MOODY, "AffectCamera(source='film.mp4')"]
BUSY = "end = time.monotonic() + 5\nwhile time.monotonic() < end: pass"
SETTLE = """
rows = -1  # a frame may be in work when the camera stops
while rows != len(camera.record):
    rows = len(camera.record)
    time.sleep(0.5)
"""
WATCH_TRACKS = """
window.tracks = [];
const devices = navigator.mediaDevices;
if (devices) {
  const open = devices.getUserMedia.bind(devices);
  devices.getUserMedia = async wanted => {
    const stream = await open(wanted);
    window.tracks.push(...stream.getVideoTracks());
    return stream;
  };
}
"""
NOTED = """
import pathlib, socket
from jupyter_server.services.kernels.connection.channels import ZMQChannelsWebsocketConnection

def _jupyter_server_extension_points():
    return [{"module": "noted"}]

def _load_jupyter_server_extension(server):
    connect = ZMQChannelsWebsocketConnection.connect

    def note(self):
        connected = connect(self)
        sock = self.websocket_handler.ws_connection.stream.socket
        server.io_loop.call_later(0.1, write, sock)
        return connected

    def write(sock):
        with pathlib.Path("no_delay.txt").open("a") as file:
            print(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY), file=file)

    ZMQChannelsWebsocketConnection.connect = note
"""
CONTROLS = {
    "button": ("Start the camera", "Stop and release the camera", "Play the sample clip"),
    "checkbox": ("Mirror the picture",),
    "combobox": ("Resolution",),
    "status": ("",),
    "toolbar": ("Camera controls",),
}


class View:
    """One view of a widget, as its user sees it."""

    def __init__(self, page, number=0):
        self.page, self.root = page, page.locator(".affect-camera").nth(number)

    def press(self, name):
        self.root.get_by_role("button", name=name).click()

    def start(self):
        self.press("Start the camera")
        self.wait_for("streaming")

    def stop(self):
        self.press("Stop and release the camera")
        self.wait_for("idle")

    def wait_for(self, status):
        expect(self.root).to_have_attribute("data-status", status, timeout=LONG)

    def value(self, name):
        return self.root.evaluate("(root, name) => root.dataset[name]", name)

    def wait_for_results(self, more=5):
        wanted = int(self.value("results") or 0) + more
        self.page.wait_for_function(
            "([root, wanted]) => Number(root.dataset.results || 0) >= wanted",
            arg=[self.root.element_handle(), wanted],
        )

    def wait_for_text(self, selector, text):
        expect(self.root.locator(selector)).to_contain_text(text, timeout=LONG)


class Room:
    """The server, the browser, and the notebook that most tests use."""

    def __init__(self, tools, folder, server, browser):
        self.tools, self.folder, self.server, self.browser = tools, folder, server, browser

    def open(self, name="notebook.ipynb", permissions=("camera",), host="", browser=None):
        context = self.tools.new_context(browser or self.browser, permissions)
        page = context.new_page()
        page.add_init_script(WATCH_TRACKS)
        page.set_default_timeout(LONG)
        return self.tools.LabNotebook(page, self.server, name, host)


@pytest.fixture(scope="module")
def film():
    """A face that is happy all the time."""
    return list(sample_frames(("Happy",), (0.7,) * 30))


@pytest.fixture(scope="module")
def room(tools, film, tmp_path_factory):
    folder = tmp_path_factory.mktemp("notebooks")
    tools.write_notebook(folder / "notebook.ipynb", CELLS)
    y4m = tools.write_film(tmp_path_factory.mktemp("film") / "film.y4m", film)
    writer = cv2.VideoWriter(
        str(folder / "film.mp4"), cv2.VideoWriter.fourcc(*"mp4v"), 25, (640, 480)
    )
    for frame in film:
        writer.write(frame[..., ::-1])
    writer.release()
    options = [tools.FAKE_CAMERA, f"--use-file-for-fake-video-capture={y4m}", tools.DENY]
    options += ["--host-resolver-rules=MAP faces.test 127.0.0.1"]
    modules = tmp_path_factory.mktemp("modules")
    (modules / "noted.py").write_text(NOTED)
    configured = modules / "jupyter_server_config.d"  # what an installation puts beside the server
    configured.mkdir()
    shutil.copy(ROOT / "affectkit" / "assets" / "jupyter_server.json", configured / "kit.json")
    noted = {"ServerApp": {"jpserver_extensions": {"noted": True}}}
    (configured / "noted.json").write_text(json.dumps(noted))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(modules), prepend=os.pathsep)
        patch.setenv("JUPYTER_CONFIG_PATH", str(modules))
        with tools.lab_server(folder) as server, tools.chromium(options) as browser:
            yield Room(tools, folder, server, browser)


@pytest.fixture(scope="module")
def notebook(room):
    notebook = room.open()
    notebook.run_cell(0)
    notebook.page.wait_for_selector(".affect-camera")
    notebook.command("docmanager:save")
    return notebook


@pytest.fixture
def view(notebook):
    """The first view, whatever the test before has left."""
    view = View(notebook.page)
    if view.root.get_by_role("button", name="Stop and release").is_enabled():
        view.stop()
    return view


def wait_for_released(notebook):
    notebook.page.wait_for_function(
        "window.tracks.length && window.tracks.every(track => track.readyState === 'ended')"
    )


def is_live(notebook):
    return notebook.page.evaluate("window.tracks.at(-1).readyState") == "live"


def test_controls_have_names_and_privacy_comes_first(view):
    for role, names in CONTROLS.items():
        for name in names:
            options = {"name": name} if name else {}
            expect(view.root.get_by_role(role, **options)).to_have_count(1)
    expect(view.root.get_by_label("Open file: a picture or a video")).to_have_count(1)
    view.wait_for_text(".privacy", "Frames are processed in your kernel and not stored.")
    view.wait_for_text(".message", "The camera is off.")


def test_the_page_shows_what_the_pipeline_says_and_stop_releases_the_camera(
    notebook, view, film, tmp_path
):
    view.start()
    view.wait_for_results(10)
    assert is_live(notebook)
    pipeline = AffectPipeline()
    expected = {pipeline(frame)[0].expression for frame in film[::5]}
    assert {view.value("expression")} == expected == {"Happy"}
    view.wait_for_text(".times", "frames/s, latency")
    shares = view.root.locator(".bars li").filter(has_text="Happy").locator(".share")
    expect(shares).to_contain_text(" %", timeout=LONG)
    view.stop()
    wait_for_released(notebook)
    found = json.loads(
        notebook.execute(
            f"import json, numpy as np\n{SETTLE}"
            "snapshot = camera.snapshot\n"
            "np.save('snapshot.npy', snapshot.image)\n"
            "face = snapshot.faces[0]\n"
            "print(json.dumps([face.expression, face.valence, face.box, camera.statistics,"
            " sorted(set(camera.record['expression'])), len(camera.record), camera.status]))"
        )
    )
    expression, valence, box, statistics, recorded, rows, status = found
    image = np.load(view_folder(notebook) / "snapshot.npy")
    (again,) = pipeline(image)
    assert (expression, valence) == (again.expression, again.valence)
    np.testing.assert_allclose(box, again.box)
    assert recorded == ["Happy"]
    assert rows == statistics["frames"] >= 10
    assert statistics["errors"] == 0
    assert statistics["milliseconds"]["latency"] > statistics["milliseconds"]["wire"] > 0
    assert status == "idle"
    after = notebook.execute("time.sleep(0.5); print(camera.statistics['frames'])")
    assert int(after) == statistics["frames"]


def view_folder(notebook):
    """Where the kernel runs."""
    return Path(notebook.execute("import os; print(os.getcwd())").strip())


def test_the_server_sends_small_messages_at_once(room, notebook):
    noted = (room.folder / "no_delay.txt").read_text().split()
    assert set(noted) == {"1"}


def test_no_frame_is_saved_in_the_notebook(room, notebook):
    notebook.command("docmanager:save")
    saved = (room.folder / "notebook.ipynb").read_text()
    assert "widget-view+json" in saved
    assert "/9j/" not in saved  # how a JPEG begins in base64


def test_keys_on_a_control_are_not_jupyterlab_s(notebook, view):
    """Of JupyterLab, x cuts the cell, dd deletes it, and the arrow goes to the next one."""
    state = """() => {
      const { content } = window.jupyterapp.shell.currentWidget;
      return [content.widgets.length, content.activeCellIndex];
    }"""
    for control in (
        view.root.get_by_role("button", name="Play the sample clip"),
        view.root.get_by_role("checkbox", name="Mirror the picture"),
        view.root.locator("summary").first,
    ):
        control.focus()
        notebook.page.wait_for_timeout(200)
        before = notebook.page.evaluate(state)
        for key in ("x", "d", "d", "ArrowDown", "b"):
            notebook.page.keyboard.press(key)
        notebook.page.wait_for_timeout(200)
        assert notebook.page.evaluate(state) == before


@pytest.mark.parametrize("theme", ["Dark", "Light"])
def test_texts_and_bars_can_be_seen_in_jupyterlab_s_themes(notebook, view, contrasts, theme):
    view.press("Play the sample clip")
    view.wait_for_results(3)
    view.stop()
    notebook.page.evaluate(
        "theme => window.jupyterapp.commands.execute('apputils:change-theme', { theme })",
        f"JupyterLab {theme}",
    )
    notebook.page.wait_for_function(
        "light => document.body.dataset.jpThemeLight === light",
        arg=json.dumps(theme == "Light"),
    )
    notebook.page.wait_for_timeout(500)
    found = contrasts(notebook.page)
    assert len(found["texts"]) > 20
    assert {name: value for name, value in found["texts"].items() if value < 4.5} == {}
    assert {name: value for name, value in found["bars"].items() if value < 3} == {}


def test_another_cell_does_not_freeze_the_page(notebook, view):
    view.start()
    view.wait_for_results(5)
    before = int(view.value("results"))
    notebook.execute("camera.mirror = False")  # sends the page a message out of a cell
    notebook.execute(BUSY)
    during = int(view.value("results")) - before
    notebook.execute("camera.mirror = True")
    assert during > 5
    assert view.value("status") == "streaming"


def test_an_interruption_does_no_harm(notebook, view):
    view.start()
    view.wait_for_results(5)
    notebook.page.evaluate(
        """() => {
          const context = window.jupyterapp.shell.currentWidget.context.sessionContext;
          window.endless = context.session.kernel.requestExecute({code: 'time.sleep(600)'}).done;
        }"""
    )
    view.wait_for_results(2)
    notebook.kernel("interrupt")
    assert notebook.page.evaluate("window.endless.then(reply => reply.content.ename)") == (
        "KeyboardInterrupt"
    )
    view.wait_for_results(5)
    assert view.value("status") == "streaming"
    view.stop()


def test_the_notebook_starts_and_stops_it(notebook, view):
    notebook.execute("camera.start()")
    view.wait_for("streaming")
    view.wait_for_results(3)
    notebook.execute("camera.stop()")
    view.wait_for("idle")
    view.wait_for_text(".message", "Stopped by the notebook.")
    wait_for_released(notebook)


def test_settings_can_be_changed_while_it_runs(notebook, view):
    view.start()
    view.root.get_by_role("combobox", name="Resolution").select_option("320 x 240")
    view.wait_for("streaming")
    view.wait_for_results(8)
    view.root.get_by_role("checkbox", name="Mirror the picture").uncheck()
    view.wait_for_results(5)
    view.stop()
    out = notebook.execute("print(camera.resolution, camera.mirror, camera.snapshot.image.shape)")
    assert out.strip() == "(320, 240) False (240, 320, 3)"
    notebook.execute("camera.resolution, camera.mirror = (640, 480), True")
    expect(view.root.get_by_role("checkbox", name="Mirror the picture")).to_be_checked(timeout=LONG)


def test_the_sample_plays_without_a_camera(notebook, view):
    opened = notebook.page.evaluate("window.tracks.length")
    view.press("Play the sample clip")
    view.wait_for("streaming")
    notebook.page.wait_for_function(
        "root => root.dataset.expression === 'Surprise'", arg=view.root.element_handle()
    )
    view.stop()
    assert notebook.page.evaluate("window.tracks.length") == opened
    seen = set(notebook.execute("print(*set(camera.record['expression']))").split())
    assert seen >= {"Surprise"}
    assert seen <= set(EXPRESSIONS)


def test_a_picture_is_answered_once(notebook, view, film, tmp_path):
    path = tmp_path / "happy.png"
    cv2.imwrite(str(path), film[3][..., ::-1])
    files = view.root.get_by_label("Open file: a picture or a video")
    files.set_input_files(path)
    view.wait_for("streaming")
    notebook.page.wait_for_function(
        "root => root.dataset.results === '1'", arg=view.root.element_handle()
    )
    assert (view.value("faces"), view.value("expression")) == ("1", "Happy")
    view.stop()
    (tmp_path / "text.png").write_text("no picture")
    files.set_input_files(tmp_path / "text.png")
    view.wait_for("unreadable")
    view.wait_for_text(".message", "text.png can't be read as a picture.")


def test_the_newest_of_two_views_has_the_camera(notebook, view):
    view.start()
    view.wait_for_results(3)
    notebook.run_cell(1)
    second = View(notebook.page, 1)
    second.start()
    view.wait_for("idle")
    view.wait_for_text(".message", "The camera moved to another view.")
    second.wait_for_results(5)
    states = notebook.page.evaluate("window.tracks.map(track => track.readyState)")
    assert states.count("live") == 1
    second.stop()
    wait_for_released(notebook)


def test_a_failing_pipeline_is_told_once_and_the_stream_goes_on(notebook, view):
    notebook.run_cell(2)
    moody = View(notebook.page, 2)
    moody.start()
    notebook.page.wait_for_function(
        "root => Number(root.dataset.errors) >= 3", arg=moody.root.element_handle()
    )
    moody.wait_for_results(10)
    assert moody.value("status") == "streaming"
    notices = moody.root.get_by_role("alert")
    expect(notices).to_have_count(1)
    expect(notices).to_have_text("The pipeline failed: ZeroDivisionError: no luck")
    moody.stop()
    assert "in moody" in notebook.execute("print(moody_camera.last_error)")


def test_the_kernel_s_own_source_looks_the_same(notebook, view):
    notebook.run_cell(3)
    kernel = View(notebook.page, 3)
    kernel.start()
    kernel.wait_for_results(5)
    assert (kernel.value("mode"), kernel.value("expression")) == ("kernel", "Happy")
    kernel.stop()
    count = "sum(thread.name == 'kernel source' for thread in threading.enumerate())"
    waiting = f"end = time.time() + 60\nwhile {count} and time.time() < end: time.sleep(0.05)\n"
    assert notebook.execute(f"{waiting}print({count})").strip() == "0"


@pytest.mark.parametrize(
    ("host", "status", "text"),
    [
        ("", "denied", "The permission for the camera was denied."),
        ("faces.test", "insecure", "https:// pages and localhost only"),
    ],
)
def test_no_permission_is_told(room, notebook, host, status, text):
    other = room.open(permissions=(), host=host)
    other.page.wait_for_selector(".affect-camera")
    refused = View(other.page)
    refused.press("Start the camera")
    refused.wait_for(status)
    refused.wait_for_text(".message", text)
    waiting = f"end = time.time() + 30\nwhile camera.status != {status!r} and time.time() < end:"
    assert notebook.execute(f"{waiting} time.sleep(0.05)\nprint(camera.status)").strip() == status
    other.page.context.close()


def test_no_camera_is_told(room, notebook):
    with room.tools.launch(room.browser.browser_type) as browser:
        other = room.open(browser=browser)
        other.page.wait_for_selector(".affect-camera")
        empty = View(other.page)
        empty.press("Start the camera")
        empty.wait_for("no camera")
        empty.wait_for_text(".message", "No camera was found on this computer.")


def test_the_webcam_notebook_waits_for_its_user(room):
    shutil.copy(WEBCAM_NOTEBOOK, room.folder / "webcam.ipynb")
    cells = nbformat.read(WEBCAM_NOTEBOOK, as_version=4).cells
    (headless,) = [
        number for number, cell in enumerate(cells) if "camera.run_headless(" in cell.source
    ]
    webcam = room.open("webcam.ipynb")
    for number in range(headless + 1):  # in a queue, as "Run All" has them
        webcam.start_cell(number)
    webcam.page.wait_for_selector(".affect-camera")
    assert webcam.execute("print(camera.statistics['frames'])").strip() == "0"
    view = View(webcam.page)
    view.start()
    view.wait_for_results(5)
    assert view.value("expression") == "Happy"
    view.stop()
    webcam.page.context.close()


def test_voila_opens_on_the_camera(room, tools):
    with tools.voila_server(Path(shutil.copy(CAMERA_APP, room.folder / "app.ipynb"))) as url:
        page = tools.new_context(room.browser).new_page()
        page.goto(url)
        page.wait_for_selector(".affect-camera", timeout=LONG)
        view = View(page)
        assert view.root.bounding_box()["y"] < 80
        whole = page.evaluate("document.body.innerText")
        rest = whole.replace(view.root.inner_text(), "")
        assert [line for line in rest.splitlines() if line] == []
        view.start()
        view.wait_for_results(5)
        assert view.value("expression") == "Happy"
        view.stop()
        page.context.close()


def test_a_saved_notebook_has_a_still(room, tools):
    """That a view without a kernel shows it, and turns no camera on, is tested alone."""
    path = tools.write_notebook(room.folder / "saved.ipynb", [SHOW])
    saved = nbformat.read(path, as_version=4)
    NotebookClient(saved, timeout=120).execute()
    nbformat.write(saved, path)
    (output,) = [out for out in saved.cells[0].outputs if out.output_type == "execute_result"]
    assert len(saved.cells[0].outputs) == 1  # no greeting of LiteRT
    still = cv2.imdecode(np.frombuffer(b64decode(output.data["image/png"]), np.uint8), 1)
    assert still.shape == (360, 480, 3)
    assert "A drawn face. 0 Happy" in output.metadata["image/png"]["alt"]
    stateless = nbformat.from_dict(saved | {"metadata": {}})  # as JupyterLab saves it
    page, _ = HTMLExporter().from_notebook_node(stateless)
    assert output.data["image/png"].strip() in page.replace("\n", "")


def test_a_page_that_is_loaded_again_has_released_the_camera_and_can_go_on(notebook, view):
    view.start()
    view.wait_for_results(5)
    notebook.page.reload()
    notebook.wait_until_ready()
    notebook.page.wait_for_selector(".affect-camera")
    frames = notebook.execute(f"{SETTLE}print(camera.statistics['frames'])")
    assert notebook.execute("time.sleep(1); print(camera.statistics['frames'])") == frames
    assert notebook.execute("print(camera.status)").strip() == "idle"
    again = View(notebook.page)
    again.start()
    again.wait_for_results(5)
    again.stop()


def test_a_restarted_kernel_releases_the_camera(notebook, view):
    view.start()
    view.wait_for_results(5)
    notebook.kernel("restart")
    view.wait_for("disconnected")
    view.wait_for_text(".message", "Run the cell again.")
    wait_for_released(notebook)
    notebook.wait_until_ready()
    notebook.run_cell(0)
    again = View(notebook.page)
    again.wait_for("idle")
    again.start()
    again.wait_for_results(5)
    again.stop()
    wait_for_released(notebook)


def test_a_kernel_that_restarts_while_the_clip_is_drawn_is_told(notebook, view):
    notebook.execute(
        "from affectkit.widgets import camera_stream\n"
        "camera_stream.clip_jpegs = lambda path: time.sleep(600)"
    )
    view.press("Play the sample clip")
    view.wait_for("loading")
    notebook.kernel("restart")
    view.wait_for("disconnected")
    view.wait_for_text(".message", "Run the cell again.")
