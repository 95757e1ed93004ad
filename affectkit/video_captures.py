"""Open video files and cameras with OpenCV: only what is safe, and with errors that tell more."""

from __future__ import annotations

import os
from pathlib import Path

os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # FFmpeg's own words; ours say more
# FFmpeg goes by the content, and knows lists that name other files and addresses
os.environ.setdefault(
    "OPENCV_FFMPEG_CAPTURE_OPTIONS",
    "protocol_whitelist;file|format_whitelist;mov,matroska,avi,flv,mpegts,mpeg,mpegvideo,ogg,asf",
)

import cv2

MOST_PIXELS = 1 << 26
"""Of a frame: 8192 x 8192, twice what cameras give. Each of the waiting ones takes six bytes for
every pixel."""


def open_file(path: str | Path) -> cv2.VideoCapture:
    """Open a video file, its frames turned upright.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is empty, no video that OpenCV's FFmpeg can read, or has frames above `MOST_PIXELS`.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise FileNotFoundError(f"there is no video {path}: check the path")
    if not path.stat().st_size:
        raise ValueError(f"{path} is empty (0 bytes): restore the file")
    with path.open("rb"):  # an unreadable file is no damaged one
        pass
    capture = quietly(cv2.VideoCapture, str(path), cv2.CAP_FFMPEG)
    if not capture.isOpened():
        raise ValueError(
            f"{path} can't be read as a video: it is damaged (an MP4 that was cut off has lost its "
            "index), not a video, or of a codec that OpenCV's FFmpeg does not have; restore or "
            "convert it"
        )
    width, height = (
        capture.get(one) for one in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT)
    )
    if width * height > MOST_PIXELS:
        capture.release()
        raise ValueError(
            f"{path} has frames of {width:g} x {height:g} pixels; the limit is {MOST_PIXELS}. "
            "Make it smaller first"
        )
    capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 1)
    return capture


def open_camera(number: int) -> cv2.VideoCapture:
    """Open a camera that keeps one frame waiting at most, as far as its driver can.

    Raises
    ------
    FileNotFoundError
        If there is none of this number, or it can't be used.
    """
    capture = quietly(cv2.VideoCapture, number)
    if not capture.isOpened():
        raise FileNotFoundError(
            f"camera {number} can't be opened: none is connected, another program uses it, or "
            "this one may not; check that, or choose another --source (a number, or a video file)"
        )
    capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
    return capture


def quietly(function: type, *arguments: object) -> object:
    """Call a part of OpenCV without the lines that it writes about failures."""
    logging = cv2.utils.logging
    level = logging.getLogLevel()
    logging.setLogLevel(logging.LOG_LEVEL_SILENT)
    try:
        return function(*arguments)
    finally:
        logging.setLogLevel(level)
