"""The camera's view in Chromium, alone in a page: a few lines of script stand where the kernel is.

The script, style and settings are what the widget sends to a page, and the answers are written as
the kernel writes them.
"""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from playwright.sync_api import expect

import affectkit.widgets
from affectkit.labels import EXPRESSION_COLOURS, EXPRESSIONS
from affectkit.pipeline import FaceAffect
from affectkit.widgets import AffectCamera
from affectkit.widgets.frame_results import face_messages

ADDRESS = "http://localhost/"
SCRIPTS = Path(affectkit.widgets.__file__).parent / "page"
LONG = 60_000  # milliseconds
WIDTHS, THEMES = (360, 800, 1280), ("light", "dark")
RED, BLUE, GREY = (200, 20, 20), (20, 20, 200), (120, 120, 120)
PAGE = """<!DOCTYPE html>
<html style="color-scheme: light dark"><meta charset="utf-8"><style>%(style)s</style>
<body style="margin: 8px; background: Canvas"><div id="place"></div><script type="module">
import widget from "./widget.js";
const state = %(state)s;
for (const [name, text] of Object.entries(%(buffers)s)) {
  state[name] = new DataView(Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)).buffer);
}
window.kernel = { there: true, sent: [], answers: %(answers)s, number: 0, clip: %(clip)s };
window.opened = 0;
if (navigator.mediaDevices) {
  const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
  navigator.mediaDevices.getUserMedia = (wanted) => { window.opened += 1; return open(wanted); };
}
const heard = [];
const say = (content, buffers = []) => heard.forEach((hear) => hear(content, buffers));
const seen = async (jpeg) => { // the colour in the middle, as a name
  const bitmap = await createImageBitmap(new Blob([jpeg], { type: "image/jpeg" }));
  const pen = new OffscreenCanvas(1, 1).getContext("2d");
  pen.drawImage(bitmap, bitmap.width / 2, bitmap.height / 2, 1, 1, 0, 0, 1, 1);
  const [red, , blue] = pen.getImageData(0, 0, 1, 1).data;
  return red > blue + 50 ? "red" : blue > red + 50 ? "blue" : "grey";
};
async function answer({ type, session, number }, buffers) {
  if (type === "ask") say({ type: "ready", session });
  if (type === "view" || type === "page") say({ type: "nothing", session: null });
  if (type === "clip") {
    say({ type: "clip", session, rate: 25 }, kernel.clip.map((text) =>
      Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)).buffer));
  }
  if (type === "frame") {
    const faces = kernel.answers[await seen(buffers[0])];
    const place = { session, number };
    if (faces === "error") return say({ type: "error", ...place, text: "The pipeline failed." });
    say({ type: "result", ...place, faces, milliseconds: { detect: 3 }, kernel: 5 });
  }
}
window.model = {
  get: (name) => state[name],
  set: (name, value) => { state[name] = value; },
  save_changes: () => {},
  on: (name, hear) => { if (name === "msg:custom") heard.push(hear); },
  off: () => {},
  send: (content, callbacks, buffers = []) => {
    if (kernel.there === "gone") throw new Error("Cannot send");
    kernel.sent.push(content.type);
    if (kernel.there) answer(content, buffers.map((buffer) => buffer.slice(0)));
  },
};
kernel.there = %(there)s;
widget.render({ model, el: document.getElementById("place") });
</script>"""


def face(expression, share=0.9, box=(0.25, 0.2, 0.5, 0.6)):
    probabilities = dict.fromkeys(EXPRESSIONS, (1 - share) / 7) | {expression: share}
    return FaceAffect(box, 0.9, expression, probabilities, 0.5, -0.25, 0)


ANSWERS = {
    "red": face_messages([face("Happy")], 1, 1),
    "blue": face_messages([face("Anger", 0.97)], 1, 1),
    "grey": [],
}


