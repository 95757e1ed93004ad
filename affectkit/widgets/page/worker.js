// The thread of the page that needs no kernel: frames in, faces out. A classic worker, because
// LiteRT's loader calls importScripts.

const fetchFile = fetch;
self.fetch = async (address, options) => { // the runtime itself lies packed on the host
  if (!String(address).endsWith(".wasm")) return fetchFile(address, options);
  const { body } = await fetchFile(`${address}.packed`, options);
  const unpacked = body.pipeThrough(new DecompressionStream("gzip"));
  return new Response(unpacked, { headers: { "Content-Type": "application/wasm" } });
};

const opened = (async () => {
  const settings = await (await fetch("settings.json")).json();
  const [{ loadLiteRt, loadAndCompile, Tensor }, { makeLook }] = await Promise.all(
    [import("./litert_core.js"), import("./faces.js")]);
  await loadLiteRt(new URL(".", location).href); // it takes the form that the browser can run
  async function open(file) {
    const model = await loadAndCompile(new URL(file, location).href, { accelerator: "wasm" });
    const [{ name, shape }] = model.getInputDetails();
    const run = async (values) => {
      const input = new Tensor(values, shape);
      const outputs = Object.entries(await model.run({ [name]: input }));
      input.delete();
      return Object.fromEntries(outputs.map(([output, tensor]) => {
        const answer = tensor.toTypedArray().slice();
        tensor.delete();
        return [output, answer];
      }));
    };
    return Object.assign(run, { size: shape[1] });
  }
  const networks = {};
  for (const { file } of [...settings.detectors, settings.network]) {
    networks[file] = await open(file);
  }
  return makeLook(settings, networks);
})();
const canvas = new OffscreenCanvas(1, 1);
const pen = canvas.getContext("2d", { willReadFrequently: true });

function readPixels(bitmap) {
  const { width, height } = bitmap;
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  pen.drawImage(bitmap, 0, 0);
  return { data: pen.getImageData(0, 0, width, height).data, width, height, channels: 4 };
}

async function answer({ bitmap, ...place }) {
  const { look, begin } = await opened;
  if (!bitmap) return begin();
  const start = performance.now();
  const image = readPixels(bitmap), decode = performance.now() - start;
  const { faces, milliseconds } = await look(image), kernel = performance.now() - start;
  const times = { milliseconds: { decode, ...milliseconds }, kernel };
  postMessage({ type: "result", ...place, bitmap, faces, ...times }, [bitmap]);
}

onmessage = ({ data }) => answer(data).catch((error) => {
  if (data.bitmap) postMessage({ type: "error", ...data, text: String(error) }, [data.bitmap]);
});
opened.then(() => postMessage({ type: "ready" }),
  (error) => postMessage({ type: "failed", text: String(error) }));
