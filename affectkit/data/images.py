"""Read one image of a table: from a file, a row of a container, or memory; always uint8 RGB."""

from __future__ import annotations

import io
import math
import warnings
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageOps

from affectkit.files.arrays import ArrayArchive
from affectkit.files.pictures import (
    DAMAGED,
    ImageReadError,
    UnreadFormatError,
    check_density,
    open_picture,
    read_bytes,
    with_end_marker,
)
from affectkit.files.pixel_depths import colour_bits, darkness, grey_bits

FER2013_COLUMNS = ("pixels", "Usage")
"""Of FER2013's .csv; images are read from the first alone."""

MAX_PIXELS = 100_000_000
"""Images of more pixels are refused before they are decoded (decompression bombs)."""

_ORIENTATION = 0x0112  # of EXIF


def read_image(path: str | Path, row: int | None = None) -> np.ndarray:
    """Read an image as it should be seen: EXIF rotation applied, alpha dropped, 8 bit, RGB.

    Parameters
    ----------
    path : str or Path
        An image file (JPEG, PNG, WebP, BMP, TIFF, GIF, PPM, AVIF, JPEG 2000, with the extra `heif`
        also HEIC: see `affectkit.files.kinds`), or a container: an `.npz` with a member
        `images`, FER2013's `.csv` with a column `pixels`, or a shard (`.tfrecord`).
    row : int, optional
        The row inside a container, from 0; in a shard the byte at which the record begins.

    Returns
    -------
    numpy.ndarray
        uint8, shape (height, width, 3), channel order RGB, 0..255.

    Raises
    ------
    ImageReadError
        If there is no such file or row, or it can't be decoded to its end.
    """
    if row is None:
        return decode_image(path, str(path))
    if str(path).endswith(".tfrecord"):
        from affectkit.files.tfrecords import read_record_image

        return decode_image(io.BytesIO(read_record_image(str(path), row)), f"{path} at byte {row}")
    return as_rgb(_container_row(str(path), row))


def decode_image(source: str | Path | BinaryIO, name: str) -> np.ndarray:
    """Decode an encoded image, as `read_image` describes; messages call it `name`."""
    try:
        return _decode(source, name)
    except FileNotFoundError:
        raise ImageReadError(f"{name} does not exist; check the path and the root folder") from None
    except ImageReadError:
        raise
    except UnreadFormatError as error:
        raise ImageReadError(f"{name} {error}") from error
    except DAMAGED as error:
        whole = with_end_marker(source) if "truncated" in str(error) else None
        if whole is not None:
            _note("a JPEG without its end marker: all of its pixels are there, and are used")
            return _decode(whole, name)
        reason = str(error) or type(error).__name__
        raise ImageReadError(
            f"{name} can't be read as an image ({reason}); restore the file or drop its row"
        ) from error


def _decode(source: str | Path | BinaryIO, name: str) -> np.ndarray:
    with open_picture(source) as image:
        if image.width * image.height > MAX_PIXELS:
            raise ImageReadError(
                f"{name} has {image.width} x {image.height} pixels; the limit is "
                f"{MAX_PIXELS}. Make it smaller first"
            )
        check_density(image, source)
        return _as_seen(image, source)


def _as_seen(image: Image.Image, source: str | Path | BinaryIO | None = None) -> np.ndarray:
    """Give an opened image upright, of 8 bits, RGB; `source` is where it comes from, if known."""
    tags, deep_colours = getattr(image, "tag_v2", {}), ";16" in str(getattr(image, "tile", ""))
    if image.mode.startswith(("I", "F")):
        grey, note = grey_bits(np.asarray(ImageOps.exif_transpose(image)), tags)
        pixels = as_rgb(grey)
    elif deep_colours and source is not None:
        pixels, note = colour_bits(read_bytes(source), np.asarray(image.convert("RGB")))
        turned = Image.fromarray(pixels)
        turned.getexif()[_ORIENTATION] = image.getexif().get(_ORIENTATION, 1)
        pixels = np.asarray(ImageOps.exif_transpose(turned))
    else:
        return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    for text in filter(None, (note, darkness(pixels))):
        _note(text)
    return pixels


def picture_pixels(picture: object) -> np.ndarray:
    """Give an image of `AffectPipeline` as an array: one is given back, others are read.

    Parameters
    ----------
    picture : numpy.ndarray, str, Path or PIL.Image.Image

    Raises
    ------
    ValueError
        If it is none of these, no uint8 array of shape (height, width, 3), or can't be read.
    """
    if isinstance(picture, str | Path):
        return read_image(Path(picture).expanduser())
    if isinstance(picture, Image.Image):
        try:
            return _as_seen(picture)
        except DAMAGED as error:
            raise ImageReadError(f"the PIL image can't be read ({error}); restore it") from error
    return check_image(picture)


