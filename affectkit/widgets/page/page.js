// The page that needs no kernel: the widget's view, with this page's own answers.

import { makeView } from "./camera.js";
import { connectWorker } from "./local.js";

const read = async (file) => (await fetch(file)).arrayBuffer();
const [settings, _still] = await Promise.all([read("settings.json"), read("still.png")]);
const answers = connectWorker({ ...JSON.parse(new TextDecoder().decode(settings)), _still });
makeView(document.getElementById("camera"), answers);
document.getElementById("record").addEventListener("click", () => {
  const href = URL.createObjectURL(new Blob([answers.table()], { type: "text/csv" }));
  Object.assign(document.createElement("a"), { href, download: "affect.csv" }).click();
  setTimeout(() => URL.revokeObjectURL(href), 60_000);
});
await answers.ask(); // keeping the files for later takes time from the networks
if (navigator.serviceWorker) navigator.serviceWorker.register("service.js");
