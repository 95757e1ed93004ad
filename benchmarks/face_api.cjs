// Find faces and expressions with @vladmandic/face-api in TensorFlow.js' WebAssembly backend.
//
// Usage, by peer_legs.py only, with NODE_PATH at a node_modules folder that has @vladmandic/face-api,
// @tensorflow/tfjs and @tensorflow/tfjs-backend-wasm:
//
//     node face_api.cjs THREADS
//
// Standard input: frames, each with its width and height (32-bit little-endian integers) before its
// RGB bytes. A JSON line answers each: a list of [left, top, width, height, expression]. A first
// line tells the versions.

const path = require("path");
const tf = require("@tensorflow/tfjs");
const wasm = require("@tensorflow/tfjs-backend-wasm");
const faceapi = require("@vladmandic/face-api/dist/face-api.node-wasm.js");

const HEADER = 8;

async function load(threads) {
  const here = path.dirname(require.resolve("@tensorflow/tfjs-backend-wasm/package.json"));
  wasm.setWasmPaths(path.join(here, "dist") + path.sep);
  wasm.setThreadsCount(threads);
  await tf.setBackend("wasm");
  await tf.ready();
  const models = path.join(path.dirname(require.resolve("@vladmandic/face-api/package.json")), "model");
  await faceapi.nets.tinyFaceDetector.loadFromDisk(models);
  await faceapi.nets.faceExpressionNet.loadFromDisk(models);
  const version = (name) => require(`${name}/package.json`).version;
  return {
    node: process.versions.node,
    "@vladmandic/face-api": version("@vladmandic/face-api"),
    "@tensorflow/tfjs": version("@tensorflow/tfjs"),
    wasm_threads: wasm.getThreadsCount(),
  };
}

async function answer(width, height, pixels) {
  const frame = tf.tensor3d(pixels, [height, width, 3], "int32");
  const options = new faceapi.TinyFaceDetectorOptions();
  const found = await faceapi.detectAllFaces(frame, options).withFaceExpressions();
  frame.dispose();
  return found.map(({ detection, expressions }) => {
    const { x, y, width: across, height: down } = detection.box;
    const [best] = Object.entries(expressions).sort((one, other) => other[1] - one[1]);
    return [Math.round(x), Math.round(y), Math.round(across), Math.round(down), best[0]];
  });
}

async function main() {
  const say = (content) => process.stdout.write(JSON.stringify(content) + "\n");
  say(await load(Number(process.argv[2])));
  let chunks = [];
  let there = 0;
  let wanted = HEADER;
  for await (const chunk of process.stdin) {
    chunks.push(chunk);
    there += chunk.length;
    while (there >= wanted) {
      const bytes = Buffer.concat(chunks);
      const width = bytes.readUInt32LE(0);
      const height = bytes.readUInt32LE(4);
      const end = HEADER + width * height * 3;
      if (there < end) {
        chunks = [bytes];
        wanted = end;
        break;
      }
      say(await answer(width, height, bytes.subarray(HEADER, end)));
      chunks = [bytes.subarray(end)];
      there -= end;
      wanted = HEADER;
    }
  }
  process.exit(0); // WebAssembly's worker threads would keep it alive
}

main();