def _note(text: str) -> None:
    """Warn about a picture, once for each text: it does not name the file."""
    warnings.warn(f"a picture was read with a note: {text}", UserWarning, stacklevel=2)


def check_image(image: np.ndarray) -> np.ndarray:
    """Give an image back; a ValueError unless it is uint8 of shape (height, width, 3)."""
    if not isinstance(image, np.ndarray):
        raise ValueError(
            f"expected a uint8 image of shape (height, width, 3), got {type(image).__name__}"
            f"{' (cv2.imread gives it for a file that it does not find)' if image is None else ''}"
            "; read it with affectkit.read_image"
        )
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
        raise ValueError(
            f"expected a uint8 image of shape (height, width, 3), got {image.dtype} "
            f"{image.shape}; read it with affectkit.data.images.read_image"
        )
    return image


def as_rgb(image: np.ndarray) -> np.ndarray:
    """Give a uint8 array of shape (H, W), (H, W, 1) or (H, W, 3) as RGB, shape (H, W, 3).

    An ImageReadError if it is none.
    """
    if image.dtype != np.uint8 or image.ndim not in (2, 3) or 0 in image.shape:
        raise ImageReadError(
            f"expected a uint8 array of shape (H, W) or (H, W, 3), got {image.dtype} "
            f"{image.shape}; scale it to 0..255 and convert it first"
        )
    if image.ndim == 3 and image.shape[2] == 3:
        return image
    if image.ndim == 3 and image.shape[2] != 1:
        raise ImageReadError(f"expected 1 or 3 channels, got {image.shape[2]}; drop alpha first")
    grey = image if image.ndim == 2 else image[..., 0]
    return np.repeat(grey[..., None], 3, axis=2)


def read_table_image(record: object) -> np.ndarray:
    """Read the image of one row of a table.

    Parameters
    ----------
    record : named tuple
        From `DataFrame.itertuples` of the documented table.

    Returns
    -------
    numpy.ndarray
        uint8, shape (height, width, 3), RGB.

    Raises
    ------
    ImageReadError
        If it can't be read.
    """
    image = getattr(record, "image", None)
    if isinstance(image, np.ndarray):
        return as_rgb(image)
    import pandas as pd

    return read_image(record.path, None if pd.isna(record.row) else int(record.row))


def _container_row(path: str, row: int) -> np.ndarray:
    images = load_container(path)
    if not 0 <= row < len(images):
        raise ImageReadError(f"{path} holds {len(images)} images, row {row} was asked for")
    return images[row]


@lru_cache(maxsize=4)
def load_container(path: str) -> np.ndarray:
    """Read all images of a container file; kept in memory for the next call.

    Of an `.npz` with a uint8 member `images` (N, H, W) or (N, H, W, 3), or of FER2013's `.csv` with
    a column `pixels` of 2,304 numbers each. An ImageReadError if the file is neither.
    """
    what = (
        "a container of images; expected an .npz with a member `images`, uint8 (N, H, W) or "
        "(N, H, W, 3), or FER2013's .csv with a column `pixels`"
    )
    if path.endswith(".npz"):
        try:
            with ArrayArchive(path, what, ImageReadError) as archive:
                images = archive.read("images")
        except OSError as error:
            raise ImageReadError(f"{path} is not {what} ({error})") from error
    else:
        from affectkit.data.label_files import read_label_csv
        from affectkit.data.skipped import SkippedRows

        try:
            # read as the rows are counted, so that both see the same ones
            pixels = read_label_csv(path, FER2013_COLUMNS[:1], SkippedRows())["pixels"]
            flat = np.stack([np.array(text.split(), dtype=np.uint8) for text in pixels])
        except (OSError, ValueError, OverflowError) as error:
            raise ImageReadError(f"{path} is not {what} ({error})") from error
        side = math.isqrt(flat.shape[1])
        images = flat.reshape(-1, side, side) if side and side**2 == flat.shape[1] else flat
    if images.dtype != np.uint8 or images.ndim not in (3, 4) or 0 in images.shape[1:]:
        raise ImageReadError(f"{path} is not {what} (it has {images.dtype} {images.shape})")
    if images.ndim == 4 and images.shape[3] not in (1, 3):
        raise ImageReadError(f"{path} is not {what} (it has {images.shape[3]} channels)")
    return images
