// What is drawn: elements, boxes, bars, and the plane of valence and arousal.

const TRAIL = 60; // points of the plane
const SVG = "http://www.w3.org/2000/svg";

export function element(tag, properties = {}, attributes = {}, children = []) {
  const made = Object.assign(document.createElement(tag), properties);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

export const signed = (value, digits) =>
  (value < 0 ? "\u2212" : "+") + Math.abs(value).toFixed(digits);

export const percent = (share) => `${Math.round(100 * share)} %`;

export function describeFace(face) { // "Happy 91 %"; "Happy? 41 %" if that is more likely wrong
  if (!face.expression) return "";
  return `${face.expression}${face.unsure ? "?" : ""} ${percent(Math.max(...face.probabilities))}`;
}

export function textColour(background) { // black or white, whichever is easier to read on #rrggbb
  const [red, green, blue] = [1, 3, 5].map((start) => {
    const value = parseInt(background.slice(start, start + 2), 16) / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  });
  const luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue; // WCAG 2
  return luminance > 0.179 ? "#000000" : "#ffffff";
}

export function resize(canvas, width, height) {
  if (canvas.width === width && canvas.height === height) return; // setting takes new memory
  canvas.width = width;
  canvas.height = height;
}

export function drawBoxes(context, width, height, faces, mirrored, colourOf) {
  context.clearRect(0, 0, width, height);
  context.font = "600 13px system-ui, sans-serif";
  context.textBaseline = "middle";
  faces.map((face, index) => ({ face, largest: index === 0 })).reverse().forEach(
    ({ face, largest }) => { // the largest on top
      const [left, top, w, h] = face.box;
      const x = (mirrored ? 1 - left - w : left) * width, y = top * height;
      const colour = colourOf(face.expression);
      context.strokeStyle = colour;
      context.lineWidth = largest ? 4 : 2;
      context.strokeRect(x, y, w * width, h * height);
      const lines = [];
      if (face.expression) {
        const track = faces.length > 1 && face.track != null ? `${face.track} ` : "";
        lines.push(track + describeFace(face));
      }
      if (face.valence != null) {
        lines.push(`V ${signed(face.valence, 2)} A ${signed(face.arousal, 2)}`);
      }
      const first = Math.max(0, y - 18 * lines.length);
      lines.forEach((line, index) => {
        const wide = context.measureText(line).width + 8;
        const from = Math.max(0, Math.min(x - 1, width - wide));
        context.fillStyle = colour;
        context.fillRect(from, first + 18 * index, wide, 18);
        context.fillStyle = textColour(colour);
        context.fillText(line, from + 4, first + 18 * index + 9.5);
      });
    },
  );
}

export function makeBars(names, colours) {
  const rows = names.map((name, index) => {
    const fill = element("span", { className: "fill" });
    fill.style.background = colours[index];
    const share = element("span", { className: "share" });
    const item = element("li", {}, {}, [
      element("span", { className: "name", textContent: name }),
      element("span", { className: "track" }, { "aria-hidden": "true" }, [fill]), share,
    ]);
    return { item, fill, share };
  });
  const list = element("ul", { className: "bars" }, {
    "aria-label": "Probabilities of the largest face",
  }, rows.map((row) => row.item));
  function show(probabilities) {
    rows.forEach((row, index) => {
      const known = index < probabilities.length;
      row.fill.style.width = known ? `${(100 * probabilities[index]).toFixed(1)}%` : "0";
      const text = known ? percent(probabilities[index]) : "";
      if (row.share.textContent !== text) row.share.textContent = text;
    });
  }
  return { list, show };
}

function makeAxes(side, radius) {
  const middle = side / 2;
  const drawing = document.createElementNS(SVG, "svg");
  drawing.setAttribute("viewBox", `0 0 ${side} ${side}`);
  drawing.setAttribute("aria-hidden", "true");
  const add = (tag, attributes, text = "") => {
    const made = document.createElementNS(SVG, tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    made.textContent = text;
    drawing.append(made);
  };
  add("circle", { cx: middle, cy: middle, r: radius });
  add("path", { d: `M${middle - radius} ${middle}h${2 * radius}M${middle} ${middle - radius}v${2 * radius}` });
  const write = (x, y, text, turn = 0) =>
    add("text", { x, y, transform: `rotate(${turn} ${x} ${y})` }, text);
  write(middle, 10, "excited");
  write(middle, side - 3, "calm");
  write(9, middle - 36, "unpleasant", -90);
  write(side - 4, middle - 36, "pleasant", -90);
  write(middle + 14, middle - radius + 12, "A +1");
  write(middle + 14, middle + radius - 5, "\u22121");
  write(middle - radius + 12, middle + 12, "\u22121");
  write(middle + radius - 15, middle + 12, "V +1");
  write(middle + 7, middle + 12, "0");
  return drawing;
}

export function makePlane() { // valence to the right, arousal upwards
  const side = 220, radius = 90, middle = side / 2;
  const scale = window.devicePixelRatio || 1;
  const canvas = element("canvas", { width: side * scale, height: side * scale }, { role: "img" });
  const plane = element("div", { className: "plane" }, {}, [makeAxes(side, radius), canvas]);
  const context = canvas.getContext("2d");
  context.scale(scale, scale);
  let points = [];
  function draw() {
    context.clearRect(0, 0, side, side);
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
  function show(face, colour) {
    const known = face && face.valence != null;
    canvas.setAttribute("aria-label", known
      ? `Valence ${signed(face.valence, 2)}, arousal ${signed(face.arousal, 2)}`
      : "Valence and arousal of the largest face");
    if (!known) return;
    points = [...points.slice(1 - TRAIL), { x: face.valence, y: face.arousal, colour }];
    draw();
  }
  show(null);
  return { plane, show, clear: () => { points = []; draw(); show(null); } };
}