def picture(colour, width=640, height=480):
    """A picture with a darker square where the answers have their box."""
    pixels = np.full((height, width, 3), colour, np.uint8)
    left, top = width // 4, height // 5
    cv2.rectangle(pixels, (left, top), (left * 3, top * 4), [value // 2 for value in colour], 2)
    return pixels


def encode(pixels, kind):
    return cv2.imencode(kind, np.ascontiguousarray(pixels[..., ::-1]))[1].tobytes()


def base64_text(data):
    return base64.b64encode(data).decode("ascii")


@pytest.fixture(scope="module")
def browser(tools):
    with tools.chromium([tools.FAKE_CAMERA, tools.ALLOW]) as browser:
        yield browser


@pytest.fixture(scope="module")
def sent_to_pages():
    """What a widget sends when it is shown: script, style and settings."""
    widget = AffectCamera(lambda image: [])
    widget._repr_mimebundle_()
    state = widget.get_state()
    widget.close()
    buffers = {name: value for name, value in state.items() if isinstance(value, bytes)}
    settings = {name: value for name, value in state.items() if name not in buffers}
    return settings.pop("_esm"), settings.pop("_css"), settings, buffers


@pytest.fixture
def show(browser, sent_to_pages):
    """Open a page of some width and theme with the widget in it."""
    script, style, settings, buffers = sent_to_pages
    contexts = []

    def open_page(
        width=800, theme="light", answers=ANSWERS, there=True, clip=(RED, BLUE), headers=None
    ):
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=theme, permissions=["camera"]
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(LONG)
        frames = [base64_text(encode(picture(colour), ".jpg")) for colour in clip]
        parts = {
            "state": settings,
            "buffers": {name: base64_text(value) for name, value in buffers.items()},
            "answers": answers,
            "clip": frames,
            "there": there,
        }
        text = PAGE % ({"style": style} | {name: json.dumps(part) for name, part in parts.items()})
        page.route(
            ADDRESS,
            lambda route: route.fulfill(body=text, content_type="text/html", headers=headers or {}),
        )
        page.route(
            f"{ADDRESS}widget.js",
            lambda route: route.fulfill(body=script, content_type="text/javascript"),
        )
        page.goto(ADDRESS)
        page.wait_for_selector(".affect-camera")
        return page

    yield open_page
    for context in contexts:
        context.close()


def open_picture(page, colour, tmp_path, width=640, height=480):
    path = tmp_path / "picture.png"
    path.write_bytes(encode(picture(colour, width, height), ".png"))
    page.locator(".affect-camera input[type=file]").set_input_files(path)
    page.wait_for_function(
        "document.querySelector('.affect-camera').dataset.results === '1'", timeout=LONG
    )


def press(page, name):
    page.get_by_role("button", name=name).click()


def wait_for(page, status):
    expect(page.locator(".affect-camera")).to_have_attribute("data-status", status, timeout=LONG)


def rectangle(page, selector):
    return page.locator(selector).first.bounding_box()


PIXELS = """canvas => {
  const { width, height } = canvas;
  const { data } = canvas.getContext('2d').getImageData(0, 0, width, height);
  let text = '';
  for (let start = 0; start < data.length; start += 8192) {
    text += String.fromCharCode(...data.subarray(start, start + 8192));
  }
  return [width, height, btoa(text)];
}"""


def pixels_of(page, selector):
    """A canvas as RGBA."""
    width, height, text = page.locator(selector).first.evaluate(PIXELS)
    return np.frombuffer(base64.b64decode(text), np.uint8).reshape(height, width, 4)


OVERLAY, PICTURE = ".stage canvas[aria-hidden]", ".stage canvas[role=img]"


# ---- 1. The picture keeps its shape, and boxes stand where the faces are ----


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("size", [(640, 480), (480, 640), (360, 800), (1280, 720)])
def test_a_picture_keeps_its_shape_and_boxes_fit(show, tmp_path, width, theme, size):
    page = show(width, theme)
    open_picture(page, RED, tmp_path, *size)
    page.wait_for_timeout(50)  # the size is observed before the next picture is drawn
    stage, drawn = rectangle(page, ".stage"), rectangle(page, OVERLAY)
    assert stage["width"] / stage["height"] == pytest.approx(size[0] / size[1], rel=0.02)
    assert stage["x"] + stage["width"] <= width
    assert stage["height"] <= 520
    assert drawn == pytest.approx(stage)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    overlay = pixels_of(page, OVERLAY)
    happy = (overlay[..., :3] == hex_colour("Happy")).all(axis=-1) & (overlay[..., 3] == 255)
    rows = np.flatnonzero(happy[:, overlay.shape[1] // 2 - 5 : overlay.shape[1] // 2].any(axis=1))
    assert rows.max() == pytest.approx(0.8 * overlay.shape[0], abs=4)
    lower = happy[int(0.7 * overlay.shape[0])]
    assert np.flatnonzero(lower).min() == pytest.approx(0.25 * overlay.shape[1], abs=4)
    assert np.flatnonzero(lower).max() == pytest.approx(0.75 * overlay.shape[1], abs=4)
    scale = page.evaluate("window.devicePixelRatio")
    assert overlay.shape[1] == pytest.approx(scale * stage["width"], abs=1)


def hex_colour(name):
    return [int(EXPRESSION_COLOURS[name][start : start + 2], 16) for start in (1, 3, 5)]


# ---- 2. One answer at a time ----

SHOWN = """() => {
  const rows = [...document.querySelectorAll('.bars li')];
  const width = (row) => row.querySelector('.fill').getBoundingClientRect().width
    / row.querySelector('.track').getBoundingClientRect().width;
  const [middle] = [document.querySelector('.stage canvas[role=img]')];
  return {
    bars: rows.map((row) => Math.round(100 * width(row))),
    shares: rows.map((row) => parseInt(row.querySelector('.share').textContent) || 0),
    expression: document.querySelector('.affect-camera').dataset.expression,
    plane: document.querySelector('.side canvas').getAttribute('aria-label'),
  };
}"""
SAMPLE = f"""frames => new Promise(resolve => {{
  const look = {SHOWN}, found = [];
  const tick = () => {{
    found.push(look());
    if (found.length < frames) requestAnimationFrame(tick); else resolve(found);
  }};
  requestAnimationFrame(tick);
}})"""


def test_bars_and_numbers_are_of_one_answer(show):
    page = show()
    press(page, "Play the sample clip")
    page.wait_for_function("document.querySelector('.affect-camera').dataset.results > 3")
    found = page.evaluate(SAMPLE, 60)
    assert {row["expression"] for row in found} == {"Happy", "Anger"}
    for row in found:
        assert row["bars"] == pytest.approx(row["shares"], abs=1)
        assert EXPRESSIONS[int(np.argmax(row["shares"]))] == row["expression"]


@pytest.mark.parametrize("button", ["Stop and release", "Freeze"])
def test_the_frame_that_stays_has_its_own_numbers(show, button):
    page = show()
    seen = set()
    for _ in range(6):
        press(page, "Play the sample clip")
        page.wait_for_function("document.querySelector('.affect-camera').dataset.results > 3")
        page.wait_for_timeout(60 * len(seen) + 30)
        press(page, button)
        page.wait_for_timeout(200)
        shown = page.evaluate(SHOWN)
        assert shown["bars"] == pytest.approx(shown["shares"], abs=1)
        kept = pixels_of(page, PICTURE)
        red, _, blue, _ = kept[kept.shape[0] // 2, kept.shape[1] // 2].tolist()
        expected = "Happy" if red > blue else "Anger"
        seen.add(expected)
        assert EXPRESSIONS[int(np.argmax(shown["shares"]))] == expected
        overlay = pixels_of(page, OVERLAY)
        assert (overlay[..., :3] == hex_colour(expected)).all(axis=-1).sum() > 500
        assert expect(page.locator(PICTURE)).to_be_visible() is None
        if button == "Freeze":
            press(page, "Go on")
            press(page, "Stop and release")


def test_the_camera_s_last_frame_stays(show):
    page = show(answers=dict.fromkeys(("red", "blue", "grey"), ANSWERS["red"]))
    press(page, "Start the camera")
    page.wait_for_function("document.querySelector('.affect-camera').dataset.results > 3")
    press(page, "Stop and release")
    expect(page.locator(PICTURE)).to_be_visible()
    assert pixels_of(page, PICTURE)[..., :3].any()
    assert pixels_of(page, OVERLAY).any()


# ---- 3. Keys, names, sizes, and what is spoken ----

NAMES = """() => [...document.querySelectorAll('.affect-camera button, .affect-camera input')].map(
  (control) => {
    const label = control.tagName === 'BUTTON' ? control : control.closest('label');
    return [label.textContent.trim().toLowerCase(),
      (control.getAttribute('aria-label') || label.textContent).toLowerCase()];
  })"""


def test_every_name_contains_its_label(show):
    page = show()
    press(page, "Play the sample clip")
    page.wait_for_function("document.querySelector('.affect-camera').dataset.results > 3")
    names = page.evaluate(NAMES)
    page.locator("button", has_text="Freeze").click()
    names += page.evaluate(NAMES)
    assert len(names) == 12
    assert [pair for pair in names if pair[0] not in pair[1]] == []


def test_focus_stays_on_a_button_that_turns_itself_off(show):
    page = show()
    for name in ("Start the camera", "Stop and release the camera"):
        page.wait_for_timeout(100)
        button = page.get_by_role("button", name=name)
        button.focus()
        page.keyboard.press("Enter")
        expect(button).to_be_disabled(timeout=LONG)
        expect(button).to_be_focused()


def test_a_button_that_is_off_does_nothing(show):
    page = show()
    page.get_by_role("button", name="Stop and release").dispatch_event("click")
    page.get_by_role("button", name="Freeze").dispatch_event("click")
    page.wait_for_timeout(100)
    assert page.evaluate("kernel.sent.filter((type) => type === 'bye')") == []


@pytest.mark.parametrize("width", WIDTHS)
def test_controls_are_large_enough(show, width):
    page = show(width)
    controls = ".bar button:visible, .bar select:visible, .bar label:visible, summary:visible"
    boxes = [control.bounding_box() for control in page.locator(controls).all()]
    assert len(boxes) >= 7
    assert min(box["height"] for box in boxes) >= 24
    assert min(box["width"] for box in boxes) >= 24


def test_number_of_faces_and_answer_are_spoken(show, tmp_path):
    pair = face_messages([face("Happy"), face("Anger", box=(0, 0, 0.2, 0.2))], 1, 1)
    page = show(answers=ANSWERS | {"blue": pair})
    spoken = page.locator(".affect-camera [aria-live=polite]")
    for colour, text in ((RED, "1 face. Happy."), (BLUE, "2 faces. Largest: Happy."),
                         (GREY, "No face found.")):  # fmt: skip
        open_picture(page, colour, tmp_path)
        expect(spoken).to_have_text(text, timeout=LONG)


# ---- 4. Contrast ----


@pytest.mark.parametrize("theme", THEMES)
def test_texts_and_bars_can_be_told_from_what_is_behind_them(show, contrasts, tmp_path, theme):
    page = show(800, theme, answers=ANSWERS | {"blue": "error"})
    open_picture(page, RED, tmp_path)
    page.wait_for_timeout(100)
    found = contrasts(page)
    assert len(found["texts"]) > 20
    assert len(found["bars"]) == len(EXPRESSIONS)
    path = tmp_path / "blue.png"
    path.write_bytes(encode(picture(BLUE), ".png"))
    page.locator(".affect-camera input[type=file]").set_input_files(path)
    expect(page.get_by_role("alert")).to_have_text("The pipeline failed.", timeout=LONG)
    failed = contrasts(page)["texts"]
    assert "notice The pipeline failed." in failed
    texts = found["texts"] | failed
    assert {name: value for name, value in texts.items() if value < 4.5} == {}
    assert {name: value for name, value in found["bars"].items() if value < 3} == {}


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_labels_can_be_read_on_every_colour(show, tmp_path, expression):
    page = show(answers={"red": face_messages([face(expression)], 1, 1)})
    open_picture(page, RED, tmp_path)
    page.wait_for_timeout(50)
    overlay = pixels_of(page, OVERLAY)
    colours = overlay[overlay[..., 3] == 255][:, :3].astype(int)
    ground = np.array(hex_colour(expression))
    text = colours[np.abs(colours - ground).sum(axis=1).argmax()]
    assert contrast(text, ground) >= 4.5


def contrast(one, two):
    """WCAG 2's ratio of two colours, 0..255."""
    shares = np.divide([one, two], 255)
    linear = np.where(shares <= 0.04045, shares / 12.92, ((shares + 0.055) / 1.055) ** 2.4)
    low, high = sorted(linear @ [0.2126, 0.7152, 0.0722])
    return (high + 0.05) / (low + 0.05)


def test_the_axes_of_the_plane_have_numbers(show):
    page = show()
    texts = page.locator(".side svg text").all_text_contents()
    assert {"0", "V +1", "A +1", "\u22121", "pleasant", "excited"} <= set(texts)


# ---- 5. Nothing stale ----


def test_an_unreadable_file_leaves_no_answers_of_the_one_before(show, tmp_path):
    page = show()
    open_picture(page, RED, tmp_path)
    assert "90 %" in page.locator(".bars").text_content()
    (tmp_path / "text.png").write_text("no picture")
    page.locator(".affect-camera input[type=file]").set_input_files(tmp_path / "text.png")
    wait_for(page, "unreadable")
    assert "%" not in page.locator(".bars").text_content()
    assert not pixels_of(page, OVERLAY).any()


def test_no_face_is_said(show, tmp_path):
    page = show()
    open_picture(page, RED, tmp_path)
    open_picture(page, GREY, tmp_path)
    expect(page.locator(".side")).to_contain_text("No face found.")
    assert "%" not in page.locator(".bars").text_content()


def test_a_picture_has_no_frame_rate(show, tmp_path):
    page = show()
    open_picture(page, RED, tmp_path)
    expect(page.locator(".times")).to_contain_text("latency")
    assert "frames/s" not in page.locator(".times").text_content()


def test_a_kernel_that_goes_while_the_clip_is_drawn_is_told(show):
    page = show()
    page.evaluate("kernel.there = false")
    press(page, "Play the sample clip")
    wait_for(page, "loading")
    page.evaluate("kernel.there = 'gone'")
    wait_for(page, "disconnected")
    expect(page.locator(".message")).to_contain_text("Run the cell again.")


# ---- 6. No kernel, no camera ----


def test_without_a_kernel_there_is_a_still_and_no_camera(show):
    page = show(there=False)
    expect(page.locator(".message")).to_contain_text("No kernel has answered", timeout=LONG)
    expect(page.locator(PICTURE)).to_be_visible()
    still = pixels_of(page, PICTURE)
    assert still.shape[:2] == (360, 480)
    assert len(np.unique(still[..., :3].reshape(-1, 3), axis=0)) > 50
    press(page, "Start the camera")
    page.wait_for_timeout(3000)
    wait_for(page, "no kernel")
    assert page.evaluate("opened") == 0
    page.evaluate("kernel.there = true")
    press(page, "Start the camera")
    wait_for(page, "streaming")
    assert page.evaluate("opened") == 1


def test_a_page_whose_policy_forbids_the_camera_is_told_from_a_user_who_does(show):
    page = show(headers={"Permissions-Policy": "camera=()"})
    press(page, "Start the camera")
    wait_for(page, "blocked")
    expect(page.locator(".message")).to_contain_text("forbids the camera; nobody was asked")
    assert page.evaluate("opened") == 0


# ---- 8. For a student ----


def test_an_answer_that_is_more_likely_wrong_is_marked(show, tmp_path):
    unsure = face_messages([replace(face("Happy", 0.41), plausible=("Happy", "Sad"))], 1, 1)
    page = show(answers=ANSWERS | {"blue": unsure})
    for colour, text in ((RED, "Happy 90 %"), (BLUE, "Happy? 41 %")):
        open_picture(page, colour, tmp_path)
        expect(page.locator(".side")).to_contain_text(f"Face: {text}")
    expect(page.locator(".side")).to_contain_text("Also plausible: Sad.")
    page.locator("summary", has_text="mean?").click()
    meanings = page.locator(".meanings p")
    expect(meanings).to_be_visible()
    for word in (
        "valence",
        "arousal",
        "0 is",
        "below 50 %",
        "nine of ten",
        "not what somebody feels",
    ):
        expect(meanings).to_contain_text(word)


def test_the_face_of_the_bars_is_told_and_times_are_folded_away(show, tmp_path):
    pair = face_messages([face("Happy"), face("Anger", box=(0, 0, 0.2, 0.2))], 1, 1)
    page = show(answers=ANSWERS | {"red": pair})
    open_picture(page, RED, tmp_path)
    expect(page.locator(".side")).to_contain_text("Largest face (thick box): Happy 90 %")
    swatch = page.locator(".swatch").evaluate("node => getComputedStyle(node).backgroundColor")
    assert swatch == "rgb({}, {}, {})".format(*hex_colour("Happy"))
    overlay = pixels_of(page, OVERLAY)
    row = int(0.7 * overlay.shape[0])
    thick = (overlay[row, :, :3] == hex_colour("Happy")).all(axis=-1).sum()
    row = int(0.18 * overlay.shape[0])
    thin = (overlay[row, :, :3] == hex_colour("Anger")).all(axis=-1).sum()
    assert thick > thin > 0
    expect(page.locator(".times p")).not_to_be_visible()


# ---- the seam: the view asks whatever source of answers it is given ----

LOCAL = """async ([state, faces]) => {
  const { makeView } = await import("./page/camera.js");
  document.getElementById("place").replaceChildren();
  let hear;
  makeView(document.getElementById("place"), {
    settings: { get: (name) => state[name], set: () => {}, watch: () => {}, unwatch: () => {} },
    tell: () => true,
    ask: async () => true,
    look: (canvas, { number }) => {
      queueMicrotask(() => hear({ type: "result", number, faces, milliseconds: {}, kernel: 0 }));
      return { picture: new Uint8Array(), encode: 0, heard: true };
    },
    open: () => null,
    privacy: "Nobody looks.",
    listen: (listener) => { hear = listener; },
    close: () => {},
  });
}"""


def test_the_view_takes_another_source_and_its_files_are_modules(show, sent_to_pages):
    page = show()
    page.route(
        f"{ADDRESS}page/*.js",
        lambda route: route.fulfill(
            path=SCRIPTS / route.request.url.rsplit("/", 1)[1], content_type="text/javascript"
        ),
    )
    page.evaluate(LOCAL, [sent_to_pages[2], ANSWERS["red"]])
    press(page, "Start the camera")
    page.wait_for_function("document.querySelector('.affect-camera').dataset.results > 5")
    expect(page.locator(".side")).to_contain_text("Face: Happy 90 %")
    expect(page.locator(".privacy")).to_have_text("Nobody looks.")
    press(page, "Stop and release")
    wait_for(page, "idle")
