// The answers beside the picture: every part shows the same answer, that of one frame.

import { describeFace, makeBars, makePlane } from "./drawing.js";

const SPEAK = 1000; // milliseconds between two announcements, at least
const TIMES = 400; // between two lines of times
const SLOW_WIRE = 15; // milliseconds of the way from which the remedy is told
const REMEDY =
  " Most of this is the way between page and kernel. Where affectkit is installed " +
  "beside the Jupyter server, its extension affectkit.widgets.low_latency sends answers at once; " +
  "this server may lack it, or the network is slow.";

export function makeResults(root, names, colours, colourOf) {
  const [swatch, words, others, bars, canvas, spoken, line] =
    [".swatch", ".words", ".others", ".bars", ".plane canvas", ".spoken", ".times p"]
      .map((selector) => root.querySelector(selector));
  const showBars = makeBars(bars, names, colours), plane = makePlane(canvas);
  let recent = [], written = -TIMES, announced = 0, timer = null;

  function announce(text) {
    clearTimeout(timer);
    if (spoken.textContent === text) return;
    timer = setTimeout(() => {
      announced = performance.now();
      spoken.textContent = text;
    }, SPEAK - (performance.now() - announced));
  }

  function show(faces) {
    const [first] = faces, several = faces.length > 1;
    showBars(first ? first.probabilities : []);
    plane.show(first, first && colourOf(first.expression));
    swatch.hidden = !first;
    if (!first) {
      others.textContent = "";
      words.textContent = "No face found.";
      return announce("No face found.");
    }
    swatch.style.background = colourOf(first.expression);
    words.textContent =
      `${several ? "Largest face (thick box)" : "Face"}: ${describeFace(first) || "found"}`;
    const plausible = (first.plausible || []).filter((name) => name !== first.expression);
    others.textContent = plausible.length ? `Also plausible: ${plausible.join(", ")}.` : "";
    const word = !first.expression ? ""
      : ` ${several ? "Largest: " : ""}${first.unsure ? "perhaps " : ""}${first.expression}.`;
    announce((several ? `${faces.length} faces.` : "1 face.") + word);
  }

  function addTimes(row, withRate) { // milliseconds by stage; latency is all of them
    const end = performance.now();
    recent = [...recent.slice(-29), { ...row, end }];
    if (end - written < TIMES) return;
    written = end;
    const average = (name) =>
      recent.reduce((sum, known) => sum + (known[name] || 0), 0) / recent.length;
    const part = (name) => `${name} ${average(name).toFixed(1)}`;
    const stages = Object.keys(row).filter((name) => name !== "latency");
    const rate = (1000 * (recent.length - 1)) / (end - recent[0].end);
    const slow = withRate && average("wire") > Math.max(SLOW_WIRE, average("latency") / 2);
    line.textContent = (withRate && rate ? `${rate.toFixed(1)} frames/s, ` : "")
      + `${part("latency")} ms: ${stages.map(part).join(", ")}.${slow ? REMEDY : ""}`;
  }

  function clear() {
    clearTimeout(timer);
    recent = [];
    written = -TIMES;
    showBars([]);
    plane.clear();
    swatch.hidden = true;
    for (const one of [words, others, spoken, line]) one.textContent = "";
  }

  clear();
  return { show, addTimes, clear };
}
