"""The file beside an output that says which files are finished, and where their rows end.

The first line is `{"settings": {...}}`, each further one `{"file": PATH, "end": BYTES}`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

from affectkit.json_files import find_misfit

_START = b'{"settings": '
_FINISHED = {"file": str, "end": int}


class Progress(NamedTuple):
    """What a progress file says.

    Attributes
    ----------
    settings : dict or None
        None if there is no whole first line.
    end : int
        Bytes of the output up to which rows are of finished files.
    finished : set of str
        These files.
    length : int
        Bytes of the lines that are believed.
    """

    settings: dict[str, object] | None
    end: int
    finished: set[str]
    length: int


def read_progress(path: Path, size: int) -> Progress:
    """Read a progress file up to the first line that can't be believed.

    Parameters
    ----------
    path : Path
    size : int
        Bytes of the output: no rows can end behind them.
    """
    settings, end, finished, length = None, 0, set(), 0
    with path.open("rb") as file:
        for line in file:
            entry = _parse(line)
            if settings is None and isinstance(entry.get("settings"), dict):
                settings = entry["settings"]
            elif settings is not None and not find_misfit(entry, _FINISHED):
                if not end <= entry["end"] <= size:
                    break  # power was lost before these rows reached the disk
                finished.add(entry["file"])
                end = entry["end"]
            else:
                break  # the line that was being written when the process was killed
            length += len(line)
    return Progress(settings, end, finished, length)


def is_foreign(path: Path) -> bool:
    """Tell whether a file begins with anything but a first line that was cut off."""
    with path.open("rb") as file:
        start = file.read(len(_START))
        return not _START.startswith(start) or b"\n" in file.read()


def progress_line(entry: dict[str, object]) -> bytes:
    """Give a line of the file."""
    return json.dumps(entry).encode() + b"\n"


def _parse(line: bytes) -> dict[str, object]:
    """Give what a whole line says; nothing if it is damaged."""
    try:
        entry = json.loads(line) if line.endswith(b"\n") else None
    except (ValueError, RecursionError):
        entry = None
    return entry if isinstance(entry, dict) else {}
