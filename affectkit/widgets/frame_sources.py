"""Where frames can come from: the browser, a camera of the kernel, a video, the drawn clip."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import numpy as np

from affectkit.pipeline.video.read import read_video
from affectkit.widgets.sample_clip import RATE, sample_frames

BROWSER = "browser"
Source = str | int | Path
"""`BROWSER`, the number of a camera, or a video."""


def check_source(source: Source) -> Source:
    """Give a source back, a video's path as `Path`.

    Raises
    ------
    FileNotFoundError
        If it is a video that does not exist.
    """
    if source == BROWSER or (isinstance(source, int) and not isinstance(source, bool)):
        return source
    return check_video(source)


def check_video(path: str | Path) -> Path:
    """Give a path back, `~` expanded.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise FileNotFoundError(
            f"there is no video {path}: check the path, or use 'browser' or a camera's number"
        )
    return path


def read_frames(
    source: Source, sample: bool | Path
) -> Generator[tuple[float, np.ndarray], None, None]:
    """Read a source without a page; the sample in the place of the browser's camera.

    Parameters
    ----------
    source : "browser", int or Path
        From `check_source`.
    sample : bool or Path
        A video in the place of the drawn clip.

    Yields
    ------
    tuple
        Seconds since the first frame, and the frame: uint8, shape (height, width, 3), RGB.

    Raises
    ------
    OSError, ValueError
        If there is no such camera, or the video can't be read.
    """
    if source == BROWSER and not isinstance(sample, Path):
        for number, frame in enumerate(sample_frames()):
            yield number / RATE, frame
        return
    chosen = sample if source == BROWSER else source
    with read_video(chosen, newest_only=isinstance(chosen, int)) as reader:
        for frame in reader:
            yield frame.seconds, frame.rgb
