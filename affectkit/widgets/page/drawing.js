// What is drawn: boxes, bars, and the plane of valence and arousal.

import { BAR, make } from "./markup.js";

const TRAIL = 60; // points of the plane

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
  for (const face of [...faces].reverse()) { // the largest on top
    const [left, top, w, h] = face.box, colour = colourOf(face.expression);
    const x = (mirrored ? 1 - left - w : left) * width, y = top * height;
    context.strokeStyle = colour;
    context.lineWidth = face === faces[0] ? 4 : 2;
    context.strokeRect(x, y, w * width, h * height);
    const track = faces.length > 1 && face.track != null ? `${face.track} ` : "", lines = [];
    if (face.expression) lines.push(track + describeFace(face));
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
  }
}

export function makeBars(list, names, colours) { // gives a function that shows probabilities
  const rows = names.map((name, index) => {
    const row = make(BAR), [label, track, share] = row.children, [fill] = track.children;
    label.textContent = name;
    fill.style.background = colours[index];
    list.append(row);
    return { fill, share };
  });
  return (probabilities) => rows.forEach(({ fill, share }, index) => {
    const known = index < probabilities.length;
    fill.style.width = known ? `${(100 * probabilities[index]).toFixed(1)}%` : "0";
    const text = known ? percent(probabilities[index]) : "";
    if (share.textContent !== text) share.textContent = text;
  });
}

export function makePlane(canvas) { // valence to the right, arousal upwards
  const side = 220, radius = 90, middle = side / 2;
  const scale = window.devicePixelRatio || 1;
  resize(canvas, side * scale, side * scale);
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
  return { show, clear: () => { points = []; draw(); show(null); } };
}
