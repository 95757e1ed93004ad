// One view of the camera: its controls, and what runs. anywidget gets these files joined into one
// module (see script.py); each is a module of its own as well.

import { element, resize } from "./drawing.js";
import { announcePage, connectKernel } from "./kernel.js";
import { makeResults } from "./results.js";
import { cameraFault, listCameras, openCamera, openPicture, TEXTS } from "./sources.js";
import { makeStage } from "./stage.js";

const RETRY = 2000; // milliseconds after which a frame without an answer is given up
const STALL = 20000; // and after which the camera is released
const SILENCE = 1500; // and after which a view takes itself for one in a saved page

const now = () => performance.now();

function makeControls() {
  const button = (text, label) =>
    element("button", { type: "button", textContent: text }, { "aria-label": label });
  return {
    start: button("Start", "Start the camera"),
    stop: button("Stop", "Stop and release the camera"),
    sample: button("Sample", "Play the sample clip"),
    freeze: button("Freeze", "Freeze the picture"),
    file: element("input", { type: "file", accept: "image/*,video/*" }, {
      "aria-label": "Open file: a picture or a video",
    }),
    camera: element("select", { hidden: true }, { "aria-label": "Camera" }),
    resolution: element("select", {}, { "aria-label": "Resolution" }),
    mirror: element("input", { type: "checkbox" }, { "aria-label": "Mirror the picture" }),
  };
}

const isOff = (button) => button.getAttribute("aria-disabled") === "true";

function turn(button, on) { // not by `disabled`, which would take the focus away
  button.setAttribute("aria-disabled", String(!on));
}

