// The picture: video or canvas, in the shape of what is shown, with boxes and a message over it.

import { drawBoxes, element, resize } from "./drawing.js";

export function makeStage(colourOf) {
  const video = element("video", { playsInline: true, muted: true }, { "aria-label": "Camera" });
  const picture = element("canvas", { hidden: true }, { role: "img", "aria-label": "Picture" });
  const overlay = element("canvas", { className: "boxes" }, { "aria-hidden": "true" });
  const message = element("div", { className: "message" }, { role: "status" });
  const stage = element("div", { className: "stage" }, {}, [video, picture, overlay, message]);
  const pen = picture.getContext("2d"), overlayPen = overlay.getContext("2d");
  const devicePixels = window.devicePixelRatio || 1;
  let faces = [], mirrored = false;

  function draw() { // the boxes, as large as the stage really is
    const width = stage.clientWidth, height = stage.clientHeight;
    if (!width || !height) return;
    resize(overlay, Math.round(width * devicePixels), Math.round(height * devicePixels));
    overlayPen.setTransform(overlay.width / width, 0, 0, overlay.height / height, 0, 0);
    drawBoxes(overlayPen, width, height, faces, mirrored, colourOf);
  }

  const fit = (width, height) => {
    if (width && height) stage.style.setProperty("--shape", (width / height).toFixed(4));
  };

  function showPicture(bitmap) {
    fit(bitmap.width, bitmap.height);
    resize(picture, bitmap.width, bitmap.height);
    pen.drawImage(bitmap, 0, 0);
    picture.hidden = false;
    video.hidden = true;
  }

  function showVideo() {
    picture.hidden = true;
    video.hidden = false;
  }

  function mirror(wanted) {
    mirrored = wanted;
    video.classList.toggle("mirrored", wanted);
    picture.classList.toggle("mirrored", wanted);
    draw();
  }

  function showFaces(found) {
    faces = found;
    draw();
  }

  function say(text) {
    message.textContent = text;
    message.hidden = !text;
  }

  const onVideoSize = () => fit(video.videoWidth, video.videoHeight); // a phone may be turned
  video.addEventListener("resize", onVideoSize);
  const watcher = new ResizeObserver(draw);
  watcher.observe(stage);
  return {
    stage, video, showPicture, showVideo, mirror, showFaces, say,
    close: () => watcher.disconnect(),
  };
}
