"""Read NumPy's .npy headers and .npz archives that may hold anything; nothing is ever unpickled."""

from __future__ import annotations

import ast
import lzma
import math
import struct
import zipfile
import zlib
from functools import lru_cache
from pathlib import Path
from types import TracebackType

import numpy as np

MAGIC = b"\x93NUMPY"
KINDS = "biufSU"
"""Kinds of dtype that are read: truth values, numbers, text."""

HEADER_BYTES = 10_000
FREE_BYTES = 256 << 20
MOST_COMPRESSED = 100
"""A member that unpacks to more than `FREE_BYTES` is at most so many times as large as in the
file: photographs are not twice as large, a bomb is a thousand times."""

DAMAGED = (
    *(OSError, ValueError, EOFError, LookupError, TypeError, RuntimeError, ArithmeticError),
    *(MemoryError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error),
)
"""What reading a spoilt archive raises."""


@lru_cache(maxsize=256)
def parse_header(header: bytes) -> tuple[np.dtype, bool, tuple[int, ...]]:
    """Read type (of one of `KINDS`), Fortran's order and shape from the text of a .npy header.

    Anything else is a ValueError.
    """
    try:
        if len(header) > HEADER_BYTES:
            raise ValueError(f"a header of {len(header)} bytes")
        fields = ast.literal_eval(header.decode("latin-1").strip())
        descr, order, shape = fields["descr"], fields["fortran_order"], tuple(fields["shape"])
        if not isinstance(descr, str) or not all(type(size) is int and size >= 0 for size in shape):
            raise ValueError(f"type {descr!r:.40} and shape {shape!r:.40}")
        dtype = np.dtype(descr)
        if dtype.kind not in KINDS or not dtype.itemsize or dtype.subdtype or dtype.names:
            raise ValueError(f"type {descr!r:.40}")
    except (ValueError, SyntaxError, TypeError, LookupError, MemoryError, RecursionError) as error:
        raise ValueError(f"the header is damaged or of another kind of data ({error})") from None
    return dtype, bool(order), shape


def header_place(start: bytes, name: str) -> tuple[int, int]:
    """Give where the header of the .npy file `name` begins and ends, from its first 12 bytes."""
    if start[:6] != MAGIC or len(start) < 12:
        raise ValueError(f"{name} is not a .npy file")
    size = 2 if start[6] == 1 else 4
    return 8 + size, 8 + size + int.from_bytes(start[8 : 8 + size], "little")


def check_text(array: np.ndarray) -> np.ndarray:
    """Give an array back; a ValueError if its text is no Unicode, since NumPy takes any numbers."""
    if array.dtype.kind == "U":
        codes = np.ascontiguousarray(array.astype(array.dtype.newbyteorder("="))).view(np.uint32)
        if ((codes > 0x10FFFF) | ((codes >= 0xD800) & (codes < 0xE000))).any():
            raise ValueError("it holds text that is no Unicode")
    return array


class ArrayArchive:
    """An .npz file; a context manager that turns what damage raises into an `error`, a ValueError.

    `what` tells, in messages, what the file should be, and the remedy: "a FER+ archive, ...".
    """

    def __init__(self, path: str | Path, what: str, error: type[ValueError] = ValueError) -> None:
        self._path, self._what, self._error = Path(path), what, error

    def __enter__(self) -> ArrayArchive:
        try:
            self._zip = zipfile.ZipFile(self._path)
        except FileNotFoundError:
            raise
        except DAMAGED as error:
            raise self._refusal(error) from error
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._zip.close()
        if isinstance(error, DAMAGED):
            raise self._refusal(error) from error

    def require(self, *names: str) -> None:
        """Refuse an archive without these members."""
        missing = sorted({f"{name}.npy" for name in names} - set(self._zip.namelist()))
        if missing:
            raise ValueError(f"members {', '.join(missing)} are missing")

    def header(self, name: str) -> tuple[np.dtype, bool, tuple[int, ...]]:
        """Give type, order and shape of a member, which is not unpacked."""
        return self._open(name)[1]

    def read(self, name: str) -> np.ndarray:
        """Read a member; text of bytes becomes text, as UTF-8."""
        member, (dtype, fortran, shape), size = self._open(name)
        with member:
            content = member.read(size)
            if len(content) != size or member.read(1):
                raise ValueError(f"{name} has not the size that its header says")
        array = np.frombuffer(content, dtype).reshape(shape, order="F" if fortran else "C")
        if dtype.kind == "S":
            array = np.char.decode(array, "utf-8")
        return check_text(array)

    def read_all(self) -> dict[str, np.ndarray]:
        """Read all members of an archive that `numpy.savez` wrote, which packs nothing."""
        entries = self._zip.infolist()
        if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
            raise ValueError("its members are packed")
        if sum(entry.file_size for entry in entries) > self._path.stat().st_size:
            raise ValueError("its members are larger than it is")
        names = (entry.filename.removesuffix(".npy") for entry in entries)
        return {name: self.read(name) for name in names}

    def _open(self, name: str) -> tuple[zipfile.ZipExtFile, tuple, int]:
        entries = [entry for entry in self._zip.infolist() if entry.filename == f"{name}.npy"]
        if len(entries) != 1:
            raise ValueError(f"it has {len(entries)} members {name}")
        entry = entries[0]
        packed = min(entry.compress_size, self._path.stat().st_size)
        if entry.file_size > max(FREE_BYTES, MOST_COMPRESSED * packed):
            raise ValueError(f"{name} would unpack from {packed} to {entry.file_size} bytes")
        member = self._zip.open(entry)
        start = member.read(12)
        first, end = header_place(start, name)
        if end - first > HEADER_BYTES:
            raise ValueError(f"{name} has a header of {end - first} bytes")
        header = parse_header((start + member.read(max(0, end - 12)))[first:end])
        size = header[0].itemsize * math.prod(header[2])
        if end + size != entry.file_size:
            raise ValueError(f"{name} has not the size that its header says")
        return member, header, size

    def _refusal(self, error: BaseException) -> ValueError:
        reason = str(error) or type(error).__name__
        return self._error(f"{self._path} is not {self._what} ({reason[:200]})")
