"""Check a shard before TensorFlow reads it: the lengths of its records, and its SHA-256 if wanted.

TensorFlow sets memory aside for the length that a record gives itself, and ends the process where
there is none.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import lru_cache
from typing import BinaryIO

from affectkit.files import places
from affectkit.files.tfrecords import FRAME_BYTES, HEADER_BYTES, LENGTH_BYTES, REMEDY

_CHUNK = 1 << 20


class ShardError(ValueError):
    """A shard or its index that is missing, truncated or damaged; says which and what to do."""


def check_shard(address: str, sha256: str | None = None) -> None:
    """Check that no record is longer than its file, and that the file is the one of the index.

    A file that has not changed is looked through once in a process. Without a hash, images are not
    read, or as few as the file system can skip. A ShardError if it is missing, can't be read, has
    another SHA-256, or a record that would reach beyond its end.
    """
    try:
        state = places.file_state(address)
        if state is None:
            raise ShardError(f"{address} is missing. {REMEDY}")
        # a time of 0 is that of a file system which keeps none
        look = _look_through if state[1] else _look_through.__wrapped__
        too_long, found = look(address, *state, bool(sha256))
    except OSError as error:
        raise ShardError(f"{address} can't be read: {error}. {REMEDY}") from error
    if sha256 and found != sha256:
        raise ShardError(f"{address}: expected SHA-256 {sha256}, found {found}. {REMEDY}")
    if too_long is not None:
        raise ShardError(
            f"the record at byte {too_long} of {address} would reach beyond the end of the file. "
            f"{REMEDY}"
        )


def record_number(address: str, offset: int) -> int | None:
    """Count the records before the one that begins at a byte of a shard; None if none does."""
    with places.os_errors(address), places.open_file(address) as file:
        for number, (start, _, _) in enumerate(_frames(file, places.file_size(address) or 0)):
            if start >= offset:
                return number if start == offset else None
    return None


@lru_cache(maxsize=1 << 16)
def _look_through(
    address: str, size: int, _changed: int, hashing: bool
) -> tuple[int | None, str | None]:
    """Give the byte where a record begins that is too long, and the SHA-256 if wanted."""
    digest, too_long = hashlib.sha256(), None
    with places.os_errors(address), places.open_file(address) as file:
        for start, header, length in _frames(file, size):
            if length > size - start - FRAME_BYTES:
                too_long, length = start, size  # to the end
            if hashing:
                digest.update(header)
                _add(digest, file, length + FRAME_BYTES - HEADER_BYTES)
            if too_long is not None:
                break
    return too_long, digest.hexdigest() if hashing else None


def _frames(file: BinaryIO, size: int) -> Iterator[tuple[int, bytes, int]]:
    """Give where each record begins, its header and the length that it tells, unchecked."""
    start = 0
    while start < size:
        file.seek(start)
        header = file.read(HEADER_BYTES)
        length = int.from_bytes(header[:LENGTH_BYTES], "little")
        yield start, header, length
        start += length + FRAME_BYTES


def _add(digest: hashlib._Hash, file: BinaryIO, count: int) -> None:
    while count > 0 and (chunk := file.read(min(count, _CHUNK))):
        digest.update(chunk)
        count -= len(chunk)
