"""The page that needs no kernel, in Chromium: it says what Python says, and it asks nobody."""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from playwright.sync_api import expect
from typer.testing import CliRunner

import affectkit.widgets
from affectkit.cli import app
from affectkit.export import export_model
from affectkit.faces import render_face
from affectkit.files import file_hash
from affectkit.labels import EXPRESSIONS
from affectkit.pipeline import AffectPipeline
from affectkit.widgets import sample_frames, write_page
from affectkit.widgets.session_record import COLUMNS

pytestmark = pytest.mark.slow

MODEL = "affectkit-real-int8"
LOCK = Path(affectkit.widgets.__file__).parent / "page" / "package-lock.json"
LONG = 60_000  # milliseconds
MOST_BYTES = 15e6
LOOK = """async pictures => { // this page's source of answers, without the view
  const { connectWorker } = await import("./local.js");
  const answers = connectWorker(await (await fetch("settings.json")).json());
  let hear = () => {};
  answers.listen((content) => hear(content));
  if (!await answers.ask()) throw new Error("the networks can't be loaded");
  const found = [];
  for (const [number, { text, alone }] of pictures.entries()) {
    if (alone) answers.tell("hello");
    const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    const bitmap = await createImageBitmap(new Blob([bytes]));
    const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
    canvas.getContext("2d").drawImage(bitmap, 0, 0);
    const answer = new Promise((resolve) => { hear = resolve; });
    answers.look(canvas, { number, time: number });
    const { type, text: problem, faces } = await answer;
    if (type !== "result") throw new Error(problem);
    found.push(faces.map((face) => ({ ...face, box: face.box.map((share, at) =>
      share * (at % 2 ? bitmap.height : bitmap.width)) })));
  }
  answers.close();
  return found;
}"""


@pytest.fixture(scope="module")
def registry():
    npm = shutil.which("npm")
    if npm is None or subprocess.run([npm, "ping"], capture_output=True, timeout=120).returncode:
        pytest.skip("needs npm, and a registry of its packages that can be reached")


@pytest.fixture(scope="module")
def folder(tools, registry, tmp_path_factory):
    return write_page(tmp_path_factory.mktemp("build") / "page", MODEL)


@pytest.fixture(scope="module")
def address(tools, folder):
    with tools.folder_server(folder) as address:
        yield address


@pytest.fixture(scope="module")
def browser(tools):
    with tools.chromium([tools.FAKE_CAMERA, tools.ALLOW]) as browser:
        yield browser


@pytest.fixture
def page(browser, address):
    with browser.new_context(permissions=["camera"]) as context:
        page = context.new_page()
        page.set_default_timeout(LONG)
        page.goto(address)
        yield page


@pytest.fixture(scope="module")
def pipeline():
    return AffectPipeline(MODEL)


def encode(image):
    return cv2.imencode(".png", np.ascontiguousarray(image[..., ::-1]))[1].tobytes()


def look(page, pictures, alone=True):
    """Give the page's answers for encoded pictures; alone, or as the frames of a video."""
    texts = [base64.b64encode(picture).decode("ascii") for picture in pictures]
    return page.evaluate(
        LOOK, [{"text": text, "alone": alone or not at} for at, text in enumerate(texts)]
    )


def wait_for_results(page, pattern=r"^\d{2,}$"):
    root = page.locator(".affect-camera")
    expect(root).to_have_attribute("data-results", re.compile(pattern), timeout=LONG)


def press(page, name):
    page.get_by_role("button", name=name).click()


def read_record(page):
    with page.expect_download() as download:
        press(page, "Save the record")
    return pd.read_csv(download.value.path())


def hold_against_python(found, expected, least_same=0.95):
    """Same faces, boxes within a pixel, answers about the same; gives the pairs."""
    assert [len(faces) for faces in found] == [len(faces) for faces in expected]
    pairs = [pair for two in zip(found, expected, strict=True) for pair in zip(*two, strict=True)]
    boxes = np.array([(one["box"], other.box) for one, other in pairs])
    np.testing.assert_allclose(boxes[:, 0], boxes[:, 1], rtol=0, atol=1)
    same = [one["expression"] == other.expression for one, other in pairs]
    assert np.mean(same) >= least_same
    probabilities = np.array(
        [(one["probabilities"], list(other.probabilities.values())) for one, other in pairs]
    )
    off = np.abs(probabilities[:, 0] - probabilities[:, 1]).max(initial=0)  # a regressor has none
    assert off <= 0.2
    affect = np.array(
        [((one["valence"], one["arousal"]), (other.valence, other.arousal)) for one, other in pairs]
    )
    assert np.abs(affect[:, 0] - affect[:, 1]).mean() <= 0.03
    plausible = [one["plausible"] == list(other.plausible) for one, other in pairs]
    assert np.mean(plausible) >= 0.9
    print(
        f"{len(pairs)} faces: boxes {np.abs(boxes[:, 0] - boxes[:, 1]).max():.3f} px, "
        f"{np.mean(same):.3f} same, probabilities {off:.4f}, "
        f"V/A {np.abs(affect[:, 0] - affect[:, 1]).mean():.4f}, plausible {np.mean(plausible):.3f}"
    )
    return pairs


