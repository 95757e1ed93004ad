"""Of several video tracks, the default one: OpenCV reads the first and can't be told otherwise."""

from __future__ import annotations

import io
import shutil
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

_MOST_PARTS = 10_000
"""So many parts of a file are looked at."""

_SPARE_BYTES = 100_000_000
"""So many stay free on a disk that a copy is written to."""

_SEGMENT, _TRACKS, _TRACK, _CLUSTER = 0x18538067, 0x1654AE6B, 0xAE, 0x1F43B675
_KIND, _IS_DEFAULT = 0x83, 0x88


def early_tracks(path: str | Path) -> dict[int, bytes]:
    """Give what hides the video tracks of an MP4 or Matroska file before its default one.

    Bytes by their place in the file; none where the default one is the first, or none is marked.
    """
    with Path(path).open("rb") as file:
        head = file.read(8)
        end = file.seek(0, io.SEEK_END)
        try:
            if head[:4] == b"\x1a\x45\xdf\xa3":
                mask, tracks = b"\x11", _matroska_tracks(file, end)  # subtitles
            elif head[4:] in (b"ftyp", b"moov", b"mdat", b"free", b"wide", b"skip"):
                mask, tracks = b"free", _mp4_tracks(file, end)
            else:
                return {}
            found = list(tracks)
        except (struct.error, IndexError):
            return {}  # damaged; reading it tells
    defaults = [number for number, (_, is_default) in enumerate(found) if is_default]
    before = [place for place, _ in found[: min(defaults, default=0)]]
    return dict.fromkeys(before, mask)


def write_changed(path: Path, changes: dict[int, bytes], target: Path) -> None:
    """Copy a file with other bytes at some places; a ValueError if it does not fit on the disk."""
    if shutil.disk_usage(target.parent).free < path.stat().st_size + _SPARE_BYTES:
        raise ValueError(
            f"{path} has several video tracks, of which the default one is not the first: to read "
            f"it, a copy is needed, and {target.parent} has no place for that; free some, or take "
            f"the track out: ffmpeg -i {path.name} -map 0:v:{len(changes)} -c copy other.mkv"
        )
    shutil.copyfile(path, target)
    with target.open("r+b") as file:
        for place, content in changes.items():
            file.seek(place)
            file.write(content)


def _mp4_tracks(file: BinaryIO, end: int) -> Iterator[tuple[int, bool]]:
    """Give where each video track's name is, and whether it is enabled (ISO/IEC 14496-12)."""
    for name, _, start, stop in _boxes(file, 0, end):
        if name != b"moov":
            continue
        for name_in, place, start_in, stop_in in _boxes(file, start, stop):
            if name_in != b"trak":
                continue
            is_enabled = is_video = False
            for part, _, at, part_end in _boxes(file, start_in, stop_in):
                if part == b"tkhd":
                    file.seek(at + 3)
                    is_enabled = bool(file.read(1)[0] & 1)
                for inner, _, at_inner, _ in _boxes(file, at, part_end) if part == b"mdia" else ():
                    if inner == b"hdlr":
                        file.seek(at_inner + 8)
                        is_video = file.read(4) == b"vide"
            if is_video:
                yield place + 4, is_enabled


def _boxes(file: BinaryIO, place: int, end: int) -> Iterator[tuple[bytes, int, int, int]]:
    """Give name, place, and begin and end of what it holds, of every box."""
    for _ in range(_MOST_PARTS):
        if place + 8 > end:
            return
        file.seek(place)
        size, name = struct.unpack(">I4s", file.read(8))
        start = place + 8
        if size == 1:
            (size,) = struct.unpack(">Q", file.read(8))
            start += 8
        stop = place + size if size else end
        if stop < start:
            return
        yield name, place, start, min(stop, end)
        place = stop


def _matroska_tracks(file: BinaryIO, end: int) -> Iterator[tuple[int, bool]]:
    """Give where each video track's type is, and whether it is a default one (RFC 9559)."""
    for name, _, start, stop in _elements(file, 0, end):
        for part, _, at, part_end in _elements(file, start, stop) if name == _SEGMENT else ():
            if part == _CLUSTER:
                return
            for entry, _, first, last in _elements(file, at, part_end) if part == _TRACKS else ():
                is_video, is_default, place = False, True, 0
                for key, _, begin, finish in _elements(file, first, last):
                    if key == _KIND:
                        is_video, place = _number(file, begin, finish) == 1, finish - 1
                    elif key == _IS_DEFAULT:
                        is_default = _number(file, begin, finish) != 0
                if entry == _TRACK and is_video:
                    yield place, is_default


def _elements(file: BinaryIO, place: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """Give name, place, and begin and end of what it holds, of every element (RFC 8794)."""
    for _ in range(_MOST_PARTS):
        if place + 2 > end:
            return
        file.seek(place)
        name = _variable(file, marked=True)
        size = _variable(file)
        start = file.tell()
        stop = end if size is None else min(start + size, end)
        if stop < start:
            return
        yield name, place, start, stop
        place = stop


def _variable(file: BinaryIO, marked: bool = False) -> int | None:
    """Read a number of one to eight bytes, with its marker bit or without; None is unknown."""
    first = file.read(1)[0]
    length = 9 - first.bit_length()
    if length > 8:
        raise IndexError("no number of at most eight bytes")
    rest = file.read(length - 1)
    if len(rest) < length - 1:
        raise IndexError("the file ends within a number")
    value = int.from_bytes(bytes([first]) + rest, "big")
    marker = 1 << (7 * length)
    if marked:
        return value
    return None if value == 2 * marker - 1 else value - marker


def _number(file: BinaryIO, start: int, stop: int) -> int:
    file.seek(start)
    return int.from_bytes(file.read(min(stop - start, 8)), "big")
