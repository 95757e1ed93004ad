// The page's side of affectkit.widgets.AffectCamera: one ES module, loaded by anywidget.
//
// Frames and answers are custom messages with binary parts; only settings are traits, because a
// trait is echoed to every page and saved in the notebook. `session` names the view.
//   page to kernel: page, view, hello {mode}, frame {number, time, times} + JPEG, shown {number, times},
//                   bye {reason}, status {status}, clip, kernel
//   kernel to page: result {number, faces, milliseconds, kernel} (+ JPEG), drop {number},
//                   error {number, text} (+ JPEG), clip {rate} + JPEGs, start, stop {text},
//                   nothing (is needed by ipykernel, see page_link.py)

const RETRY = 2000; // milliseconds after which a frame without an answer is given up
const STALL = 20000; // and after which the camera is released
const ANNOUNCEMENTS = 10;
const TRAIL = 60; // points of the circumplex
const WIDTH = 480; // of the picture on the page, in CSS pixels
const JPEG_QUALITY = 0.8;
const PRIVACY = "Frames are processed in your kernel and not stored.";

const TEXTS = {
  idle: "The camera is off.",
  asking: "Waiting for the permission to use the camera.",
  loading: "Drawing the clip.",
  insecure:
    "Browsers give the camera to https:// pages and localhost only. Open Jupyter by https or " +
    "through an SSH tunnel to localhost, or use a file or the sample.",
  blocked:
    "This page may not use the camera (VS Code and some embedded viewers block it). Open the " +
    "notebook in JupyterLab in a browser, or use a file or the sample.",
  denied:
    "The permission for the camera was denied. Click the camera in the address bar, allow it for " +
    "this page and press Start again, or use a file or the sample.",
  "no camera": "No camera was found on this computer. Use a file or the sample.",
  "in use":
    "The camera can't be started: another program or tab may use it. Close that and press Start " +
    "again.",
  unplugged: "The camera was disconnected.",
  disconnected:
    "The kernel was restarted or shut down, so the camera was released. Run the cell again.",
  stalled:
    "The kernel has not answered for 20 seconds, so the camera was released. Press Start, or run " +
    "the cell again.",
  waiting: "The kernel is busy. Waiting for its answer.",
};

const FAULTS = {
  NotAllowedError: "denied",
  SecurityError: "denied",
  NotFoundError: "no camera",
  OverconstrainedError: "no camera",
  NotReadableError: "in use",
  AbortError: "in use",
};

const now = () => performance.now();

function newSession() {
  // crypto.randomUUID is missing on insecure pages
  const random = () => Math.random().toString(36).slice(2);
  return random() + random();
}

