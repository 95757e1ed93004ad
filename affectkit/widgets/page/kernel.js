// The kernel as the source of answers. Another source has the same members: `settings`, `tell`,
// `look`, `open` (a picture that `look` gave, or a part of a clip), `ask`, `listen`, `close`,
// `privacy`; `widest`, if it takes pictures up to that width as they are.
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

function newSession() { // crypto.randomUUID is missing on insecure pages
  const random = () => Math.random().toString(36).slice(2);
  return random() + random();
}

export function connectKernel(model) {
  const session = newSession();
  const settings = {
    get: (name) => model.get(name),
    set: (name, value) => {
      model.set(name, value);
      model.save_changes();
    },
    watch: (name, change) => model.on(`change:${name}`, change),
    unwatch: (name, change) => model.off(`change:${name}`, change),
  };
  let listener = () => {}, answered = [];

  function tell(type, content = {}, buffers = []) { // false if nobody can hear it
    try { // it throws as soon as the kernel was restarted or shut down
      model.send({ ...content, type, session }, undefined, buffers);
      return true;
    } catch (error) {
      return false;
    }
  }

  function look(canvas, content) { // send a frame; gives its JPEG and what making that took
    const start = performance.now();
    // toDataURL is quicker than toBlob while a video plays, whose answer comes a task later
    const text = canvas.toDataURL("image/jpeg", JPEG_QUALITY).slice(23);
    const bytes = Uint8Array.fromBase64 ? Uint8Array.fromBase64(text)
      : Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    const encode = performance.now() - start;
    return { picture: bytes, encode, heard: tell("frame", content, [bytes.buffer]) };
  }

  function ask() { // whether the kernel is there: true once it has answered, false if it can't
    return new Promise((resolve) => {
      answered.push(resolve);
      if (!tell("ask")) resolve(false);
    });
  }

  function onMessage(content, buffers) {
    if (content.type === "ready" && content.session === session) {
      answered.forEach((resolve) => resolve(true));
      answered = [];
    }
    if (content.session === session || content.session === null) listener(content, buffers);
  }

  model.on("msg:custom", onMessage);
  return {
    settings, tell, look, ask, open: openJpeg,
    privacy: "Frames are processed in your kernel and not stored.",
    listen: (hear) => { listener = hear; },
    close: () => model.off("msg:custom", onMessage),
  };
}

// The page knows of the widget, which may lie outside of what is shown. Said too early, before
// JupyterLab has a shell of its own for the widget, it waits for the running cell: so say it again.
export function announcePage(model) {
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
