// The picture: video or canvas, in the shape of what is shown, with boxes and a message over it.

import { drawBoxes, resize } from "./drawing.js";

export function makeStage(stage, colourOf) {
  const [video, picture, overlay, message] = stage.children;
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

  function show(shown) {
    video.hidden = shown !== video;
    picture.hidden = shown !== picture;
  }

  function showPicture(bitmap) {
    fit(bitmap.width, bitmap.height);
    resize(picture, bitmap.width, bitmap.height);
    pen.drawImage(bitmap, 0, 0);
    show(picture);
  }

  function mirror(wanted) {
    mirrored = wanted;
    for (const one of [video, picture]) one.classList.toggle("mirrored", wanted);
    draw();
  }

  function showFaces(found) {
    faces = found;
    draw();
  }

  video.muted = true;
  // a phone may be turned
  video.addEventListener("resize", () => fit(video.videoWidth, video.videoHeight));
  new ResizeObserver(draw).observe(stage);
  return {
    video, showPicture, mirror, showFaces,
    say: (text) => { message.textContent = text; },
    showVideo: () => show(video),
    shown: () => (picture.hidden ? [video, video.videoWidth, video.videoHeight]
      : [picture, picture.width, picture.height]),
  };
}
