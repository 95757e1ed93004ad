"""Open picture files that may hold anything: known formats only, and no bombs."""

from __future__ import annotations

import hashlib
import io
import os
import struct
import zlib
from importlib import import_module
from pathlib import Path
from typing import BinaryIO

from PIL import Image, UnidentifiedImageError

from affectkit.files.kinds import READ_PICTURES, content_kind, file_kind

FORMATS = tuple(READ_PICTURES)
"""What is read, whatever a file is called; HEIF too with the extra `heif`. Pillow knows more, among
them EPS, for which it starts Ghostscript."""

_ORIENTATION = 0x0112  # of EXIF

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


class UnreadFormatError(OSError):
    """A file whose content is of a format that is not read; says what it is, and what to do."""


def open_picture(source: str | Path | BinaryIO) -> Image.Image:
    """Open a picture of one of `FORMATS`, as a context manager; nothing of it is decoded yet.

    An OSError if it is of another format (an `UnreadFormatError` if that is known), or no file: a
    pipe or a device may never end.
    """
    kind = (file_kind if isinstance(source, (str, Path)) else content_kind)(source)
    if kind.remedy:
        raise UnreadFormatError(kind.refusal)
    if kind.role == "video":
        raise UnreadFormatError(f"is a video ({kind.name}), no picture")
    if kind.name == "HEIF":
        import_module("pillow_heif.HeifImagePlugin")  # registers the format with Pillow
    formats = ("HEIF",) if kind.name == "HEIF" else FORMATS
    try:
        return Image.open(source, formats=formats)
    except UnidentifiedImageError as error:
        if kind.role != "picture":
            raise
        raise OSError(
            f"it is no whole {kind.name}, or its pixels are of a kind that Pillow does not read: "
            "convert it to a JPEG or PNG of 8 bits"
        ) from error


def read_bytes(source: str | Path | BinaryIO) -> bytes:
    """Give all bytes of a file, or of an open one from its beginning."""
    if isinstance(source, (str, Path)):
        return Path(source).read_bytes()
    source.seek(0)
    return source.read()


def with_end_marker(source: str | Path | BinaryIO) -> io.BytesIO | None:
    """Give a JPEG that lacks nothing but its end marker with one; None of all other files.

    Where the decoder has to invent pixels, what follows the data shows in them: so it is decoded
    twice, with different bytes before the marker.
    """
    content = read_bytes(source)
    if not content.startswith(b"\xff\xd8\xff"):
        return None
    content = content.rstrip(b"\0").removesuffix(b"\xff")  # what a rescued disk pads with
    try:
        whole, other = (io.BytesIO(content + tail + b"\xff\xd9") for tail in (b"", b"\x55" * 4096))
        return whole if _pixel_hash(whole) == _pixel_hash(other) else None
    except DAMAGED:
        return None


def _pixel_hash(jpeg: io.BytesIO) -> bytes:
    """Hash the pixels, a strip at a time, as a large picture is not to be in memory twice."""
    digest = hashlib.sha256()
    with Image.open(jpeg, formats=("JPEG",)) as image:
        for top in range(0, image.height, 256):
            strip = (0, top, image.width, min(image.height, top + 256))
            digest.update(image.crop(strip).tobytes())
    jpeg.seek(0)
    return digest.digest()


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


def picture_size(path: str | Path) -> tuple[int, int]:
    """Give width and height of a picture as it is seen, its EXIF rotation applied, undecoded."""
    with open_picture(path) as image:
        turned = image.getexif().get(_ORIENTATION, 1) in (5, 6, 7, 8)
        return image.size[::-1] if turned else image.size


class ImageReadError(ValueError):
    """An image that is missing, damaged, too large or not an image; says which and why."""
