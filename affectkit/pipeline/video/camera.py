"""Run a pipeline on a camera until told to stop, in a window or without one."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from types import TracebackType

import cv2
import numpy as np

from affectkit.pipeline.answers import FaceAffect
from affectkit.pipeline.drawing import draw_faces
from affectkit.pipeline.pipeline import AffectPipeline
from affectkit.pipeline.stage_timer import END_TO_END, STAGES
from affectkit.pipeline.video.read import VideoReader

TITLE = "affectkit: q to quit"
DISPLAY = "display"
"""The stage of showing a frame in a window."""


@dataclass(frozen=True)
class CameraSummary:
    """What `run_camera` has done: frames that were looked at, faces in all of them, seconds."""

    frames: int
    faces: int
    duration: float


class CameraWindow:
    """A window that shows frames; a context manager."""

    def __init__(self) -> None:
        check_display()
        cv2.namedWindow(TITLE, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO | cv2.WINDOW_GUI_NORMAL)
        self._fitted = False

    def show(self, bgr: np.ndarray, wait: float = 0.0) -> bool:
        """Show a BGR frame, for at least so many seconds; tell whether the user wants more.

        Not after q, Escape, or when the window was closed.
        """
        if not self._fitted:
            cv2.resizeWindow(TITLE, bgr.shape[1], bgr.shape[0])
            self._fitted = True
        cv2.imshow(TITLE, bgr)
        key = cv2.waitKey(max(1, round(1000 * wait))) & 0xFF
        return key not in (ord("q"), ord("Q"), 27) and self._is_open()

    def _is_open(self) -> bool:
        try:
            return cv2.getWindowProperty(TITLE, cv2.WND_PROP_VISIBLE) >= 1
        except cv2.error:
            return False

    def __enter__(self) -> CameraWindow:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        cv2.destroyAllWindows()


def check_display() -> None:
    """Try to open a window in another process: where there is no display, Qt ends the process.

    ImportError if this OpenCV has no windows, OSError if there is no display.
    """
    if not getattr(cv2, "currentUIFramework", lambda: "unknown")():
        raise ImportError(
            "this OpenCV has no windows (opencv-python-headless): pip uninstall it and install "
            "opencv-python, or use --headless"
        )
    done = subprocess.run(
        [sys.executable, "-c", "import cv2; cv2.namedWindow('affectkit')"],
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if "display" in line.lower()]
        raise OSError(
            f"no window can be opened ({lines[0].strip() if lines else 'no display'}): run it in a "
            "desktop session, over SSH with ssh -X, or with --headless"
        )


def run_camera(
    pipeline: AffectPipeline,
    reader: VideoReader,
    window: CameraWindow | None = None,
    mirror: bool = True,
    seconds: float | None = None,
    on_faces: Callable[[int, float, list[FaceAffect]], None] | None = None,
) -> CameraSummary:
    """Run a pipeline on the newest frame of a camera, again and again.

    Parameters
    ----------
    pipeline : AffectPipeline
        Its timer gets the stages of `process_video`, and "display".
    reader : VideoReader
        From `read_video`: a camera, with `newest_only`; or a file, which is shown no faster than
        it runs.
    window : CameraWindow, optional
        Where frames are shown.
    mirror : bool
        Show them mirrored, as people are used to see themselves; boxes given to `on_faces` are
        those of the camera's picture.
    seconds : float, optional
        When to stop; otherwise when the window is closed or the source ends.
    on_faces : callable, optional
        Called with number, seconds and faces of each frame that was looked at.

    Returns
    -------
    CameraSummary
        Counts and time; of an interrupted run (Ctrl-C) too.

    Raises
    ------
    ValueError, OSError
        If there is no picture.
    """
    timer = pipeline.timer
    pipeline.forget_faces()
    is_camera = isinstance(reader.source, int)
    frames = faces = 0
    start = now = time.monotonic()
    before: dict[str, int] = {}
    with reader:
        try:
            for frame in reader:
                if not frames:
                    start = time.monotonic()
                timer.start_frame()
                found = pipeline(frame.rgb)
                if on_faces is not None:
                    on_faces(frame.index, frame.seconds, found)
                frames += 1
                faces += len(found)
                more = True
                if window is not None:
                    with timer.stage("draw"):
                        shown = draw_mirrored(frame.bgr, found, mirror, before)
                    early = 0 if is_camera else frame.seconds - (time.monotonic() - start)
                    with timer.stage(DISPLAY):
                        more = window.show(shown, early)
                before = timer.end_frame()
                before[END_TO_END] += sum(frame.nanoseconds.values())
                before.update(frame.nanoseconds)
                now = time.monotonic()
                if not more or (seconds is not None and now - start >= seconds):
                    break
        except KeyboardInterrupt:
            now = time.monotonic()
    return CameraSummary(frames, faces, now - start)


def draw_mirrored(
    bgr: np.ndarray, faces: list[FaceAffect], mirror: bool, nanoseconds: dict[str, int]
) -> np.ndarray:
    """Draw faces and stage times into a frame, mirrored or not; the text is readable either way.

    Faces are in the pixels of the frame as it is given; no times are written if there are none.
    """
    if mirror:
        bgr = cv2.flip(bgr, 1)
        faces = [
            replace(face, box=(bgr.shape[1] - face.box[0] - face.box[2], *face.box[1:]))
            for face in faces
        ]
    order = (*STAGES, DISPLAY, END_TO_END)
    times = {name: nanoseconds[name] / 1e6 for name in order if name in nanoseconds}
    return draw_faces(bgr, faces, times)
