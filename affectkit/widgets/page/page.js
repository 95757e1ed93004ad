// The page that needs no kernel: the widget's view, with this page's own answers.

import { makeView } from "./camera.js";
import { element } from "./drawing.js";
import { connectWorker } from "./local.js";

const read = async (file) => (await fetch(file)).arrayBuffer();
const settings = JSON.parse(new TextDecoder().decode(await read("settings.json")));
const answers = connectWorker({ ...settings, _still: await read("still.png") });
makeView(document.getElementById("camera"), answers);
document.getElementById("record").addEventListener("click", () => {
  const href = URL.createObjectURL(new Blob([answers.table()], { type: "text/csv" }));
  element("a", { href, download: "affect.csv" }).click();
  setTimeout(() => URL.revokeObjectURL(href), 60_000);
});
if (navigator.serviceWorker) navigator.serviceWorker.register("service.js");
