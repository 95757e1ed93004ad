// The answers beside the picture: every part shows the same answer, that of one frame.

import { describeFace, element, makeBars, makePlane } from "./drawing.js";

const SPEAK = 1000; // milliseconds between two announcements, at least
const TIMES = 400; // between two lines of times
const SLOW_WIRE = 15; // milliseconds of the way from which the remedy is told
const MEANINGS = [
  "V is valence, from \u22121 (unpleasant) to +1 (pleasant).",
  "A is arousal, from \u22121 (calm) to +1 (excited).",
  "0 is in between: neither one nor the other.",
  "A question mark, as in \u201cHappy?\u201d, marks an answer whose probability is below 50 %: by the",
  "model\u2019s own estimate it is more likely wrong than right.",
  "What is also plausible holds, together with the answer, what raters say in nine of ten cases, for",
  "faces like those that the model was checked on.",
  "Of several faces, each has the number that it has in the record.",
  "The answer is the word that onlookers would choose for the picture, not what somebody feels.",
].join(" ");
const REMEDY =
  " Most of this is the way between page and kernel. Where affectkit is installed " +
  "beside the Jupyter server, its extension affectkit.widgets.low_latency sends answers at once; " +
  "this server may lack it, or the network is slow.";

const mean = (values) => values.reduce((sum, value) => sum + value, 0) / (values.length || 1);

export function makeResults(names, colours, colourOf) {
  const bars = makeBars(names, colours), plane = makePlane();
  const swatch = element("span", { className: "swatch" }, { "aria-hidden": "true" });
  const words = element("span", { className: "words" });
  const answer = element("p", { className: "answer" }, {}, [swatch, words]);
  const others = element("p", { className: "others" });
  const spoken = element("div", { className: "spoken" }, { "aria-live": "polite" });
  const meanings = element("details", { className: "meanings" }, {}, [
    element("summary", { textContent: "What do V, A and \u201c?\u201d mean?" }),
    element("p", { textContent: MEANINGS }),
  ]);
  const line = element("p");
  const times = element("details", { className: "times" }, {}, [
    element("summary", { textContent: "Times" }), line,
  ]);
  const side = element("div", { className: "side" }, {}, [
    element("div", { className: "readout" }, {}, [answer, others, bars.list]), plane.plane,
  ]);
  let recent = [], ends = [], written = -TIMES, announced = 0, timer = null;

  function announce(text) {
    clearTimeout(timer);
    if (spoken.textContent === text) return;
    timer = setTimeout(() => {
      announced = performance.now();
      spoken.textContent = text;
    }, Math.max(0, SPEAK - (performance.now() - announced)));
  }

  function show(faces) {
    const [first] = faces;
    const text = first ? describeFace(first) : "";
    bars.show(first ? first.probabilities : []);
    plane.show(first, first && colourOf(first.expression));
    swatch.hidden = !first;
    if (first) swatch.style.background = colourOf(first.expression);
    words.textContent = !first ? "No face found."
      : `${faces.length > 1 ? "Largest face (thick box)" : "Face"}: ${text || "found"}`;
    const plausible = ((first && first.plausible) || []).filter((name) => name !== first.expression);
    others.textContent = plausible.length ? `Also plausible: ${plausible.join(", ")}.` : "";
    const word = !first || !first.expression ? ""
      : ` ${faces.length > 1 ? "Largest: " : ""}${first.unsure ? "perhaps " : ""}${first.expression}.`;
    const count = faces.length > 1 ? `${faces.length} faces.` : "1 face.";
    announce(first ? count + word : "No face found.");
  }

  function addTimes(row, withRate) { // milliseconds by stage; latency is all of them
    const end = performance.now();
    recent = [...recent.slice(-29), row];
    ends = [...ends.slice(-29), end];
    if (end - written < TIMES) return;
    written = end;
    const average = (name) => mean(recent.map((known) => known[name] || 0));
    const part = (name) => `${name} ${average(name).toFixed(1)}`;
    const stages = Object.keys(row).filter((name) => name !== "latency");
    const span = ends.at(-1) - ends[0];
    const rate = withRate && span ? `${((1000 * (ends.length - 1)) / span).toFixed(1)} frames/s, ` : "";
    const slow = withRate && average("wire") > Math.max(SLOW_WIRE, average("latency") / 2);
    line.textContent =
      `${rate}${part("latency")} ms: ${stages.map(part).join(", ")}.${slow ? REMEDY : ""}`;
  }

  function clear() {
    clearTimeout(timer);
    recent = [];
    ends = [];
    written = -TIMES;
    bars.show([]);
    plane.clear();
    swatch.hidden = true;
    words.textContent = others.textContent = spoken.textContent = line.textContent = "";
  }

  clear();
  return { side, spoken, meanings, times, show, addTimes, clear };
}
