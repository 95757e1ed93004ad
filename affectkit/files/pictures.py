"""Open picture files that may hold anything: known formats only, and no bombs."""

from __future__ import annotations

import os
import stat
import struct
import zlib
from pathlib import Path
from typing import BinaryIO

from PIL import Image

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF")
"""What is read, whatever a file is called. Pillow knows more, among them EPS, for which it starts
Ghostscript."""

DENSE_PIXELS = 25_000_000
PIXELS_A_BYTE = 1000
"""A picture with more than `DENSE_PIXELS` has at most so many pixels in a byte of its file. A flat
JPEG has about 200; more is a bomb, or a picture with nothing on it."""

DAMAGED = (
    *(OSError, ValueError, SyntaxError, EOFError, TypeError, LookupError, AttributeError),
    *(ArithmeticError, RuntimeError, MemoryError, struct.error, zlib.error),
    Image.DecompressionBombError,
)
"""What Pillow raises, as the file's mood is."""


def open_picture(source: str | Path | BinaryIO) -> Image.Image:
    """Open a picture of one of `FORMATS`, as a context manager; nothing of it is decoded yet.

    An OSError if it is of another format, or no file: a pipe or a device may never end.
    """
    if isinstance(source, (str, Path)) and not stat.S_ISREG(os.stat(source).st_mode):  # noqa: PTH116
        raise OSError(f"{source} is a folder, pipe or device, expected a file")
    return Image.open(source, formats=FORMATS)


def check_density(image: Image.Image, source: str | Path | BinaryIO) -> None:
    """Refuse (ValueError) an opened picture that claims far more pixels than its bytes can hold."""
    pixels = image.width * image.height
    if pixels <= DENSE_PIXELS:
        return
    if isinstance(source, (str, Path)):
        size = Path(source).stat().st_size
    else:
        start = source.tell()
        size = source.seek(0, os.SEEK_END)
        source.seek(start)
    if pixels > PIXELS_A_BYTE * size:
        raise ValueError(
            f"it claims {image.width} x {image.height} pixels in {size} bytes, which is no "
            "photograph"
        )


class ImageReadError(ValueError):
    """An image that is missing, damaged, too large or not an image; says which and why."""