export function makeView(el, answers) {
  const { settings, tell } = answers;
  const names = settings.get("_expressions"), colours = settings.get("_colours");
  const colourOf = (name) => colours[names.indexOf(name)] || "#787878";
  const controls = makeControls(), stage = makeStage(colourOf);
  const results = makeResults(names, colours, colourOf);
  const notice = element("p", { className: "notice", hidden: true }, { role: "alert" });
  const root = element("div", { className: "affect-camera" }, {}, [
    element("div", { className: "bar" }, { role: "toolbar", "aria-label": "Camera controls" }, [
      controls.start, controls.stop, controls.sample,
      element("label", { className: "file" }, {}, ["Open file", controls.file]),
      controls.freeze, controls.camera, controls.resolution,
      element("label", { className: "check" }, {}, [controls.mirror, " mirror"]),
    ]),
    element("div", { className: "body" }, {}, [stage.stage, results.side]),
    results.spoken, notice, results.meanings, results.times,
    element("p", { className: "privacy", textContent: answers.privacy }),
  ]);
  for (const control of root.querySelectorAll("button, input, select, summary")) {
    // JupyterLab's keys, such as x, which cuts the cell: it asks the focused element itself
    control.setAttribute("data-lm-suppress-shortcuts", "true");
  }
  el.append(root);

  const { video } = stage;
  const grabber = document.createElement("canvas");
  const grabberPen = grabber.getContext("2d", { alpha: false });
  let mode = null; // "camera", "video", "image", "clip", "kernel"; null while nothing runs
  let shownMode = null; // of the picture that is to be seen, which stays after a stop
  let generation = 0; // counts up with each release, so that what is late knows it
  let removed = false, frozen = false, heard = 0, asked = now();
  let facing = ""; // the user, or the environment, where the camera tells
  let stream = null, address = null, clip = [], clipPosition = 0;
  let clipTimer = null, pumpTimer = null, videoCallback = null;
  let fresh = false, number = 0, lastSent = 0, startedAt = 0, lastAnswer = 0;
  let last = null, reports = []; // the newest answered frame: its picture and faces
  const waiting = new Map(); // number of a frame to when it was taken, what that took, its picture

  const mirrored = () => controls.mirror.checked
    && ((shownMode === "camera" && facing !== "environment")
      || (shownMode === "kernel" && settings.get("_source_is_camera")));

  function setStatus(status, text = TEXTS[status] || "") {
    const changed = root.dataset.status !== status;
    root.dataset.status = status;
    stage.say(text);
    if (changed && !removed && status !== "waiting") tell("status", { status });
  }

  function release() { // frees camera, file, pictures and timers; harmless to repeat
    generation += 1;
    if (videoCallback !== null && video.cancelVideoFrameCallback) {
      video.cancelVideoFrameCallback(videoCallback);
    }
    clearInterval(clipTimer);
    clearTimeout(pumpTimer);
    videoCallback = clipTimer = pumpTimer = null;
    clip.forEach((frame) => frame.close());
    clip = [];
    for (const track of stream ? stream.getTracks() : []) {
      track.onended = null;
      track.stop();
    }
    stream = null;
    video.pause();
    video.srcObject = null;
    if (address) {
      video.removeAttribute("src");
      video.load();
      URL.revokeObjectURL(address);
      address = null;
    }
    waiting.clear();
    mode = null;
    fresh = frozen = false;
    showFrozen();
    turn(controls.start, true);
    turn(controls.stop, false);
    turn(controls.freeze, false);
  }

  function clear() { // what was said of another picture
    last = null;
    notice.hidden = true;
    stage.showFaces([]);
    results.clear();
    delete root.dataset.faces;
    delete root.dataset.expression;
  }

  function stop(reason, status = "idle", text = undefined) {
    const ran = mode !== null;
    release();
    if (ran) tell("bye", { reason });
    setStatus(status, text);
    if (ran) showLast();
  }

  const disconnected = () => stop("disconnected", "disconnected");

  async function showLast() { // the newest frame that was answered, with its own answer
    const mine = generation, shown = last;
    if (!shown || shown.picture === null) return;
    const bitmap = await answers.open(shown.picture);
    if (mine === generation && bitmap && (mode === null || frozen)) stage.showPicture(bitmap);
    if (bitmap) bitmap.close();
  }

  function begin(newMode) { // the source runs: tell the kernel, and start counting
    clear();
    mode = shownMode = newMode;
    number = lastSent = 0;
    reports = [];
    startedAt = lastAnswer = now();
    if (mode === "camera" || mode === "video") stage.showVideo();
    turn(controls.start, false);
    turn(controls.stop, true);
    turn(controls.freeze, true);
    controls.freeze.hidden = mode === "kernel";
    root.dataset.results = 0;
    root.dataset.mode = mode;
    stage.mirror(mirrored());
    setStatus("streaming");
    if (!tell(mode === "kernel" ? "kernel" : "hello", { mode })) disconnected();
  }

  function prepare(status) { // another source was chosen
    if (mode) stop(status);
    release();
    clear();
    if (status) {
      setStatus(status);
      turn(controls.start, false);
      turn(controls.stop, true);
      asked = now();
    }
    return generation;
  }

  // ---- sources ----

  async function startCamera(deviceId) {
    const mine = prepare("connecting");
    const there = await answers.ask(); // no camera goes on unless somebody looks at its pictures
    if (mine !== generation || removed) return;
    if (!there) return disconnected();
    if (settings.get("_source_name")) return begin("kernel");
    const fault = cameraFault();
    if (fault) return showStill(fault);
    setStatus("asking");
    const opened = await openCamera(settings.get("resolution"), deviceId);
    if (mine !== generation || removed) { // stopped while the user was asked
      if (opened.stream) opened.stream.getTracks().forEach((track) => track.stop());
      return;
    }
    if (!opened.stream) return showStill(opened.fault, opened.text);
    stream = opened.stream;
    const [track] = stream.getVideoTracks();
    facing = track.getSettings().facingMode;
    track.onended = () => stop("unplugged", "unplugged");
    video.srcObject = stream;
    await video.play().catch(() => {}); // interrupted by a stop
    if (mine !== generation) return;
    begin("camera");
    watchVideo();
    const cameras = await listCameras(), current = track.getSettings().deviceId;
    controls.camera.hidden = cameras.length < 2;
    controls.camera.replaceChildren(...cameras.map((device, index) => element("option", {
      value: device.deviceId,
      textContent: device.label || `Camera ${index + 1}`,
      selected: device.deviceId === current,
    })));
  }

  async function openFile(file) {
    const mine = prepare("");
    if (file.type.startsWith("image/")) {
      const bitmap = await openPicture(file);
      if (mine !== generation) return;
      if (!bitmap) return setStatus("unreadable", `${file.name} can't be read as a picture.`);
      clip = [bitmap];
      clipPosition = 0;
      begin("image");
      return showClipFrame();
    }
    address = URL.createObjectURL(file);
    video.src = address;
    video.loop = true;
    const played = await video.play().then(() => true, () => false);
    if (mine !== generation) return;
    if (!played) {
      release();
      return setStatus("unreadable",
        `This browser can't play ${file.name}. Try an MP4 (H.264) or WebM.`);
    }
    begin("video");
    watchVideo();
  }

  function askForClip() {
    prepare("loading");
    if (!tell("clip")) disconnected();
  }

  async function playClip(buffers, rate) {
    if (root.dataset.status !== "loading") return;
    release();
    const mine = generation;
    const frames = (await Promise.all(buffers.map(answers.open))).filter(Boolean);
    if (mine !== generation || removed) return frames.forEach((frame) => frame.close());
    clip = frames;
    clipPosition = 0;
    begin("clip");
    showClipFrame();
    clipTimer = setInterval(() => {
      clipPosition = (clipPosition + 1) % clip.length;
      showClipFrame();
    }, 1000 / rate);
  }

  function showClipFrame() {
    if (!frozen) stage.showPicture(clip[clipPosition]);
    fresh = true;
    pump();
  }

  // ---- frames out ----

  function watchVideo() {
    const mine = generation;
    const tick = () => {
      if (mine !== generation) return;
      fresh = true;
      pump();
      if (video.requestVideoFrameCallback) videoCallback = video.requestVideoFrameCallback(tick);
      else requestAnimationFrame(tick);
    };
    tick();
  }

  function source() {
    if (mode === "clip" || mode === "image") {
      const frame = clip[clipPosition];
      return [frame, frame.width, frame.height];
    }
    return [video, video.videoWidth, video.videoHeight];
  }

  function pump() { // send the newest frame, if fewer answers are owed than may be
    if (!mode || mode === "kernel" || removed || frozen || !fresh) return;
    if (waiting.size >= settings.get("max_in_flight")) return;
    const early = 1000 / settings.get("frames_per_second") - (now() - lastSent);
    if (early > 4) { // cameras are not that punctual
      if (pumpTimer === null) {
        pumpTimer = setTimeout(() => { pumpTimer = null; pump(); }, Math.min(early, 250));
      }
      return;
    }
    const [image, width, height] = source();
    if (!width) return;
    fresh = false;
    const taken = lastSent = now();
    const wide = answers.widest // of a picture, which such a source gets whole
      ? Math.min(width, mode === "image" ? answers.widest : settings.get("resolution")[0])
      : settings.get("resolution")[0];
    resize(grabber, wide, Math.max(2, Math.round((wide * height) / width)));
    grabberPen.drawImage(image, 0, 0, grabber.width, grabber.height);
    const grab = now() - taken, frame = number++;
    const content = { number: frame, time: (taken - startedAt) / 1000, times: reports };
    reports = [];
    const { picture, encode, heard: sent } = answers.look(grabber, content);
    waiting.set(frame, { taken, grab, encode, picture });
    if (!sent) disconnected();
  }

  // ---- answers in ----

  async function onMessage(content, buffers) {
    heard = now();
    if (root.dataset.status === "no kernel") {
      stage.showVideo();
      setStatus("idle");
    }
    if (content.type === "stop") {
      if (mode || ["connecting", "asking", "loading"].includes(root.dataset.status)) {
        stop("kernel", "idle", content.text);
      }
    } else if (content.type === "start") {
      startCamera();
    } else if (content.type === "clip") {
      playClip(buffers, content.rate);
    } else if (["result", "error", "drop"].includes(content.type)) {
      if (mode === "kernel") await showKernelFrame(content, buffers[0]);
      else if (waiting.has(content.number)) onAnswer(content);
    }
  }

  async function showKernelFrame(content, buffer) {
    const start = now(), mine = generation;
    const bitmap = buffer && await answers.open(buffer);
    if (mine === generation && bitmap) {
      stage.showPicture(bitmap);
      const frame = { taken: start - content.kernel, grab: 0, encode: 0, picture: null };
      if (content.type === "result") showResult(content, frame, start);
      else showError(content);
      tell("shown", { number: content.number, times: reports });
      reports = [];
      lastAnswer = now();
    }
    if (bitmap) bitmap.close();
  }

  function onAnswer(content) {
    const frame = waiting.get(content.number), arrived = now();
    waiting.delete(content.number);
    lastAnswer = arrived;
    if (root.dataset.status === "waiting") setStatus("streaming");
    if (content.type === "error") showError(content);
    if (content.type === "result" && !frozen) showResult(content, frame, arrived);
    if (mode === "image") return sendReports();
    pump();
  }

  function showError(content) { // once: until the next start the same text stays as it is
    if (notice.textContent !== content.text) notice.textContent = content.text;
    notice.hidden = false;
    root.dataset.errors = 1 + Number(root.dataset.errors || 0);
  }

  function showResult({ number: which, faces, milliseconds, kernel }, frame, arrived) {
    last = { picture: frame.picture };
    stage.showFaces(faces);
    results.show(faces);
    const latency = now() - frame.taken, draw = now() - arrived;
    const wire = Math.max(0, arrived - frame.taken - frame.grab - frame.encode - kernel);
    reports.push([which, frame.grab, frame.encode, wire, draw, latency]);
    results.addTimes(
      { grab: frame.grab, encode: frame.encode, wire, ...milliseconds, draw, latency },
      mode !== "image",
    );
    root.dataset.results = 1 + Number(root.dataset.results);
    root.dataset.faces = faces.length;
    root.dataset.expression = faces.length ? faces[0].expression || "" : "";
  }

  function sendReports() {
    if (reports.length) tell("shown", { number: -1, times: reports });
    reports = [];
  }

  function showFrozen() {
    controls.freeze.textContent = frozen ? "Go on" : "Freeze";
    controls.freeze.setAttribute("aria-label", `${controls.freeze.textContent}${
      frozen ? " with the picture" : " the picture"}`);
  }

  function freeze() { // the kernel's snapshot stays what it was, too: no frames are sent
    frozen = !frozen;
    showFrozen();
    if (frozen) return showLast();
    lastAnswer = now();
    if (mode === "camera" || mode === "video") stage.showVideo();
    pump();
  }

  // ---- a kernel that is busy, restarted, gone, or was never there ----

  async function showStill(status, text = undefined) { // a drawn face where there is no camera
    release();
    setStatus(status, text);
    const still = settings.get("_still");
    const bitmap = still && still.byteLength && await openPicture(new Blob([still]));
    if (bitmap && root.dataset.status === status) stage.showPicture(bitmap);
    if (bitmap) bitmap.close();
  }

  let probed = 0;
  function watchWaiting(status) { // for the kernel, before anything runs
    if (now() - probed > RETRY) {
      probed = now();
      if (!tell("page")) return disconnected(); // an answer to it is heard, and says nothing
    }
    const silent = now() - Math.max(asked, heard);
    if (!heard && silent > RETRY) showStill("no kernel");
    else if (silent > STALL) stop("stalled", "stalled");
    else stage.say(TEXTS[silent > RETRY ? "waiting" : status]);
  }

  const watchdog = setInterval(() => {
    const { status } = root.dataset;
    if (status === "loading" || status === "connecting") return watchWaiting(status);
    if (!heard && status === "idle" && now() - asked > SILENCE) return showStill("no kernel");
    if (!mode || frozen) return;
    if (stream && video.paused && video.isConnected) video.play().catch(() => {}); // cell moved
    const silent = now() - Math.max(lastAnswer, startedAt);
    for (const [frame, { taken }] of waiting) {
      if (now() - taken > RETRY) {
        waiting.delete(frame);
        fresh = true;
        pump(); // finds out if the kernel is gone
      }
    }
    if (mode && (waiting.size || mode === "kernel") && silent > STALL) stop("stalled", "stalled");
    else if (mode && waiting.size && silent > RETRY) setStatus("waiting");
  }, 500);

  const onPageHide = () => { if (mode) stop("page closed"); };
  const onMirror = () => {
    controls.mirror.checked = settings.get("mirror");
    stage.mirror(mirrored());
  };
  const onResolution = () => {
    const size = (pair) => pair.join(" x ");
    const sizes = [[320, 240], [640, 480], [1280, 720]].map(size);
    const current = size(settings.get("resolution"));
    controls.resolution.replaceChildren(...[...new Set([...sizes, current])].map((text) =>
      element("option", { textContent: text, selected: text === current })));
    if (mode === "camera") startCamera(controls.camera.value);
  };
  const press = (button, action) =>
    button.addEventListener("click", () => { if (!isOff(button)) action(); });

  press(controls.start, () => startCamera(controls.camera.value));
  press(controls.stop, () => { sendReports(); stop("user"); });
  press(controls.sample, askForClip);
  press(controls.freeze, freeze);
  controls.camera.addEventListener("change", () => startCamera(controls.camera.value));
  controls.file.addEventListener("change", () => {
    if (controls.file.files[0]) openFile(controls.file.files[0]);
    controls.file.value = "";
  });
  root.addEventListener("dragover", (event) => event.preventDefault());
  root.addEventListener("drop", (event) => {
    event.preventDefault();
    if (event.dataTransfer.files[0]) openFile(event.dataTransfer.files[0]);
  });
  controls.mirror.addEventListener("change", () =>
    settings.set("mirror", controls.mirror.checked));
  controls.resolution.addEventListener("change", () =>
    settings.set("resolution", controls.resolution.value.split(" x ").map(Number)));
  answers.listen(onMessage);
  settings.watch("mirror", onMirror);
  settings.watch("resolution", onResolution);
  window.addEventListener("pagehide", onPageHide);
  controls.sample.hidden = !settings.get("_has_sample");
  onMirror();
  onResolution();
  release();
  root.dataset.status = "idle";
  stage.say(TEXTS.idle);
  tell("view");

  return () => { // the cell was run again, cleared or deleted, or the notebook was closed
    if (mode) stop("view removed");
    removed = true;
    release();
    clearInterval(watchdog);
    results.clear();
    stage.close();
    window.removeEventListener("pagehide", onPageHide);
    settings.unwatch("mirror", onMirror);
    settings.unwatch("resolution", onResolution);
    answers.close();
  };
}

function render({ model, el }) {
  return makeView(el, connectKernel(model));
}

const initialize = ({ model }) => announcePage(model);

export default { initialize, render };
