"""Open video files and cameras, only what is safe."""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path

import cv2

from affectkit.files.kinds import content_kind, file_kind
from affectkit.pipeline.video.tracks import early_tracks, write_changed

CONTAINERS = (
    *("mov", "matroska", "avi", "asf", "flv", "mpegts", "mpeg", "ogg", "mxf", "rm", "wtv", "nut"),
    *("h264", "hevc", "mpegvideo", "m4v", "h263", "h261", "mjpeg", "dv", "ivf", "obu"),
    "yuv4mpegpipe",
)
"""What is read, by FFmpeg's names: containers and elementary streams that hold their pictures
themselves. FFmpeg goes by the content, and knows others (hls, dash, concat, image2, sdp, ...) that
name files and addresses."""

_FFMPEG = {
    "OPENCV_FFMPEG_LOGLEVEL": "-8",  # FFmpeg's own words; ours say more
    "OPENCV_FFMPEG_CAPTURE_OPTIONS": "protocol_whitelist;file|"
    f"format_whitelist;{','.join(CONTAINERS)}",
}
"""What OpenCV's FFmpeg reads from the environment when a video is opened."""

MOST_PIXELS = 1 << 26
"""Of a frame: 8192 x 8192, twice what cameras give. Each of the waiting ones takes six bytes for
every pixel."""


def open_file(path: str | Path) -> cv2.VideoCapture:
    """Open a video file, its frames turned upright.

    FileNotFoundError if there is none; ValueError if it is an address, a device, empty, no video
    of `CONTAINERS` that OpenCV's FFmpeg can read, or has frames above `MOST_PIXELS`.
    """
    if refusal := source_refusal(path):
        raise ValueError(f"{path} {refusal}")
    path = Path(path).expanduser()
    if not path.is_file():
        raise FileNotFoundError(f"there is no video {path}: check the path")
    if not path.stat().st_size:
        raise ValueError(f"{path} is empty (0 bytes): restore the file")
    with path.open("rb") as file:  # an unreadable file is no damaged one
        kind = content_kind(file)
    if kind.role in ("picture", "other") and file_kind(path).role != "video":
        reason = (
            kind.refusal or f"is a picture ({kind.name}): read it with affectkit.data.read_image"
        )
        raise ValueError(f"{path} can't be read as a video: it {reason}")
    if changes := early_tracks(path):
        # OpenCV 4.14 crashes on a file object of Python, so a copy it is; FFmpeg keeps it open
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            copy = Path(folder, f"copy{path.suffix}")
            write_changed(path, changes, copy)
            capture = quietly(cv2.VideoCapture, str(copy), cv2.CAP_FFMPEG)
    else:
        capture = quietly(cv2.VideoCapture, str(path), cv2.CAP_FFMPEG)
    if not capture.isOpened():
        raise ValueError(
            f"{path} can't be read as a video: it is damaged (an MP4 that was cut off has lost its "
            "index), not a video, or of a container or codec that is not read here; restore it, "
            f"or convert it: ffmpeg -i {path.name} {path.stem}.mp4"
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


def parse_source(text: str | Path) -> int | Path:
    """Give the number of a camera ("0", "/dev/video0", a link to that), or the path of a video.

    ValueError for an address, or another device.
    """
    text = str(text)
    if text.isdecimal():
        return int(text)
    if device := re.fullmatch(r"/dev/video(\d+)", os.path.realpath(text)):
        return int(device[1])
    if refusal := source_refusal(text):
        raise ValueError(f"{text} {refusal}")
    return Path(text)


def source_refusal(path: str | Path) -> str:
    """Tell why an address or device is not read as a file, and what to do; "" for all else.

    Nothing is fetched: what a video is called must not make this machine call another.
    """
    if os.path.lexists(path):
        is_device = Path(path).is_char_device()
        return "is a device: for a camera, use affectkit camera --source" if is_device else ""
    found = re.match(r"([a-z][a-z0-9+.-]+):/", str(path), re.IGNORECASE)
    if not found:
        return ""
    if found[1].lower() == "file":
        return "is an address: name the file by its path"
    return (
        "is an address, and nothing is read from a network: save it to a file first (ffmpeg -i "
        "ADDRESS -t SECONDS -c copy clip.mkv), or connect a camera and give its number"
    )


def open_camera(number: int) -> cv2.VideoCapture:
    """Open a camera that keeps one frame waiting at most, as far as its driver can."""
    capture = quietly(cv2.VideoCapture, number)
    if not capture.isOpened():
        raise FileNotFoundError(
            f"camera {number} can't be opened: none is connected, another program uses it, or "
            "this one may not; check that, or choose another --source (a number, or a video file)"
        )
    capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
    return capture


def quietly(function: type, *arguments: object) -> object:
    """Open or close a video with OpenCV: safely, and without the lines that it writes."""
    for name, value in _FFMPEG.items():
        os.environ.setdefault(name, value)
    logging = cv2.utils.logging
    level = logging.getLogLevel()
    logging.setLogLevel(logging.LOG_LEVEL_SILENT)
    try:
        return function(*arguments)
    finally:
        logging.setLogLevel(level)


def claimed_seconds(capture: cv2.VideoCapture, path: str | Path) -> float:
    """Give the seconds that an opened file is to show, 0 if unknown.

    FFmpeg's frame count has frames that an edit list of an MP4 hides; its duration has not. OpenCV
    gives that only in the bit rate (whole kilobits a second), which FFmpeg makes of the file's size
    and it. Of other containers that are cut off, the duration may be a guess by their size.
    """
    rate, count = capture.get(cv2.CAP_PROP_FPS), capture.get(cv2.CAP_PROP_FRAME_COUNT)
    seconds = count / rate if rate > 0 and count > 0 else 0.0
    kilobits = capture.get(cv2.CAP_PROP_BITRATE)
    if file_kind(path).name not in ("MP4", "QuickTime"):
        return seconds
    bits = 8 * Path(path).expanduser().stat().st_size
    return min(seconds, bits / 1000 / kilobits) if kilobits > 0 else seconds
