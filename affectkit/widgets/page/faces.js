// From the pixels of a frame to its faces: step by step what affectkit/preprocess.py and
// affectkit/pipeline do. Pixels are { data, width, height, channels }, 0..255.

function round(value) { // as Python does: a half goes to the even neighbour
  const near = Math.round(value);
  return near - value === 0.5 && near % 2 ? near - 1 : near;
}

const sum = (values) => values.reduce((whole, value) => whole + value, 0);

function halve({ data, width, height, channels }) { // without the alpha channel
  const wide = width >> 1, high = height >> 1, row = width * channels;
  const kept = Math.min(channels, 3), halved = new Uint8ClampedArray(wide * high * kept);
  for (let y = 0, at = 0; y < high; y += 1) {
    for (let x = 0; x < wide; x += 1) {
      for (let c = 0, from = 2 * (y * row + x * channels); c < kept; c += 1, from += 1) {
        halved[at++] = (data[from] + data[from + channels]
          + data[from + row] + data[from + row + channels] + 2) >> 2;
      }
    }
  }
  return { data: halved, width: wide, height: high, channels: kept };
}

function findShares(from, to, byArea) { // of each new pixel: its first old one, weights of `taps`
  const scale = from / to, taps = Math.min(from, byArea ? Math.ceil(scale) + 1 : 2);
  const firsts = new Int32Array(to), weights = new Float64Array(to * taps);
  for (let at = 0; at < to; at += 1) {
    const start = at * scale, end = Math.min(start + scale, from);
    const place = byArea ? start : Math.min(Math.max((at + 0.5) * scale - 0.5, 0), from - 1);
    const first = firsts[at] = Math.min(Math.floor(place), from - taps);
    const share = Math.round(2048 * (place - first)); // OpenCV counts in these
    for (let i = 0; i < taps; i += 1) {
      const covered = Math.min(end, first + i + 1) - Math.max(start, first + i);
      weights[at * taps + i] = byArea ? Math.max(covered, 0) / scale : i ? share : 2048 - share;
    }
  }
  return { firsts, weights, taps };
}

function resize({ data, width, height, channels }, wide, high, byArea) {
  const row = wide * channels, between = new Float32Array(height * row);
  const across = findShares(width, wide, byArea), down = findShares(height, high, byArea);
  for (let y = 0, at = 0; y < height; y += 1) {
    const { firsts, weights, taps } = across;
    for (let x = 0; x < wide; x += 1) {
      const start = (y * width + firsts[x]) * channels;
      for (let c = 0; c < channels; c += 1, at += 1) {
        let whole = 0;
        for (let i = 0, from = start + c; i < taps; i += 1, from += channels) {
          whole = Math.fround(whole + weights[x * taps + i] * data[from]);
        }
        between[at] = whole;
      }
    }
  }
  const resized = new Uint8ClampedArray(high * row); // which rounds
  for (let y = 0, to = 0; y < high; y += 1) {
    const { firsts, weights, taps } = down;
    for (let at = 0; at < row; at += 1, to += 1) {
      let whole = 0;
      for (let i = 0, from = firsts[y] * row + at; i < taps; i += 1, from += row) {
        const weight = weights[y * taps + i], value = between[from];
        whole += byArea ? weight * value : (weight * (value >> 4)) >> 16;
      }
      resized[to] = byArea ? whole : (whole + 2) >> 2;
    }
  }
  return { data: resized, width: wide, height: high, channels };
}

function makeInput({ data, width, height, channels }, size, left = 0, top = 0) { // of a network
  const input = new Float32Array(size * size * 3); // beyond the pixels it is grey, which is 0
  for (let y = 0, from = 0; y < height; y += 1) {
    for (let x = 0, at = 3 * ((top + y) * size + left); x < width; x += 1, from += channels) {
      for (let c = 0; c < 3; c += 1) input[at++] = data[channels > 1 ? from + c : from] / 127.5 - 1;
    }
  }
  return input;
}

