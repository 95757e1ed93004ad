// The kernel as the source of answers. Another source has the same members: `settings`, `tell`,
// `look`, `open` (a picture that `look` gave, or a part of a clip), `ask`, `listen`, `close`,
// `privacy`; if need be `texts` of its own by status; `lossless`, if every frame is answered;
// `widest`, if it takes pictures up to that width as they are.
//
// Frames and answers are custom messages with binary parts; only settings are traits, because a
// trait is echoed to every page and saved in the notebook. `session` names the view.
//   page to kernel: page, view, ask, hello {mode}, frame {number, time, times} + JPEG,
//                   shown {number, times}, bye {reason}, status {status}, clip, kernel
//   kernel to page: ready, result {number, faces, milliseconds, kernel} (+ JPEG), drop {number},
//                   error {number, text} (+ JPEG), clip {rate} + JPEGs, start, stop {text},
//                   nothing (is needed by ipykernel, see page_link.py)

import { openJpeg } from "./sources.js";

const ANNOUNCEMENTS = 10;
const JPEG_QUALITY = 0.8;

function send(model, content, buffers = []) { // false if nobody can hear it
  try { // it throws as soon as the kernel was restarted or shut down
    model.send(content, undefined, buffers);
    return true;
  } catch (error) {
    return false;
  }
}

export function connectKernel(model) {
  // crypto.randomUUID is missing on insecure pages
  const session = crypto.getRandomValues(new Uint32Array(4)).join("-");
  const ends = [];
  let listener = () => {}, answered = () => {};

  function watch(event, hear) {
    model.on(event, hear);
    ends.push(() => model.off(event, hear));
  }

  const tell = (type, content = {}, buffers = []) =>
    send(model, { ...content, type, session }, buffers);

  function look(canvas, content) { // send a frame; gives its JPEG and what making that took
    const start = performance.now();
    // toDataURL is quicker than toBlob while a video plays, whose answer comes a task later
    const text = canvas.toDataURL("image/jpeg", JPEG_QUALITY).slice(23);
    const bytes = Uint8Array.fromBase64 ? Uint8Array.fromBase64(text)
      : Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    const encode = performance.now() - start;
    return { picture: bytes, encode, heard: tell("frame", content, [bytes.buffer]) };
  }

  // whether the kernel is there: true once it has answered, false if it can't
  const ask = () => new Promise((resolve) => {
    answered = resolve;
    if (!tell("ask")) resolve(false);
  });

  watch("msg:custom", (content, buffers) => {
    if (content.type === "ready" && content.session === session) answered(true);
    if (content.session === session || content.session === null) listener(content, buffers);
  });
  return {
    settings: {
      get: (name) => model.get(name),
      set: (name, value) => {
        model.set(name, value);
        model.save_changes();
      },
      watch: (name, change) => watch(`change:${name}`, change),
    },
    tell, look, ask, open: openJpeg,
    privacy: "Frames are processed in your kernel and not stored.",
    listen: (hear) => { listener = hear; },
    close: () => ends.forEach((end) => end()),
  };
}

// The page knows of the widget, which may lie outside of what is shown. Said too early, before
// JupyterLab has a shell of its own for the widget, it waits for the running cell: so say it again.
export function announcePage(model) {
  let left = ANNOUNCEMENTS;
  const announce = () => {
    left = send(model, { type: "page", session: "" }) ? left - 1 : 0;
    if (!left) clearInterval(timer);
  };
  const timer = setInterval(announce, 400);
  model.on("msg:custom", () => clearInterval(timer)); // it was heard
  announce();
  return () => clearInterval(timer);
}
