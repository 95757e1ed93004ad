// This page as the source of answers: a worker looks at the frames, which go there as bitmaps, one
// at a time. Its members are those of the kernel, see kernel.js.

const KEPT_ROWS = 100_000; // about an hour of one face

export function connectWorker(state) {
  const texts = { connecting: "Loading the networks.", waiting: "Waiting for the answer." };
  const worker = new Worker("worker.js"), watchers = {};
  let listener = () => {}, run = 0, kept = null, rows = [], sheet = null, started;
  const ready = new Promise((resolve) => { started = resolve; });

  function fail(text) {
    texts.disconnected = `The networks can't be loaded: ${text}`;
    listener({ type: "stop", text: texts.disconnected }, []);
    started(false);
  }

  async function sendClip() {
    sheet = sheet || await createImageBitmap(await (await fetch("sample.jpg")).blob());
    const { columns, frames, width, height, rate } = state.clip;
    listener({ type: "clip", rate }, Array.from({ length: frames }, (_, at) =>
      [width * (at % columns), height * Math.floor(at / columns), width, height]));
  }

  function tell(type) {
    if (type === "hello") { // another source
      run += 1;
      rows = [];
      worker.postMessage({});
    }
    if (type === "clip") ready.then(sendClip);
    if (type === "view" || type === "page") queueMicrotask(() => listener({ type: "nothing" }, []));
    return true;
  }

  function look(canvas, { number, time }) {
    const place = { run, number, time };
    createImageBitmap(canvas).then((bitmap) => worker.postMessage({ ...place, bitmap }, [bitmap]));
    return { picture: number, encode: 0, heard: true };
  }

  function record({ number, time, faces }) {
    for (const { track, expression, probabilities, valence, arousal } of faces) {
      const shares = state._expressions.map((_, code) => probabilities[code]); // none: empty
      rows.push([time, number, track, expression, ...shares, valence, arousal].join());
    }
    if (rows.length > KEPT_ROWS) rows = rows.slice(-0.9 * KEPT_ROWS);
  }

  worker.onerror = (event) => fail(event.message);
  worker.onmessage = ({ data }) => {
    if (data.type === "ready") return started(true);
    if (data.type === "failed") return fail(data.text);
    if (data.run !== run) return data.bitmap.close();
    if (kept) kept.bitmap.close();
    kept = data;
    if (data.type === "result") record(data);
    listener(data, []);
  };
  return {
    settings: {
      get: (name) => state[name],
      set: (name, value) => {
        state[name] = value;
        watchers[name]?.();
      },
      watch: (name, change) => { watchers[name] = change; },
    },
    tell, look, texts, lossless: true, widest: state.widest,
    privacy: "Frames are processed on this device, by this page, and not stored.",
    ask: () => ready,
    open: (picture) => { // the frame of that number, or that part of the clip's sheet
      if (Array.isArray(picture)) return createImageBitmap(sheet, ...picture);
      return kept && kept.number === picture ? createImageBitmap(kept.bitmap) : null;
    },
    table: () => [state.columns.join(), ...rows, ""].join("\r\n"),
    listen: (hear) => { listener = hear; },
    close: () => worker.terminate(),
  };
}
