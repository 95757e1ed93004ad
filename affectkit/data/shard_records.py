"""One record of a shard: an image as it was encoded, and its labels, as a `tf.train.Example`.

======================  =======  ==================================================================
feature                 type     meaning
======================  =======  ==================================================================
image                   bytes    the bytes of the source file; PNG of what was in a container
crc32                   int64    CRC-32 of `image`, for reading single records
image_id, subject       bytes    UTF-8; subject "" where unknown
split                   bytes    train, validation or test
expression              int64    AffectNet code, -1 = not annotated
valence_arousal         float    2, NaN = not annotated
soft_labels             float    8, in the order of `affectkit.labels.EXPRESSIONS`, or all NaN
box                     bytes    4 float64, little-endian: left, top, width, height, or all NaN
======================  =======  ==================================================================

The bytes are kept as they are, so that a face decoded from a shard is the face decoded from the
file, for any size and margin: cropped faces would have to be encoded again, which either changes
them (JPEG, WebP) or makes them several times as large (PNG), and fixes the margin for good.
"""

from __future__ import annotations

import zlib
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from affectkit.data.images import ImageReadError, read_table_image
from affectkit.data.shard_checks import FRAME_BYTES, HEADER_BYTES, LENGTH_BYTES
from affectkit.data.shard_files import SUFFIX, file_size, open_file
from affectkit.data.shard_index import REMEDY
from affectkit.data.table import BOX_COLUMNS, SOFT_LABEL_COLUMNS


def encode_record(record: object) -> bytes:
    """Encode one row of a table (a named tuple of `DataFrame.itertuples`).

    Raises
    ------
    ImageReadError
        If its image can't be decoded.
    """
    import tensorflow as tf

    image = image_bytes(record)
    code = -1 if pd.isna(record.expression) else int(record.expression)
    box = np.array([getattr(record, name) for name in BOX_COLUMNS], "<f8")
    soft = [getattr(record, name) for name in SOFT_LABEL_COLUMNS]
    subject = "" if pd.isna(record.subject) else str(record.subject)

    def texts(*values: bytes) -> tf.train.Feature:
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=values))

    def integers(*values: int) -> tf.train.Feature:
        return tf.train.Feature(int64_list=tf.train.Int64List(value=values))

    def floats(*values: float) -> tf.train.Feature:
        return tf.train.Feature(float_list=tf.train.FloatList(value=values))

    features = {
        "image": texts(image),
        "crc32": integers(zlib.crc32(image)),
        "image_id": texts(record.image_id.encode()),
        "subject": texts(subject.encode()),
        "split": texts(record.split.encode()),
        "expression": integers(code),
        "valence_arousal": floats(record.valence, record.arousal),
        "soft_labels": floats(*soft),
        "box": texts(box.tobytes()),
    }
    example = tf.train.Example(features=tf.train.Features(feature=features))
    return example.SerializeToString(deterministic=True)


def image_bytes(record: object) -> bytes:
    """Give the encoded image of a row, and make sure that it can be decoded.

    Returns
    -------
    bytes
        What is in its file; for an array, or a row of a container, PNG, which loses nothing.
    """
    path, in_memory = record.path, isinstance(getattr(record, "image", None), np.ndarray)
    if not in_memory and path.endswith(SUFFIX) and not pd.isna(record.row):
        return read_record_image(path, int(record.row))
    pixels = read_table_image(record)
    if not in_memory and pd.isna(record.row):
        return Path(path).read_bytes()
    return cv2.imencode(".png", pixels[..., ::-1])[1].tobytes()


def read_record_image(address: str, offset: int) -> bytes:
    """Read the encoded image of one record.

    Parameters
    ----------
    address : str
        Of the shard.
    offset : int
        In bytes, of the record in the shard; what column `row` of the table holds.

    Returns
    -------
    bytes
        The encoded image.

    Raises
    ------
    ImageReadError
        If there is no such record, or it is damaged.
    """
    import tensorflow as tf
    from google.protobuf.message import DecodeError

    try:
        with open_file(address) as file:
            file.seek(offset)
            length = int.from_bytes(file.read(HEADER_BYTES)[:LENGTH_BYTES], "little")
            rest = (file_size(address) or 0) - offset - FRAME_BYTES
            data = file.read(length) if 0 < length <= rest else b""
        features = tf.train.Example.FromString(data).features.feature
        image, checksum = features["image"].bytes_list.value, features["crc32"].int64_list.value
        complete = len(data) == length and len(image) == len(checksum) == 1
        if complete and zlib.crc32(image[0]) == checksum[0]:
            return image[0]
        problem = "its checksum differs"
    except (OSError, DecodeError, tf.errors.OpError) as error:
        problem = str(error)
    raise ImageReadError(
        f"the record at byte {offset} of {address} can't be read: {problem}. {REMEDY}"
    )