def drawn_pictures():
    """Drawn faces: alone, beyond the edge, small in a large picture, two, and none."""
    pictures = []
    for seed in range(24):
        face = render_face(seed, 160 + 16 * (seed % 8))[0]
        side = len(face)
        border = [(0, 0), (37, 61), (90, 240), (300, 500)][seed % 4]
        picture = cv2.copyMakeBorder(face, *border, *border[::-1], cv2.BORDER_REPLICATE)
        pictures.append(picture[:, side // 7 :] if seed % 6 == 5 else picture)
    pictures.append(np.concatenate([render_face(3, 256)[0], render_face(8, 256)[0]], axis=1))
    pictures.append(np.full((300, 401, 3), 120, np.uint8))
    return pictures


def test_drawn_faces_get_python_s_answers(page, pipeline):
    pictures = drawn_pictures()
    expected = [pipeline(picture) for picture in pictures]
    assert len(expected[-2]) == 2
    assert expected[-1] == []
    pairs = hold_against_python(look(page, map(encode, pictures)), expected)
    assert len(pairs) >= 24
    assert len({other.expression for _, other in pairs}) >= 5


def test_browsers_without_relaxed_simd_say_the_same(browser, address, folder, pipeline):
    """Such as Safari: here the runtime for others is answered with the one for these."""
    asked, pictures = [], drawn_pictures()[:6]
    with browser.new_context(service_workers="block") as context:
        context.on("request", lambda request: asked.append(request.url.rsplit("/")[-1]))
        runtime = folder / "litert_wasm_compat_internal.js"
        context.route("**/litert_wasm_internal.js", lambda route: route.fulfill(path=runtime))
        page = context.new_page()
        page.goto(address)
        found = look(page, map(encode, pictures))
    hold_against_python(found, [pipeline(picture) for picture in pictures])
    assert "litert_wasm_internal.js" in asked
    assert {name for name in asked if "packed" in name} == {f"{runtime.stem}.wasm.packed"}


@pytest.mark.needs_shared
def test_photographs_get_python_s_answers(page, pipeline, shared):
    paths = sorted((shared / "data/london_faces").glob("*.jpg"))
    assert len(paths) == 40
    found = look(page, [path.read_bytes() for path in paths])
    expected = [pipeline(path) for path in paths]
    # 38 of 40 where this was written; integers are rounded otherwise on other processors
    assert len(hold_against_python(found, expected, least_same=0.9)) == 40


def test_a_video_s_faces_are_followed_and_smoothed_as_in_python(page):
    tracking = AffectPipeline(MODEL, smoothing=0.8)
    clip = list(sample_frames(EXPRESSIONS[:3], (0.3, 0.7)))
    nobody = np.full_like(clip[0], 90)
    beside = np.concatenate([clip[0], clip[1][:, ::-1]], axis=1)
    frames = [*clip, nobody, clip[3], beside, *[nobody] * 11, clip[0]]
    expected = [tracking(frame) for frame in frames]
    found = look(page, map(encode, frames), alone=False)
    pairs = hold_against_python(found, expected)
    tracks = [other.track for _, other in pairs]
    assert [one["track"] for one, _ in pairs] == tracks
    assert len(set(tracks)) == 3  # the first, the one beside it, and the first forgotten


def test_it_asks_its_own_host_only_and_starts_soon(browser, address, folder):
    with browser.new_context(permissions=["camera"]) as context:
        asked, problems = [], []
        context.on("request", lambda request: asked.append(request.url))
        page = context.new_page()
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.goto(address)
        expect(page.locator(".affect-camera")).to_have_attribute("data-status", "idle")
        started = page.evaluate("performance.now()")
        press(page, "Start the camera")
        wait_for_results(page, r"\d")
        answered = page.evaluate("performance.now()")
        wait_for_results(page)
        press(page, "Stop and release")
        press(page, "Play the sample clip")
        wait_for_results(page)
        expect(page.locator(".side")).to_contain_text("Face: ")
        press(page, "Stop and release")
        names = {url.removeprefix(address) for url in asked if not url.startswith("blob:")}
        own = {path.name for path in folder.iterdir()}
        assert names <= own | {""}
        assert {name for name in own if name.endswith(".tflite")} <= names
        assert "litert_wasm_internal.wasm.packed" in names
        assert problems == []
        print(f"{started:.0f} ms to the controls, {answered:.0f} to the first answer")
        assert started < 2000
        assert answered < 8000


def test_every_file_is_hashed_and_none_too_many(folder):
    listed = {entry["name"]: entry for entry in json.loads((folder / "files.json").read_text())}
    files = {path.name: path for path in folder.iterdir()}
    assert set(files) == {*listed, "files.json"}
    assert {name: file_hash(files[name]) for name in listed} == {
        name: entry["sha256"] for name, entry in listed.items()
    }
    assert sum(path.stat().st_size for path in files.values()) <= MOST_BYTES


def test_the_lock_names_hashes_and_no_host():
    text = LOCK.read_text("utf-8")
    assert "://" not in text
    packages = [one for name, one in json.loads(text)["packages"].items() if name]
    assert len(packages) == 2
    assert all(one["integrity"].startswith("sha512-") for one in packages)


def test_uses_that_are_out_and_the_law_stand_before_the_camera(page):
    uses = page.get_by_text("Regulation (EU) 2024/1689")
    expect(uses).to_be_visible()
    assert uses.bounding_box()["y"] < page.locator(".affect-camera").bounding_box()["y"]
    expect(page.get_by_text("no picture leaves your device")).to_be_visible()
    page.get_by_role("link", name="card").click()
    expect(page.get_by_role("heading", name="Limits")).to_be_visible()
    expect(page.locator("pre").last).to_contain_text('"temperature": 0.78')


def test_the_record_is_a_table(page):
    press(page, "Play the sample clip")
    wait_for_results(page)
    press(page, "Stop and release")
    table = read_record(page)
    assert tuple(table) == COLUMNS
    assert len(table) >= 10
    assert (table[list(EXPRESSIONS)].idxmax(axis=1) == table["expression"]).all()
    np.testing.assert_allclose(table[list(EXPRESSIONS)].sum(axis=1), 1, atol=1e-6)
    assert table["frame"].is_monotonic_increasing
    assert table["time"].between(0, 60).all()


def test_it_opens_without_a_network_once_it_was_there(browser, address):
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(address)
        page.evaluate("navigator.serviceWorker.ready.then(() => null)")
        context.set_offline(True)
        page.reload()
        press(page, "Play the sample clip")
        wait_for_results(page)


@pytest.mark.parametrize("width", [360, 800, 1280])
def test_nothing_is_wider_than_the_window(page, address, width):
    page.set_viewport_size({"width": width, "height": 900})
    for name in ("card.html", ""):
        page.goto(address + name)
        expect(page.locator("pre, .affect-camera").first).to_be_visible()
        for folded in page.locator("details:visible").all():
            folded.evaluate("node => { node.open = true; }")
        assert page.evaluate("document.documentElement.scrollWidth") <= width, name
    press(page, "Play the sample clip")
    wait_for_results(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    stage, boxes = (page.locator(name).bounding_box() for name in (".stage", ".boxes"))
    assert boxes == pytest.approx(stage)
    assert stage["x"] + stage["width"] <= width


DROP = """async ([node, text]) => {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const dataTransfer = new DataTransfer();
  dataTransfer.items.add(new File([bytes], "face.png", { type: "image/png" }));
  const drop = new DragEvent("drop", { dataTransfer, bubbles: true, cancelable: true });
  return node.dispatchEvent(drop);
}"""


def test_a_picture_is_taken_whole_by_button_and_by_drop(page, pipeline, tmp_path):
    face = render_face(5, 224)[0]
    picture = cv2.copyMakeBorder(face, 200, 200, 900, 900, cv2.BORDER_REPLICATE)
    path = tmp_path / "face.png"
    path.write_bytes(encode(picture))
    (expected,) = pipeline(picture)
    text = f"Face: {expected.expression}"
    page.locator(".affect-camera input[type=file]").set_input_files(path)
    wait_for_results(page, "^1$")
    expect(page.locator(".side")).to_contain_text(text)
    share = page.locator(".side .answer").text_content()
    root = page.locator(".affect-camera").element_handle()
    kept = page.evaluate(DROP, [root, base64.b64encode(path.read_bytes()).decode("ascii")])
    assert kept is False  # the browser does not open it itself
    wait_for_results(page, "^1$")
    expect(page.locator(".side .answer")).to_have_text(share)
    most = max(expected.probabilities.values())
    assert abs(int(re.search(r"(\d+) %", share)[1]) - 100 * most) <= 2
    canvas = page.locator(".stage canvas[role=img]")
    assert canvas.evaluate("canvas => [canvas.width, canvas.height]") == [2024, 624]


@pytest.mark.needs_shared
def test_a_video_and_the_last_frame_stays(page, shared):
    path = shared / "data/videos/single_face.mp4"
    page.locator(".affect-camera input[type=file]").set_input_files(path)
    wait_for_results(page)
    press(page, "Stop and release")
    expect(page.locator(".stage canvas[role=img]")).to_be_visible()
    expect(page.locator(".side")).to_contain_text("Face: ")


def test_without_a_camera_there_is_a_still(tools, browser, address):
    with tools.launch(browser.browser_type, [tools.ALLOW]) as other:
        page = other.new_page()
        page.goto(address)
        press(page, "Start the camera")
        root = page.locator(".affect-camera")
        expect(root).to_have_attribute("data-status", "no camera", timeout=LONG)
        canvas = page.locator(".stage canvas[role=img]")
        expect(canvas).to_be_visible()
        assert canvas.evaluate("canvas => [canvas.width, canvas.height]") == [480, 360]


FACING = """facing => {
  const settings = MediaStreamTrack.prototype.getSettings;
  MediaStreamTrack.prototype.getSettings = function () {
    return { ...settings.call(this), facingMode: facing };
  };
}"""


@pytest.mark.parametrize(("facing", "mirrored"), [("user", True), ("environment", False)])
def test_only_the_front_camera_is_mirrored(page, facing, mirrored):
    page.evaluate(FACING, facing)
    press(page, "Start the camera")
    expect(page.locator(".affect-camera")).to_have_attribute("data-status", "streaming")
    video = page.locator(".stage video")
    expect(video).to_have_class("mirrored" if mirrored else "")


def test_networks_that_fail_are_told(browser, address):
    with browser.new_context(service_workers="block") as context:
        page = context.new_page()
        page.route("**/*.tflite", lambda route: route.fulfill(body=b"no network"))
        page.goto(address)
        message = page.locator(".message")
        for _ in range(2):
            press(page, "Start the camera")
            expect(message).to_contain_text("The networks can't be loaded", timeout=LONG)


@pytest.mark.parametrize("which", ["", "models/regressor.keras"])
def test_a_student_s_own_networks_get_python_s_answers(tools, browser, course, tmp_path, which):
    model = shutil.copytree(course, tmp_path / "my run #1") / which  # "#" would end an address
    options = [str(model), "--format", "page", "--output", str(tmp_path / "page")]
    assert CliRunner().invoke(app, ["export", *options]).exit_code == 0
    pipeline = AffectPipeline(export_model(model, "tflite-int8", tmp_path / "exported"))
    pictures = drawn_pictures()[:12]
    with tools.folder_server(tmp_path / "page") as address, browser.new_page() as page:
        page.set_default_timeout(LONG)
        page.goto(address)
        found = look(page, map(encode, pictures))
        press(page, "Play the sample clip")
        wait_for_results(page)
        press(page, "Stop and release")
        table = read_record(page)
    hold_against_python(found, [pipeline(picture) for picture in pictures])
    assert tuple(table) == COLUMNS
    assert table["expression"].isna().all() == bool(which)
    assert table["valence"].between(-1, 1).all()


def test_other_files_are_not_replaced(tmp_path):
    (tmp_path / "letter.txt").write_text("kept")
    with pytest.raises(FileExistsError, match="it has other files, so name another folder"):
        write_page(tmp_path, MODEL)
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]


def test_a_model_in_another_form_is_refused(tmp_path):
    with pytest.raises(ValueError, match="expected a TFLite model for the page"):
        write_page(tmp_path / "page", "affectkit-real")
    assert list(tmp_path.iterdir()) == []
