"""Write files in one step: whoever reads, also after `kill -9`, finds the old file or the new one.

What is written goes to a hidden file `.partial-<process>-<name>` in the same folder first. One that
a killed process has left is removed by `remove_partials`, which long commands call when they start.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_PARTIAL = re.compile(r"\.partial-(\d+)-(.+)")


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Give a temporary path; what is there when the block is left takes the place of `path`.

    Parameters
    ----------
    path : str or Path
        The file, or folder, to write. An older file is replaced, an older folder is not, unless it
        is empty. Folders above are made.

    Yields
    ------
    Path
        In the same folder, ends like `path`. An error in the block removes it, and leaves `path`
        as it was.

    Raises
    ------
    OSError
        If it can't be written.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = partial_path(path)
    _remove(partial)  # of an earlier process with this number
    try:
        yield partial
        if partial.is_file():
            _flush(partial)
        elif path.is_dir():
            path.rmdir()  # only an empty one; Windows does not replace folders
        partial.replace(path)
    finally:
        _remove(partial)


def partial_path(path: Path) -> Path:
    """Give the hidden path that this process uses for a file until it is whole."""
    return path.with_name(f".partial-{os.getpid()}-{path.name}")


@contextmanager
def temporary_folder(parent: str | Path) -> Iterator[Path]:
    """Give a hidden folder in `parent`, for files that are checked before they are moved there."""
    parent = Path(parent)
    parent.mkdir(parents=True, exist_ok=True)
    remove_partials(parent)
    with tempfile.TemporaryDirectory(prefix=f".partial-{os.getpid()}-", dir=parent) as folder:
        yield Path(folder)


def replace_path(new: Path, old: Path) -> None:
    """Move a file or folder from a `temporary_folder` where an older one may be."""
    if old.is_dir():
        old.rename(new.with_name(new.name + ".older"))
    new.replace(old)


def write_atomically(path: str | Path, content: str | bytes) -> Path:
    """Write a file in one step: a reader finds the old or the new one, also after a kill.

    Parameters
    ----------
    path : str or Path
        An older file is replaced, folders above are made.
    content : str or bytes
        Text is written as UTF-8.

    Returns
    -------
    Path
        Of the file.

    Raises
    ------
    OSError
        If it can't be written.
    """
    path = Path(path)
    with atomic_path(path) as partial:
        partial.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
    return path


def left_partials(folder: str | Path, name: str | None = None, deep: bool = False) -> list[Path]:
    """List what processes that have ended left of files, or of those called `name`, in a folder.

    With `deep`, in all folders below, too.
    """
    found = Path(folder).rglob(".partial-*") if deep else Path(folder).glob(".partial-*")
    matches = ((path, _PARTIAL.fullmatch(path.name)) for path in found)
    return [
        path
        for path, match in matches
        if match and name in (None, match[2]) and not _is_running(int(match[1]))
    ]


def remove_partials(folder: str | Path, deep: bool = False) -> None:
    """Remove what processes that have ended left of files that they were writing.

    Parameters
    ----------
    folder : str or Path
        Where to look.
    deep : bool
        Look into all folders below, too.
    """
    for path in left_partials(folder, deep=deep):
        _remove(path)


def _is_running(process: int) -> bool:
    import psutil

    return psutil.pid_exists(process)


def _flush(path: Path) -> None:
    with path.open("r+b") as file:  # Windows flushes only what may be written
        os.fsync(file.fileno())


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
