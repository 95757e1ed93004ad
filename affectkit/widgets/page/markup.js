// What the view consists of, as HTML. Names and numbers are written into it as text, never as HTML.

const AXES = `<svg viewBox="0 0 220 220" aria-hidden="true">
  <circle cx="110" cy="110" r="90"/>
  <path d="M20 110h180M110 20v180"/>
  <text x="110" y="10">excited</text>
  <text x="110" y="217">calm</text>
  <text x="9" y="74" transform="rotate(-90 9 74)">unpleasant</text>
  <text x="216" y="74" transform="rotate(-90 216 74)">pleasant</text>
  <text x="127" y="32">A +1</text>
  <text x="124" y="195">\u22121</text>
  <text x="32" y="122">\u22121</text>
  <text x="182" y="122">V +1</text>
  <text x="117" y="122">0</text>
</svg>`;

export const BAR = `<li><span class="name"></span>
  <span class="track" aria-hidden="true"><span class="fill"></span></span>
  <span class="share"></span></li>`;

export const VIEW = `<div class="affect-camera" data-status="idle">
  <div class="bar" role="toolbar" aria-label="Camera controls">
    <button type="button" name="start" aria-label="Start the camera">Start</button>
    <button type="button" name="stop" aria-label="Stop and release the camera">Stop</button>
    <button type="button" name="sample" aria-label="Play the sample clip">Sample</button>
    <label class="file">Open file<input type="file" name="file" accept="image/*,video/*"
      aria-label="Open file: a picture or a video"></label>
    <button type="button" name="freeze"></button>
    <select name="camera" aria-label="Camera" hidden></select>
    <select name="resolution" aria-label="Resolution"></select>
    <label class="check"><input type="checkbox" name="mirror" aria-label="Mirror the picture">
      mirror</label>
  </div>
  <div class="body">
    <div class="stage">
      <video playsinline aria-label="Camera"></video>
      <canvas role="img" aria-label="Picture" hidden></canvas>
      <canvas class="boxes" aria-hidden="true"></canvas>
      <div class="message" role="status"></div>
    </div>
    <div class="side">
      <div class="readout">
        <p class="answer"><span class="swatch" aria-hidden="true"></span>
          <span class="words"></span></p>
        <p class="others"></p>
        <ul class="bars" aria-label="Probabilities of the largest face"></ul>
      </div>
      <div class="plane">${AXES}<canvas role="img"></canvas></div>
    </div>
  </div>
  <div class="spoken" aria-live="polite"></div>
  <p class="notice" role="alert"></p>
  <details class="meanings">
    <summary>What do V, A and \u201c?\u201d mean?</summary>
    <p>V is valence, from \u22121 (unpleasant) to +1 (pleasant). A is arousal, from \u22121 (calm) to
    +1 (excited). 0 is in between: neither one nor the other. A question mark, as in
    \u201cHappy?\u201d, marks an answer whose probability is below 50 %: by the model\u2019s own
    estimate it is more likely wrong than right. What is also plausible holds, together with the
    answer, what raters say in nine of ten cases, for faces like those that the model was checked
    on. Of several faces, each has the number that it has in the record. The answer is the word that
    onlookers would choose for the picture, not what somebody feels.</p>
  </details>
  <details class="times"><summary>Times</summary><p></p></details>
  <p class="privacy"></p>
</div>`;

export function make(html) {
  const template = document.createElement("template");
  template.innerHTML = html;
  return template.content.firstElementChild;
}
