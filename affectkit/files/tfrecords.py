"""Read the image of one record of a TFRecord shard, without reading the shard.

Here and not in `affectkit.data.shards`, which needs the reader of images, which needs this.
"""

from __future__ import annotations

import zlib

from affectkit.files.pictures import ImageReadError
from affectkit.files.places import file_size, open_file

LENGTH_BYTES = 8
HEADER_BYTES = 12
"""Before each record: its length as a little-endian number, and the length's checksum."""

FRAME_BYTES = 16
"""What a TFRecord file adds to each record: the header, and the record's checksum."""

REMEDY = (
    "Copy it again from where it was whole, or run the same `affectkit shard` command again: it "
    "keeps the good shards and writes this one anew"
)


def read_record_image(address: str, offset: int) -> bytes:
    """Read the encoded image of the record that begins at byte `offset` of a shard.

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
