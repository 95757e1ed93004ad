"""Read and write the files of a folder of shards: local, or anywhere TensorFlow can."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

from affectkit.files.atomic import write_atomically

SUFFIX = ".tfrecord"

_CHUNK = 1 << 20


def folder_address(folder: str | Path) -> str:
    """Give a folder as text; a `gs:/bucket` that pathlib has shortened gets its slash back."""
    return re.sub(r"^([a-z][a-z0-9]+):/(?=[^/])", r"\1://", str(folder)).rstrip("/") or "/"


def is_remote(address: str) -> bool:
    """Tell whether TensorFlow's file systems are needed: `gs://`, `s3://`, `hdfs://`, `ram://`."""
    return "://" in address


def join(folder: str, name: str) -> str:
    """Give the address of a file in a folder."""
    return f"{folder}/{name}" if is_remote(folder) else str(Path(folder) / name)


def open_file(address: str) -> BinaryIO:
    """Open for reading bytes, able to seek; an OSError if that can't be."""
    if not is_remote(address):
        path = Path(address)
        if path.exists() and not path.is_file():  # a pipe would be waited for
            raise OSError(f"{address} is no file, but a folder, pipe or device")
        return path.open("rb")
    import tensorflow as tf

    with os_errors(address):
        if not tf.io.gfile.exists(address):
            raise FileNotFoundError(f"{address} does not exist")
        return tf.io.gfile.GFile(address, "rb")


def file_size(address: str) -> int | None:
    """Give the size in bytes, None if there is no such file."""
    state = file_state(address)
    return None if state is None else state[0]


def file_state(address: str) -> tuple[int, int] | None:
    """Give size in bytes and time of the last change in ns (0 if unknown), None if no such file.

    An OSError if a remote address can't be reached.
    """
    if not is_remote(address):
        path = Path(address)
        known = path.stat() if path.is_file() else None
        return None if known is None else (known.st_size, known.st_mtime_ns)
    import tensorflow as tf

    with os_errors(address):
        if not tf.io.gfile.exists(address):
            return None
        known = tf.io.gfile.stat(address)
    return known.length, known.mtime_nsec


def file_sha256(address: str) -> str:
    """Give the SHA-256 of a file's bytes, as hexadecimal."""
    digest = hashlib.sha256()
    with os_errors(address), open_file(address) as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def write_whole(content: bytes, address: str) -> None:
    """Write a file so that a reader never sees half of it, also after a kill."""
    if is_remote(address):
        import tensorflow as tf

        partial = f"{address}.{uuid4().hex}.partial"
        with tf.io.gfile.GFile(partial, "wb") as file:
            file.write(content)
        tf.io.gfile.rename(partial, address, overwrite=True)
        return
    write_atomically(address, content)


def upload(local: Path, address: str) -> None:
    """Copy a local file to a remote address, whole or not at all."""
    import tensorflow as tf

    partial = f"{address}.{uuid4().hex}.partial"
    tf.io.gfile.copy(str(local), partial)
    tf.io.gfile.rename(partial, address, overwrite=True)


def remove(address: str) -> None:
    """Remove a file, if it is there."""
    if not is_remote(address):
        Path(address).unlink(missing_ok=True)
        return
    import tensorflow as tf

    if tf.io.gfile.exists(address):
        tf.io.gfile.remove(address)


def make_folder(folder: str) -> None:
    """Make a folder with its parents."""
    if not is_remote(folder):
        Path(folder).mkdir(parents=True, exist_ok=True)
        return
    import tensorflow as tf

    with os_errors(folder):
        tf.io.gfile.makedirs(folder)


def list_folder(folder: str) -> list[str]:
    """Give the names in a folder, sorted."""
    if not is_remote(folder):
        return sorted(path.name for path in Path(folder).iterdir())
    import tensorflow as tf

    return sorted(name.rstrip("/") for name in tf.io.gfile.listdir(folder))


@contextmanager
def os_errors(address: str) -> Iterator[None]:
    """Turn errors of TensorFlow's file systems into OSError, as those of local files are."""
    if not is_remote(address):
        yield
        return
    import tensorflow as tf

    try:
        yield
    except tf.errors.OpError as error:
        raise OSError(f"{address}: {error.message}") from error