function element(tag, properties = {}, attributes = {}, children = []) {
  const made = Object.assign(document.createElement(tag), properties);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

function mean(values) {
  return values.length ? values.reduce((sum, value) => sum + value, 0) / values.length : 0;
}

function resize(canvas, wide, width, height) { // to a width, in the shape of width x height
  const high = Math.max(2, Math.round((wide * height) / width));
  if (canvas.width === wide && canvas.height === high) return; // setting takes new memory
  canvas.width = wide;
  canvas.height = high;
}

// ---- what the page shows -----------------------------------------------------------------------

function makeControls() {
  const button = (text, label) =>
    element("button", { type: "button", textContent: text }, { "aria-label": label });
  const controls = {
    start: button("Start", "Start the camera"),
    stop: button("Stop", "Stop and release the camera"),
    sample: button("Sample", "Play the sample clip"),
    snapshot: button("Freeze", "Freeze the picture"),
    file: element("input", { type: "file", accept: "image/*,video/*" }, {
      "aria-label": "Open a picture or video file",
    }),
    camera: element("select", { hidden: true }, { "aria-label": "Camera" }),
    resolution: element("select", {}, { "aria-label": "Resolution" }),
    mirror: element("input", { type: "checkbox" }, { "aria-label": "Mirror the picture" }),
  };
  controls.stop.disabled = true;
  return controls;
}

function makeBars(names, colours) {
  const rows = names.map((name, index) => {
    const fill = element("span", { className: "fill" });
    fill.style.background = colours[index];
    const track = element("span", { className: "track" }, {}, [fill]);
    const share = element("span", { className: "share" });
    const item = element("li", {}, { "aria-label": name }, [
      element("span", { className: "name", textContent: name }), track, share,
    ]);
    return { item, fill, share };
  });
  const list = element("ul", { className: "bars" }, {
    "aria-label": "Probabilities of the largest face",
  }, rows.map((row) => row.item));
  function show(probabilities, withText) {
    rows.forEach((row, index) => {
      const value = probabilities[index] || 0;
      row.fill.style.transform = `scaleX(${value.toFixed(3)})`;
      if (!withText) return;
      row.share.textContent = probabilities.length ? `${Math.round(100 * value)} %` : "";
    });
  }
  return { list, show };
}

function makeCircumplex() {
  const side = 200, radius = 84, middle = side / 2;
  const scale = window.devicePixelRatio || 1;
  const canvas = element("canvas", { width: side * scale, height: side * scale }, { role: "img" });
  canvas.style.width = canvas.style.height = `${side}px`;
  const context = canvas.getContext("2d");
  const ground = element("canvas", { width: canvas.width, height: canvas.height });
  const pen = ground.getContext("2d");
  pen.scale(scale, scale);
  context.scale(scale, scale);
  pen.strokeStyle = pen.fillStyle = "#888";
  pen.font = "10px system-ui, sans-serif";
  pen.textAlign = "center";
  pen.beginPath();
  pen.arc(middle, middle, radius, 0, 2 * Math.PI);
  pen.moveTo(middle - radius, middle);
  pen.lineTo(middle + radius, middle);
  pen.moveTo(middle, middle - radius);
  pen.lineTo(middle, middle + radius);
  pen.stroke();
  pen.fillText("excited", middle, 11);
  pen.fillText("calm", middle, side - 4);
  pen.save();
  pen.translate(10, middle);
  pen.rotate(-Math.PI / 2);
  pen.fillText("unpleasant", 0, 0);
  pen.restore();
  pen.translate(side - 3, middle);
  pen.rotate(-Math.PI / 2);
  pen.fillText("pleasant", 0, 0);
  let points = [];
  function draw() {
    context.clearRect(0, 0, side, side);
    context.drawImage(ground, 0, 0, side, side);
    points.forEach(({ x, y, colour }, index) => {
      const last = index === points.length - 1;
      context.globalAlpha = last ? 1 : 0.15 + (0.5 * index) / points.length;
      context.fillStyle = colour;
      context.beginPath();
      context.arc(middle + radius * x, middle - radius * y, last ? 6 : 3, 0, 2 * Math.PI);
      context.fill();
    });
    context.globalAlpha = 1;
  }
  function add(face, colour) {
    if (face.valence == null) return;
    points = [...points.slice(1 - TRAIL), { x: face.valence, y: face.arousal, colour }];
    draw();
  }
  function describe(face) {
    canvas.setAttribute("aria-label", face && face.valence != null
      ? `Valence ${face.valence.toFixed(1)}, arousal ${face.arousal.toFixed(1)}`
      : "Valence and arousal of the largest face");
  }
  draw();
  describe(null);
  return { canvas, add, describe, clear: () => { points = []; draw(); } };
}

function drawFaces(context, width, height, faces, mirrored, colourOf) {
  context.clearRect(0, 0, width, height);
  context.lineWidth = 2;
  context.font = "600 13px system-ui, sans-serif";
  context.textBaseline = "middle";
  for (const face of [...faces].reverse()) { // the largest on top
    const [left, top, w, h] = face.box;
    const x = (mirrored ? 1 - left - w : left) * width, y = top * height;
    const colour = colourOf(face.expression);
    context.strokeStyle = context.fillStyle = colour;
    context.strokeRect(x, y, w * width, h * height);
    const lines = [];
    if (face.expression) {
      const share = Math.max(...face.probabilities);
      const track = face.track == null ? "" : `${face.track} `;
      lines.push(`${track}${face.expression} ${Math.round(100 * share)} %`);
    }
    if (face.valence != null) {
      const signed = (value) => (value < 0 ? "" : "+") + value.toFixed(2);
      lines.push(`V ${signed(face.valence)} A ${signed(face.arousal)}`);
    }
    const first = Math.max(0, y - 18 * lines.length);
    lines.forEach((line, index) => {
      const wide = context.measureText(line).width + 8;
      const from = Math.max(0, Math.min(x - 1, width - wide));
      context.fillStyle = colour;
      context.fillRect(from, first + 18 * index, wide, 18);
      context.fillStyle = "#fff";
      context.fillText(line, from + 4, first + 18 * index + 9.5);
    });
  }
}

// ---- one view ----------------------------------------------------------------------------------

function render({ model, el }) {
  const session = newSession();
  const names = model.get("_expressions"), colours = model.get("_colours");
  const colourOf = (name) => colours[names.indexOf(name)] || "#787878";
  const controls = makeControls();
  const bars = makeBars(names, colours), circumplex = makeCircumplex();
  const video = element("video", { playsInline: true, muted: true }, { "aria-label": "Camera" });
  const picture = element("canvas", { hidden: true }, { role: "img", "aria-label": "Picture" });
  const overlay = element("canvas", {}, { "aria-hidden": "true" });
  const message = element("div", { className: "message" }, { role: "status" });
  const stage = element("div", { className: "stage" }, {}, [video, picture, overlay, message]);
  const notice = element("p", { className: "notice", hidden: true }, { role: "alert" });
  const times = element("p", { className: "times" }, { "aria-label": "Times" });
  const root = element("div", { className: "affect-camera" }, {}, [
    element("div", { className: "bar" }, { role: "toolbar", "aria-label": "Camera controls" }, [
      controls.start, controls.stop, controls.sample,
      element("label", { className: "file" }, {}, ["Open file", controls.file]),
      controls.snapshot, controls.camera, controls.resolution,
      element("label", {}, {}, [controls.mirror, " mirror"]),
    ]),
    element("div", { className: "body" }, {}, [
      stage, element("div", { className: "side" }, {}, [circumplex.canvas, bars.list]),
    ]),
    notice, times, element("p", { className: "privacy", textContent: PRIVACY }),
  ]);
  el.append(root);

  const overlayPen = overlay.getContext("2d"), picturePen = picture.getContext("2d");
  const grabber = document.createElement("canvas");
  const grabberPen = grabber.getContext("2d", { alpha: false });
  const devicePixels = window.devicePixelRatio || 1;

  let mode = null; // "camera", "video", "image", "clip", "kernel"; null while nothing runs
  let generation = 0; // counts up with each release, so that what is late knows it
  let removed = false, frozen = false;
  let stream = null, address = null, clip = [], clipPosition = 0;
  let clipTimer = null, pumpTimer = null, videoCallback = null;
  let fresh = false, number = 0, lastSent = 0, startedAt = 0, lastAnswer = 0, lastText = 0;
  let faces = [], ends = [], recent = [], reports = [];
  const waiting = new Map(); // number of a frame to when it was taken, and what that took

  const isCamera = () =>
    mode === "camera" || (mode === "kernel" && model.get("_source_is_camera"));
  const mirrored = () => isCamera() && controls.mirror.checked;

  function send(type, content = {}, buffers = []) {
    try { // it throws as soon as the kernel was restarted or shut down
      model.send({ ...content, type, session }, undefined, buffers);
      return true;
    } catch (error) {
      return false;
    }
  }

  function setStatus(status, text) {
    const changed = root.dataset.status !== status;
    root.dataset.status = status;
    message.textContent = text === undefined ? TEXTS[status] || "" : text;
    message.hidden = !message.textContent;
    if (changed && !removed && status !== "waiting") send("status", { status });
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
    faces = [];
    mode = null;
    fresh = frozen = false;
    controls.snapshot.textContent = "Freeze";
    overlayPen.clearRect(0, 0, overlay.width, overlay.height);
    controls.start.disabled = false;
    controls.stop.disabled = controls.snapshot.disabled = true;
  }

  function stop(reason, status = "idle", text = undefined) {
    const ran = mode !== null;
    release();
    if (ran) send("bye", { reason });
    setStatus(status, text);
  }

  const disconnected = () => stop("disconnected", "disconnected");

  function begin(newMode) { // the source runs: tell the kernel, and start counting
    mode = newMode;
    number = lastSent = lastText = 0;
    ends = [];
    recent = [];
    reports = [];
    startedAt = lastAnswer = now();
    notice.hidden = true;
    circumplex.clear();
    picture.hidden = mode === "camera" || mode === "video";
    video.hidden = !picture.hidden;
    controls.start.disabled = true;
    controls.stop.disabled = controls.snapshot.disabled = false;
    controls.snapshot.hidden = mode === "kernel";
    root.dataset.results = 0;
    root.dataset.mode = mode;
    applyMirror();
    setStatus("streaming");
    if (!send(mode === "kernel" ? "kernel" : "hello", { mode })) disconnected();
  }

  // ---- sources ----

  async function startCamera(deviceId) {
    release();
    if (!send("status", { status: "asking" })) return disconnected(); // nobody listens
    if (model.get("_source_name")) return begin("kernel");
    if (!navigator.mediaDevices || !navigator.mediaDevices.getUserMedia) {
      return setStatus(window.isSecureContext ? "blocked" : "insecure");
    }
    const mine = generation;
    setStatus("asking");
    controls.start.disabled = true;
    const [width, height] = model.get("resolution");
    const wanted = {
      width: { ideal: width }, height: { ideal: height }, frameRate: { ideal: 30 },
    };
    if (deviceId) wanted.deviceId = { exact: deviceId };
    let opened;
    try {
      opened = await navigator.mediaDevices.getUserMedia({ audio: false, video: wanted });
    } catch (error) {
      if (mine !== generation) return;
      release();
      return setStatus(FAULTS[error.name] || "in use", FAULTS[error.name] ? undefined :
        `The camera can't be used: ${error.name}: ${error.message}`);
    }
    if (mine !== generation || removed) { // stopped while the user was asked
      opened.getTracks().forEach((track) => track.stop());
      return;
    }
    stream = opened;
    stream.getVideoTracks()[0].onended = () => stop("unplugged", "unplugged");
    video.srcObject = stream;
    await video.play().catch(() => {}); // interrupted by a stop
    if (mine !== generation) return;
    begin("camera");
    watchVideo();
    listCameras();
  }

  async function listCameras() {
    const devices = await navigator.mediaDevices.enumerateDevices().catch(() => []);
    const cameras = devices.filter((device) => device.kind === "videoinput");
    const current = stream && stream.getVideoTracks()[0].getSettings().deviceId;
    controls.camera.hidden = cameras.length < 2;
    controls.camera.replaceChildren(...cameras.map((device, index) => element("option", {
      value: device.deviceId,
      textContent: device.label || `Camera ${index + 1}`,
      selected: device.deviceId === current,
    })));
  }

  async function openFile(file) {
    if (mode) stop("file");
    release();
    const mine = generation;
    if (file.type.startsWith("image/")) {
      const bitmap = await createImageBitmap(file).catch(() => null);
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
    if (mode) stop("clip");
    release();
    controls.start.disabled = true;
    setStatus("loading");
    if (!send("clip")) disconnected();
  }

  async function playClip(buffers, rate) {
    if (root.dataset.status !== "loading") return;
    release();
    const mine = generation;
    const blobs = buffers.map((buffer) => new Blob([buffer], { type: "image/jpeg" }));
    const frames = await Promise.all(blobs.map((blob) => createImageBitmap(blob)));
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
    if (!frozen) showPicture(clip[clipPosition]);
    fresh = true;
    pump();
  }

  function showPicture(bitmap) {
    fitStage(bitmap.width, bitmap.height);
    resize(picture, bitmap.width, bitmap.width, bitmap.height);
    picturePen.drawImage(bitmap, 0, 0);
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

  function pump() { // send the newest frame, if the kernel owes less than it may
    if (!mode || mode === "kernel" || removed || frozen || !fresh) return;
    if (waiting.size >= model.get("max_in_flight")) return;
    const early = 1000 / model.get("frames_per_second") - (now() - lastSent);
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
    resize(grabber, model.get("resolution")[0], width, height);
    grabberPen.drawImage(image, 0, 0, grabber.width, grabber.height);
    const grabbed = now();
    // toDataURL is quicker than toBlob while a video plays, whose answer comes a task later
    const text = grabber.toDataURL("image/jpeg", JPEG_QUALITY).slice(23);
    const bytes = Uint8Array.fromBase64 ? Uint8Array.fromBase64(text)
      : Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    const encoded = now();
    const frame = number++;
    waiting.set(frame, { taken, grab: grabbed - taken, encode: encoded - grabbed });
    const content = { number: frame, time: (taken - startedAt) / 1000, times: reports };
    reports = [];
    if (!send("frame", content, [bytes.buffer])) disconnected();
  }

  // ---- answers in ----

  async function onMessage(content, buffers) {
    const mine = content.session === session;
    if (content.type === "stop" && (mine || content.session === null)) {
      if (mode || root.dataset.status === "asking" || root.dataset.status === "loading") {
        stop("kernel", "idle", content.text);
      }
    } else if (!mine) {
      return; // for another view
    } else if (content.type === "start") {
      startCamera();
    } else if (content.type === "clip") {
      playClip(buffers, content.rate);
    } else if (mode === "kernel") {
      await showKernelFrame(content, buffers[0]);
    } else if (waiting.has(content.number)) {
      onAnswer(content);
    }
  }

  async function showKernelFrame(content, buffer) {
    const start = now(), token = generation;
    const bitmap = buffer
      && await createImageBitmap(new Blob([buffer], { type: "image/jpeg" })).catch(() => null);
    if (token === generation && bitmap) {
      if (!frozen) showPicture(bitmap);
      const frame = { taken: start - content.kernel, grab: 0, encode: 0 };
      if (content.type === "result") showResult(content, frame, start);
      else showError(content);
      send("shown", { number: content.number, times: reports });
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
    if (content.type === "result") showResult(content, frame, arrived);
    if (mode === "image") return sendReports();
    pump();
  }

  function showError(content) { // once: until the next start the same text stays as it is
    if (notice.textContent !== content.text) notice.textContent = content.text;
    notice.hidden = false;
    root.dataset.errors = 1 + Number(root.dataset.errors || 0);
  }

  function showResult(content, frame, arrived) {
    const withText = arrived - lastText > 400;
    if (!frozen) showFaces(content.faces, withText);
    const end = now();
    const latency = end - frame.taken;
    const wire = Math.max(0,
      arrived - frame.taken - frame.grab - frame.encode - content.kernel);
    const draw = end - arrived;
    reports.push([content.number, frame.grab, frame.encode, wire, draw, latency]);
    recent.push({
      copy: frame.grab, JPEG: frame.encode, wire, ...content.milliseconds, draw, latency,
    });
    ends.push(end);
    if (recent.length > 30) recent.shift();
    if (ends.length > 30) ends.shift();
    root.dataset.results = 1 + Number(root.dataset.results);
    root.dataset.faces = content.faces.length;
    root.dataset.expression = content.faces.length ? content.faces[0].expression : "";
    if (withText) {
      lastText = arrived;
      showTimes();
    }
  }

  function showFaces(found, withText) {
    faces = found;
    drawOverlay();
    const [first] = faces;
    bars.show(first ? first.probabilities : [], withText);
    if (first) circumplex.add(first, colourOf(first.expression));
    if (withText) circumplex.describe(first);
  }

  function showTimes() {
    const rate = ends.length > 1 ? (1000 * (ends.length - 1)) / (ends.at(-1) - ends[0]) : 0;
    const part = (name) => `${name} ${mean(recent.map((row) => row[name] || 0)).toFixed(1)}`;
    const stages = Object.keys(recent.at(-1)).filter((name) => name !== "latency");
    times.textContent =
      `${rate.toFixed(1)} frames/s, ${part("latency")} ms: ${stages.map(part).join(", ")}`;
  }

  function sendReports() {
    if (reports.length) send("shown", { number: -1, times: reports });
    reports = [];
  }

  function fitStage(width, height) {
    const high = Math.round((WIDTH * height) / width);
    if (overlay.width !== WIDTH * devicePixels || overlay.height !== high * devicePixels) {
      stage.style.height = `${high}px`;
      overlay.width = WIDTH * devicePixels;
      overlay.height = high * devicePixels;
    }
    return high;
  }

  function drawOverlay() {
    const [width, height] = mode === "kernel" ? [picture.width, picture.height]
      : source().slice(1);
    if (!width) return;
    const high = fitStage(width, height);
    overlayPen.setTransform(devicePixels, 0, 0, devicePixels, 0, 0);
    drawFaces(overlayPen, WIDTH, high, faces, mirrored(), colourOf);
  }

  function applyMirror() {
    video.classList.toggle("mirrored", mirrored());
    picture.classList.toggle("mirrored", mirrored());
    if (mode) drawOverlay();
  }

  function freeze() { // the kernel's snapshot stays what it was, too: no frames are sent
    frozen = !frozen;
    controls.snapshot.textContent = frozen ? "Go on" : "Freeze";
    if (mode === "camera" || mode === "video") frozen ? video.pause() : video.play();
    if (!frozen) pump();
  }

  // ---- a kernel that is busy, restarted or gone ----

  const watchdog = setInterval(() => {
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
    controls.mirror.checked = model.get("mirror");
    applyMirror();
  };
  const onResolution = () => {
    const size = (pair) => pair.join(" x ");
    const sizes = [[320, 240], [640, 480], [1280, 720]].map(size);
    const current = size(model.get("resolution"));
    controls.resolution.replaceChildren(...[...new Set([...sizes, current])].map((text) =>
      element("option", { textContent: text, selected: text === current })));
    if (mode === "camera") startCamera(controls.camera.value);
  };

  controls.start.addEventListener("click", () => startCamera(controls.camera.value));
  controls.stop.addEventListener("click", () => { sendReports(); stop("user"); });
  controls.sample.addEventListener("click", askForClip);
  controls.snapshot.addEventListener("click", freeze);
  controls.camera.addEventListener("change", () => startCamera(controls.camera.value));
  controls.file.addEventListener("change", () => {
    if (controls.file.files[0]) openFile(controls.file.files[0]);
    controls.file.value = "";
  });
  controls.mirror.addEventListener("change", () => {
    model.set("mirror", controls.mirror.checked);
    model.save_changes();
  });
  controls.resolution.addEventListener("change", () => {
    model.set("resolution", controls.resolution.value.split(" x ").map(Number));
    model.save_changes();
  });
  model.on("msg:custom", onMessage);
  model.on("change:mirror", onMirror);
  model.on("change:resolution", onResolution);
  window.addEventListener("pagehide", onPageHide);
  controls.sample.hidden = !model.get("_has_sample");
  onMirror();
  onResolution();
  release();
  root.dataset.status = "idle";
  message.textContent = TEXTS.idle;
  send("view");

  return () => { // the cell was run again, cleared or deleted, or the notebook was closed
    if (mode) stop("view removed");
    removed = true;
    release();
    clearInterval(watchdog);
    window.removeEventListener("pagehide", onPageHide);
    model.off("msg:custom", onMessage);
    model.off("change:mirror", onMirror);
    model.off("change:resolution", onResolution);
  };
}

// The page knows of the widget, which may lie outside of what is shown. Said too early, before
// JupyterLab has a shell of its own for the widget, it waits for the running cell: so say it again.
function initialize({ model }) {
  let tries = 0;
  const announce = () => {
    tries += 1;
    try {
      model.send({ type: "page", session: "" }, undefined, []);
    } catch (error) {
      tries = ANNOUNCEMENTS; // the kernel is gone
    }
    if (tries >= ANNOUNCEMENTS) clearInterval(timer);
  };
  const timer = setInterval(announce, 400);
  model.on("msg:custom", () => clearInterval(timer)); // it was heard
  announce();
  return () => clearInterval(timer);
}

export default { initialize, render };
