"""What training reads of a record, and the record that does not have it."""

from __future__ import annotations

import re
from collections.abc import Iterable

import tensorflow as tf

from affectkit.labels import NUM_EXPRESSIONS

FEATURES = {
    "image": tf.io.FixedLenFeature([], tf.string),
    "box": tf.io.FixedLenFeature([], tf.string),
    "expression": tf.io.FixedLenFeature([], tf.int64),
    "valence_arousal": tf.io.FixedLenFeature([2], tf.float32),
    "soft_labels": tf.io.FixedLenFeature([NUM_EXPRESSIONS], tf.float32),
}
"""See `affectkit.data.shard_records`."""

BOX_BYTES = 32
"""Of 4 float64."""


_DAMAGED = (tf.errors.DataLossError, tf.errors.InvalidArgumentError, UnicodeDecodeError)


def find_strange_record(addresses: Iterable[str]) -> tuple[str, str] | None:
    """Name the first record that can't be read or has other features; None if all have these.

    Parameters
    ----------
    addresses : iterable of str
        Of shards, which are all read.

    Returns
    -------
    tuple of (str, str), or None
        "ADDRESS, record NUMBER", counted from 0, and the reason.
    """
    for address in addresses:
        number = 0
        try:
            for record in tf.data.TFRecordDataset(address):
                box = tf.io.parse_single_example(record, FEATURES)["box"]
                if len(box.numpy()) != BOX_BYTES:
                    return f"{address}, record {number}", f"a box of {len(box.numpy())} bytes"
                number += 1
        except _DAMAGED as error:
            return f"{address}, record {number}", error_reason(error)
    return None


def error_reason(error: Exception) -> str:
    """Give what TensorFlow says, in short and without the names of its nodes."""
    message = getattr(error, "message", "its bytes are no example")
    return re.sub(r"\{\{.*?\}\} *", "", message)[:300]
