// One view of the camera: its controls, and what runs. anywidget gets these files joined into one
// module (see script.py); each is a module of its own as well.

import { resize } from "./drawing.js";
import { announcePage, connectKernel } from "./kernel.js";
import { make, VIEW } from "./markup.js";
import { makeResults } from "./results.js";
import { cameraFault, closeCamera, openCamera, openPicture, TEXTS } from "./sources.js";
import { makeStage } from "./stage.js";

const RETRY = 2000; // milliseconds after which a frame without an answer is given up
const STALL = 20000; // and after which the camera is released
const SILENCE = 1500; // and after which a view takes itself for one in a saved page
const SIZES = ["320 x 240", "640 x 480", "1280 x 720"];

const now = () => performance.now();
const isOff = (button) => button.getAttribute("aria-disabled") === "true";

export function makeView(el, answers) {
  const { settings, tell } = answers;
  const names = settings.get("_expressions"), colours = settings.get("_colours");
  const colourOf = (name) => colours[names.indexOf(name)] || "#787878";
  const textOf = (status) => (answers.texts && answers.texts[status]) || TEXTS[status] || "";
  const root = make(VIEW), find = (selector) => root.querySelector(selector);
  const named = [...root.querySelectorAll("[name]")].map((control) => [control.name, control]);
  const controls = Object.fromEntries(named), notice = find(".notice");
  const stage = makeStage(find(".stage"), colourOf), { video } = stage;
  const results = makeResults(root, names, colours, colourOf);
  for (const control of root.querySelectorAll("button, input, select, summary")) {
    // JupyterLab's keys, such as x, which cuts the cell: it asks the focused element itself
    control.setAttribute("data-lm-suppress-shortcuts", "true");
  }
  find(".privacy").textContent = answers.privacy;
  el.append(root);

  const grabber = document.createElement("canvas");
  const grabberPen = grabber.getContext("2d", { alpha: false });
  let mode = null; // "camera", "video", "image", "clip", "kernel"; null while nothing runs
  let generation = 0; // counts up with each release, so that what is late knows it
  let frozen = false, heard = 0, asked = now(), probed = 0;
  let facing = ""; // the user, or the environment, where the camera tells
  let stream = null, address = null, clip = [], clipTimer = null, pumpTimer = null;
  let fresh = false, number = 0, lastSent = 0, startedAt = 0, lastAnswer = 0;
  let lastPicture = null, reports = []; // of the newest answered frame; times of several
  const waiting = new Map(); // number of a frame to when it was taken, what that took, its picture

  const mirrored = () => controls.mirror.checked // the picture that stays after a stop, too
    && ((root.dataset.mode === "camera" && facing !== "environment")
      || (root.dataset.mode === "kernel" && settings.get("_source_is_camera")));

  function allow(...buttons) { // not by `disabled`, which would take the focus away
    for (const name of ["start", "stop", "freeze"]) {
      controls[name].setAttribute("aria-disabled", String(!buttons.includes(name)));
    }
  }

  function setStatus(status, text = textOf(status)) {
    const changed = root.dataset.status !== status;
    root.dataset.status = status;
    stage.say(text);
    if (changed && status !== "waiting") tell("status", { status });
  }

  function release() { // frees camera, file, pictures and timers; harmless to repeat
    generation += 1;
    clearInterval(clipTimer);
    clearTimeout(pumpTimer);
    clip.forEach((frame) => frame.close());
    clip = [];
    closeCamera(stream);
    stream = null;
    video.pause();
    video.removeAttribute("src");
    video.srcObject = null; // which unloads a file, too
    URL.revokeObjectURL(address);
    waiting.clear();
    mode = null;
    fresh = false;
    setFrozen(false);
    allow("start");
  }

  function clear() { // what was said of another picture
    lastPicture = null;
    notice.textContent = "";
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
    const mine = generation;
    const bitmap = lastPicture !== null && await answers.open(lastPicture);
    if (bitmap && mine === generation && (mode === null || frozen)) stage.showPicture(bitmap);
    if (bitmap) bitmap.close();
  }

  function begin(newMode) { // the source runs: tell the kernel, and start counting
    clear();
    root.dataset.mode = mode = newMode;
    number = lastSent = 0;
    reports = [];
    startedAt = lastAnswer = now();
    if (mode === "camera" || mode === "video") stage.showVideo();
    allow("stop", "freeze");
    controls.freeze.hidden = mode === "kernel";
    root.dataset.results = 0;
    stage.mirror(mirrored());
    setStatus("streaming");
    if (!tell(mode === "kernel" ? "kernel" : "hello", { mode })) disconnected();
  }

  function prepare(status) { // another source was chosen
    if (mode) stop(status);
    release();
    clear();
    setStatus(status, "");
    allow("stop");
    asked = now();
    return generation;
  }

  async function connect() { // gives what `prepare` does, or null if nobody looks at pictures
    const mine = prepare("connecting"), there = await answers.ask();
    if (mine === generation && !there) disconnected();
    return mine === generation ? mine : null;
  }

  // ---- sources ----

  async function startCamera() {
    const mine = await connect();
    if (mine === null) return;
    if (settings.get("_source_name")) return begin("kernel");
    const fault = cameraFault();
    if (fault) return showStill(fault);
    setStatus("asking");
    const opened = await openCamera(settings.get("resolution"), controls.camera.value);
    if (mine !== generation) return closeCamera(opened.stream); // stopped while the user was asked
    if (!opened.stream) return showStill(opened.fault, opened.text);
    stream = opened.stream;
    const [track] = stream.getVideoTracks(), current = track.getSettings().deviceId;
    facing = track.getSettings().facingMode;
    track.onended = () => { if (mine === generation) stop("unplugged", "unplugged"); };
    video.srcObject = stream;
    await video.play().catch(() => {}); // interrupted by a stop
    if (mine !== generation) return;
    begin("camera");
    watchVideo();
    const devices = await navigator.mediaDevices.enumerateDevices().catch(() => []);
    const cameras = devices.filter((device) => device.kind === "videoinput");
    controls.camera.hidden = cameras.length < 2;
    controls.camera.replaceChildren(...cameras.map(({ label, deviceId: id }, index) =>
      new Option(label || `Camera ${index + 1}`, id, false, id === current)));
  }

  function refuse(text) { // a file
    release();
    setStatus("unreadable", text);
  }

  async function openFile(file) {
    const mine = await connect();
    if (mine === null) return;
    if (file.type.startsWith("image/")) {
      const bitmap = await openPicture(file);
      if (mine !== generation) return;
      return bitmap ? playFrames("image", [bitmap])
        : refuse(`${file.name} can't be read as a picture.`);
    }
    address = URL.createObjectURL(file);
    video.src = address;
    video.loop = true;
    const played = await video.play().then(() => true, () => false);
    if (mine !== generation) return;
    if (!played) return refuse(`This browser can't play ${file.name}. Try an MP4 (H.264) or WebM.`);
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
    if (mine !== generation) return frames.forEach((frame) => frame.close());
    playFrames("clip", frames, rate);
  }

  function playFrames(newMode, frames, rate = 0) {
    let at = 0;
    const tick = () => {
      if (frozen) return;
      stage.showPicture(frames[at++ % frames.length]);
      fresh = true;
      pump();
    };
    clip = frames;
    begin(newMode);
    tick();
    if (rate) clipTimer = setInterval(tick, 1000 / rate);
  }

  function watchVideo() {
    const mine = generation;
    const tick = () => {
      if (mine !== generation) return;
      fresh = true;
      pump();
      if (video.requestVideoFrameCallback) video.requestVideoFrameCallback(tick);
      else requestAnimationFrame(tick);
    };
    tick();
  }

  // ---- frames out ----

  function pump() { // send the newest frame, if fewer answers are owed than may be
    if (!mode || mode === "kernel" || frozen || !fresh) return;
    if (waiting.size >= settings.get("max_in_flight")) return;
    clearTimeout(pumpTimer);
    const early = 1000 / settings.get("frames_per_second") - (now() - lastSent);
    if (early > 4) { // cameras are not that punctual
      pumpTimer = setTimeout(pump, Math.min(early, 250));
      return;
    }
    const [image, width, height] = stage.shown();
    if (!width) return;
    fresh = false;
    const taken = lastSent = now(), most = settings.get("resolution")[0];
    const wide = answers.widest // of a picture, which such a source gets whole
      ? Math.min(width, mode === "image" ? answers.widest : most) : most;
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
      sendReports(content.number);
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

  function showError({ text }) { // once: until the next start the same text stays as it is
    if (notice.textContent !== text) notice.textContent = text;
    root.dataset.errors = 1 + Number(root.dataset.errors || 0);
  }

  function showResult({ number: which, faces, milliseconds, kernel }, frame, arrived) {
    const { taken, grab, encode, picture } = frame;
    lastPicture = picture;
    stage.showFaces(faces);
    results.show(faces);
    const latency = now() - taken, draw = now() - arrived;
    const wire = Math.max(0, arrived - taken - grab - encode - kernel);
    reports.push([which, grab, encode, wire, draw, latency]);
    results.addTimes({ grab, encode, wire, ...milliseconds, draw, latency }, mode !== "image");
    root.dataset.results = 1 + Number(root.dataset.results);
    root.dataset.faces = faces.length;
    root.dataset.expression = faces.length ? faces[0].expression || "" : "";
  }

  function sendReports(shown = -1) { // the number of the kernel's frame that is to be seen now
    tell("shown", { number: shown, times: reports });
    reports = [];
  }

  function setFrozen(wanted) {
    frozen = wanted;
    controls.freeze.textContent = frozen ? "Go on" : "Freeze";
    controls.freeze.setAttribute("aria-label",
      `${controls.freeze.textContent}${frozen ? " with" : ""} the picture`);
  }

  function freeze() { // the kernel's snapshot stays what it was, too: no frames are sent
    setFrozen(!frozen);
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

  function watchWaiting(status) { // for the kernel, before anything runs
    if (now() - probed > SILENCE) {
      probed = now();
      if (!tell("page")) return disconnected(); // an answer to it is heard, and says nothing
    }
    const silent = now() - Math.max(asked, heard);
    if (!heard && silent > RETRY) showStill("no kernel");
    else if (silent > STALL) stop("stalled", "stalled");
    else stage.say(textOf(silent > RETRY ? "waiting" : status));
  }

  const watchdog = setInterval(() => {
    const { status } = root.dataset;
    if (status === "loading" || status === "connecting") return watchWaiting(status);
    if (!heard && status === "idle" && now() - asked > SILENCE) return showStill("no kernel");
    if (!mode || frozen) return;
    if (stream && video.paused && video.isConnected) video.play().catch(() => {}); // cell moved
    for (const [frame, { taken }] of waiting) {
      if (answers.lossless || now() - taken < RETRY) continue;
      waiting.delete(frame);
      fresh = true;
      pump(); // finds out if the kernel is gone
    }
    if (!mode || (mode !== "kernel" && !waiting.size)) return;
    const silent = now() - Math.max(lastAnswer, startedAt);
    if (silent > STALL) stop("stalled", "stalled");
    else if (silent > RETRY && waiting.size) setStatus("waiting");
  }, 500);

  const onPageHide = () => { if (mode) stop("page closed"); };
  const onMirror = () => {
    controls.mirror.checked = settings.get("mirror");
    stage.mirror(mirrored());
  };
  const onResolution = () => {
    const current = settings.get("resolution").join(" x ");
    controls.resolution.replaceChildren(...[...new Set([...SIZES, current])].map((text) =>
      new Option(text, text, false, text === current)));
    if (mode === "camera") startCamera();
  };
  const openFirst = ({ files: [file] }) => { if (file) openFile(file); };
  const press = (button, action) =>
    button.addEventListener("click", () => { if (!isOff(button)) action(); });

  press(controls.start, startCamera);
  press(controls.stop, () => { sendReports(); stop("user"); });
  press(controls.sample, askForClip);
  press(controls.freeze, freeze);
  controls.camera.addEventListener("change", startCamera);
  controls.file.addEventListener("change", () => {
    openFirst(controls.file);
    controls.file.value = "";
  });
  root.addEventListener("dragover", (event) => event.preventDefault());
  root.addEventListener("drop", (event) => {
    event.preventDefault();
    openFirst(event.dataTransfer);
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
  setStatus("idle");
  tell("view");

  return () => { // the cell was run again, cleared or deleted, or the notebook was closed
    if (mode) stop("view removed");
    release();
    clearInterval(watchdog);
    results.clear();
    window.removeEventListener("pagehide", onPageHide);
    answers.close();
  };
}

export default {
  initialize: ({ model }) => announcePage(model),
  render: ({ model, el }) => makeView(el, connectKernel(model)),
};