function cropFace(image, [x, y, boxSide], { image_size: size, crop_margin: margin, grey }) {
  const longer = Math.min(boxSide, 2 * Math.max(image.width, image.height));
  const side = Math.max(1, round(longer * (1 + 2 * margin)));
  const left = round(x + boxSide / 2 - side / 2), top = round(y + boxSide / 2 - side / 2);
  const channels = grey ? 1 : 3, data = new Uint8ClampedArray(side * side * channels);
  for (let row = 0, at = 0; row < side; row += 1) { // beyond the image its edge is repeated
    const start = Math.min(Math.max(top + row, 0), image.height - 1) * image.width;
    for (let column = 0; column < side; column += 1) {
      const from = 4 * (start + Math.min(Math.max(left + column, 0), image.width - 1));
      if (grey) { // ITU-R BT.601
        data[at++] = (9798 * image.data[from] + 19235 * image.data[from + 1]
          + 3735 * image.data[from + 2] + 16384) >> 15;
      } else for (let c = 0; c < 3; c += 1) data[at++] = image.data[from + c];
    }
  }
  let face = { data, width: side, height: side, channels };
  while (face.width >= 2 * size && face.width % 2 === 0) face = halve(face);
  if (face.width !== size) face = resize(face, size, size, face.width > size);
  return makeInput(face, size);
}

function overlap(first, second) { // intersection over union of [x, y, width, height]
  const reach = (at) => Math.min(first[at] + first[at + 2], second[at] + second[at + 2])
    - Math.max(first[at], second[at]);
  if (reach(0) <= 0 || reach(1) <= 0) return 0;
  const shared = reach(0) * reach(1);
  return shared / (first[2] * first[3] + second[2] * second[3] - shared);
}

function makeAnchors(size, strides) { // [x, y] of each answer
  return [...new Set(strides)].flatMap((stride) => {
    const cells = Array.from({ length: Math.floor(size / stride) }, (_, at) => (at + 0.5) * stride);
    const times = strides.filter((other) => other === stride);
    return cells.flatMap((y) => cells.flatMap((x) => times.map(() => [x, y])));
  });
}

function mergeOverlapping(found, shared) { // points of one face: their mean by score
  let left = [...found].sort((one, other) => other.score - one.score);
  const faces = [];
  while (left.length) {
    const [best] = left;
    const group = left.filter((one) => one === best || overlap(best.box, one.box) > shared);
    const whole = sum(group.map((one) => one.score));
    const points = best.points.map((_, at) =>
      sum(group.map((one) => one.score * one.points[at])) / whole);
    faces.push({ points, score: best.score });
    left = left.filter((one) => !group.includes(one));
  }
  return faces;
}

// BlazeFace: `run` gives a network's outputs for its square, `frame` has the shares of a face's
// side: distance of the eyes, their height, BlazeFace's box.
function makeDetector(run, { strides, minimum_score: minimum, margin, overlap: shared }, frame) {
  const { size } = run, anchors = makeAnchors(size, strides);
  const least = Math.log(minimum / (1 - minimum));
  return async (image) => {
    const scale = size / (Math.max(image.width, image.height) * (1 + 2 * margin));
    const sides = [image.width, image.height];
    const [left, top] = sides.map((side) => Math.floor((size - scale * side) / 2));
    const [wide, high] = sides.map((side) => Math.max(1, round(scale * side)));
    let small = image;
    while (small.width >= 2 * wide && small.height >= 2 * high) small = halve(small);
    small = resize(small, wide, high, false);
    const outputs = await run(makeInput(small, size, left, top));
    const [boxes, logits] = Object.values(outputs).sort((a, b) => b.length - a.length);
    const found = [];
    anchors.forEach((anchor, at) => {
      if (logits[at] <= least) return;
      const points = [...boxes.subarray(16 * at, 16 * at + 16)].map((value, index) =>
        (index === 2 || index === 3 ? value : value + anchor[index % 2])); // the size is no place
      const [x, y, width, height] = points;
      const box = [x - width / 2, y - height / 2, width, height];
      found.push({ points, box, score: 1 / (1 + Math.exp(-logits[at])) });
    });
    return mergeOverlapping(found, shared).map(({ points, score }) => {
      const [eyeX, eyeY, otherX, otherY] = points.slice(4, 8).map((value, index) =>
        (value - (index % 2 ? top : left)) / scale);
      const distance = Math.hypot(otherX - eyeX, otherY - eyeY);
      const boxSide = (points[2] + points[3]) / 2 / scale;
      const side = Math.max(distance / frame.eye_distance, boxSide / frame.box_side);
      const x = (eyeX + otherX - side) / 2, y = (eyeY + otherY) / 2 - frame.eye_height * side;
      return { box: [x, y, side, side], score };
    }).sort((one, other) => other.box[2] - one.box[2]);
  };
}

