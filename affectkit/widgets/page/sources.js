// Where pictures come from: the browser's camera, or a file; and what is said where there is none.

export const TEXTS = {
  idle: "The camera is off.",
  asking: "Waiting for the permission to use the camera.",
  loading: "Drawing the clip.",
  insecure:
    "Browsers give the camera to https:// pages and localhost only. Open this page by https, or " +
    "Jupyter through an SSH tunnel to localhost, or use a file or the sample.",
  blocked:
    "The page that shows this widget forbids the camera; nobody was asked. VS Code and some " +
    "embedded viewers do so. Open the notebook in JupyterLab, or use a file or the sample.",
  denied:
    "The permission for the camera was denied. Click the camera in the address bar, allow it for " +
    "this page and press Start again, or use a file or the sample.",
  "no camera": "No camera was found on this computer. Use a file or the sample.",
  "in use": "Another program or tab may use the camera. Close that and press Start again.",
  unplugged: "The camera was disconnected.",
  disconnected: "The kernel was restarted or shut down. Run the cell again.",
  stalled: "No answer came for 20 seconds, so nothing runs any more. Press Start again.",
  waiting: "The kernel is busy. Waiting for its answer.",
  "no kernel":
    "No kernel has answered, so the camera stays off: this is a drawn face. In a saved page, open " +
    "the notebook and run the cell; beside a cell that runs, wait for its end.",
};

const FAULTS = {
  NotAllowedError: "denied",
  SecurityError: "denied",
  NotFoundError: "no camera",
  OverconstrainedError: "no camera",
  NotReadableError: "in use",
  AbortError: "in use",
};

function policyForbids() { // of browsers that can tell
  const policy = document.permissionsPolicy || document.featurePolicy;
  return Boolean(policy && policy.allowsFeature && !policy.allowsFeature("camera"));
}

export function cameraFault() { // what makes asking pointless, or ""
  if (!window.isSecureContext) return "insecure";
  return policyForbids() || !navigator.mediaDevices ? "blocked" : "";
}

export async function openCamera([width, height], deviceId) { // its stream, or a fault and its text
  const wanted = { width: { ideal: width }, height: { ideal: height }, frameRate: { ideal: 30 } };
  if (deviceId) wanted.deviceId = { exact: deviceId };
  else wanted.facingMode = "user";
  try {
    return { stream: await navigator.mediaDevices.getUserMedia({ audio: false, video: wanted }) };
  } catch (error) {
    const fault = FAULTS[error.name];
    if (!fault) {
      return { fault: "in use", text: `The camera can't be used: ${error.name}: ${error.message}` };
    }
    const framed = fault === "denied" && window.self !== window.top;
    return { fault, text: framed
      ? `${TEXTS.denied} If you were not asked, the page around this one forbids it: open the ` +
        "notebook in JupyterLab in a tab of its own."
      : TEXTS[fault] };
  }
}

export const closeCamera = (stream) => stream?.getTracks().forEach((track) => track.stop());

export const openPicture = (file) => createImageBitmap(file).catch(() => null);

export const openJpeg = (buffer) => openPicture(new Blob([buffer], { type: "image/jpeg" }));