function makeTracker({ smoothing, overlap: least, patience }) { // numbers faces, smooths answers
  let known = [], next = 0;
  return (faces) => {
    const pairs = faces.flatMap((face) => known.map((one) =>
      ({ face, one, share: overlap(face.box, one.box) })));
    const before = new Map(), taken = new Set();
    for (const { face, one, share } of pairs.sort((a, b) => b.share - a.share)) {
      if (share < least || before.has(face) || taken.has(one)) continue;
      before.set(face, one);
      taken.add(one);
    }
    const seen = faces.map((face) => {
      const one = before.get(face) || { ...face, track: next++ };
      const smooth = (name) => face[name].map((now, at) =>
        smoothing * one[name][at] + (1 - smoothing) * now);
      return { ...face, track: one.track, missing: 0,
        expression: smooth("expression"), valence_arousal: smooth("valence_arousal") };
    });
    const lost = known.filter((one) => !taken.has(one))
      .map((one) => ({ ...one, missing: one.missing + 1 }));
    known = [...seen, ...lost.filter((one) => one.missing <= patience)];
    return seen;
  };
}

function calibrate(probabilities, { temperature, smallest }) {
  const powers = probabilities.map((one) => Math.max(one, smallest) ** (1 / temperature));
  const whole = sum(powers);
  return powers.map((one) => one / whole);
}

function describe({ box, score, track, expression, valence_arousal: affect }, image, settings) {
  const sides = [image.width, image.height];
  const most = Math.max(...expression), { plausible_share: share, temperature } = settings;
  const names = settings._expressions;
  const order = expression.map((_, code) => code).sort((a, b) => expression[b] - expression[a]);
  const held = share == null ? [] : order.filter((code) =>
    expression[code] >= share ** (1 / temperature) * most);
  const [valence = null, arousal = null] = affect;
  return {
    box: box.map((value, at) => value / sides[at % 2]), score, track, valence, arousal,
    probabilities: expression, expression: expression.length ? names[order[0]] : null,
    unsure: expression.length > 0 && most < 0.5, plausible: held.map((code) => names[code]),
  };
}

// `networks` run the networks: each takes an input and gives its outputs by name.
export function makeLook(settings, networks) {
  const [near, far] = settings.detectors.map((detector) =>
    makeDetector(networks[detector.file], detector, settings.frame));
  const ask = networks[settings.network.file];
  let track = null;

  async function look(image) { // its faces, the largest first, and the milliseconds of each stage
    const milliseconds = { detect: 0, crop: 0, classify: 0 };
    let start = performance.now();
    const take = (stage) => {
      milliseconds[stage] += performance.now() - start;
      start = performance.now();
    };
    let faces = await near(image);
    if (!faces.length) faces = await far(image);
    take("detect");
    for (const face of faces) {
      const input = cropFace(image, face.box, settings.network);
      take("crop");
      const { expression = [], valence_arousal: affect = [] } = await ask(input);
      face.expression = calibrate([...expression], settings);
      face.valence_arousal = [...affect];
      take("classify");
    }
    return { milliseconds, faces: track(faces).map((face) => describe(face, image, settings)) };
  }

  const begin = () => { track = makeTracker(settings.tracker); };
  begin();
  return { look, begin };
}
