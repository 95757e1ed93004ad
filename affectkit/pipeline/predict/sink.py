"""A file of rows that grows file by file, survives being killed, and is gone on with later."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

from affectkit.files.json_forms import find_misfit
from affectkit.pipeline.predict.rows import (
    Row,
    check_format,
    encode_header,
    encode_rows,
    write_parquet,
)


class OutputError(OSError):
    """The rows can't be written: no reason to try the next file."""


class PredictionOutput:
    """Write rows; a context manager.

    Beside the output, `<name>.progress` lists what is finished and where its rows end. Going on,
    all behind the last of these is cut off, so that a killed run loses no finished file and doubles
    none. A `.parquet` can't grow: its rows are in `<name>.rows.jsonl`, and it is written at the
    end, also of an interrupted run.

    Parameters
    ----------
    path : str or Path
        Ends in `.csv`, `.jsonl` or `.parquet`. Folders are made.
    settings : dict
        JSON-able: what shapes the rows. Going on is refused with others.
    overwrite : bool
        Begin anew.

    Attributes
    ----------
    path : Path
        The output.
    finished : set of str
        The files whose rows are in the output, as from `file_key`.
    """

    def __init__(
        self, path: str | Path, settings: dict[str, object], overwrite: bool = False
    ) -> None:
        """Open or begin the output.

        Raises
        ------
        ValueError
            If the name ends otherwise, a file of that name is not from here or was made with other
            settings, or another process is writing it.
        ImportError
            If pyarrow is needed and missing.
        OutputError
            If it can't be written.
        """
        self.path = check_format(path)
        suffix = self.path.suffix.lower()
        self._is_parquet = suffix == ".parquet"
        self._suffix = ".jsonl" if self._is_parquet else suffix
        self._rows = _beside(self.path, ".rows.jsonl") if self._is_parquet else self.path
        self._progress = _beside(self.path, ".progress")
        self.finished: set[str] = set()
        if self.path.exists() and not self._progress.exists() and not overwrite:
            raise ValueError(
                f"{self.path} exists, and can't be gone on with (there is no "
                f"{self._progress.name} beside it): choose another name, or --overwrite it"
            )
        with self._writing():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._journal = self._progress.open("ab+", buffering=0)
        try:
            self._open_rows(json.loads(json.dumps(settings)), overwrite)
        except BaseException:
            self._journal.close()
            raise

    def _open_rows(self, settings: dict[str, object], overwrite: bool) -> None:
        try:
            fcntl.flock(self._journal, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ValueError(
                f"another process is writing {self.path}: wait for it, or choose another name"
            ) from None
        if overwrite:
            self._journal.truncate(0)
        size = self._rows.stat().st_size if self._rows.exists() and not overwrite else 0
        known, self._end, self.finished, good = read_progress(self._progress, size)
        if known is None and (size or is_foreign(self._progress)):
            raise ValueError(
                f"{self.path} can't be gone on with: {self._progress.name} beside it is damaged or "
                "not from affectkit; choose another name, or --overwrite both"
            )
        if known is not None and known != settings:
            changed = sorted(name for name in settings if settings[name] != known.get(name))
            raise ValueError(
                f"{self.path} was begun with other settings "
                f"({', '.join(f'{name} {known.get(name)!r:.80}' for name in changed)}): use the "
                "same, choose another name, or --overwrite it"
            )
        with self._writing():
            self._file = self._rows.open("ab", buffering=0)
            self._journal.truncate(good)
            if known is None:
                self._note({"settings": settings})
            self._cut(self._end)
            if not self._end:
                self._append(encode_header(self._suffix))
                self._end = self._size

    @contextmanager
    def file(self, path: str | Path) -> Iterator[Callable[[list[Row]], None]]:
        """Write the rows of one file: gives a function that takes some of them at a time.

        The file is finished when the block is left. An error drops its rows; an interruption leaves
        them, until they are written anew.
        """
        try:
            yield lambda rows: self._append(encode_rows(rows, self._suffix))
        except OutputError:
            raise
        except Exception:
            with self._writing():
                self._cut(self._end)
            raise
        with self._writing():
            self._note({"file": file_key(path), "end": self._size})
        self._end = self._size
        self.finished.add(file_key(path))

    def forget_progress(self) -> None:
        """Remove what going on would need; after `close`."""
        self._progress.unlink(missing_ok=True)
        if self._is_parquet:
            self._rows.unlink(missing_ok=True)

    def close(self) -> None:
        """Close the files, and write the Parquet file.

        Raises
        ------
        OutputError
            If that can't be written.
        """
        self._file.close()
        try:
            if self._is_parquet:
                with self._writing():
                    write_parquet(self._rows, self.path)
        finally:
            self._journal.close()

    def __enter__(self) -> PredictionOutput:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _append(self, content: bytes) -> None:
        with self._writing():
            while content:
                written = self._file.write(content)
                self._size += written
                content = content[written:]

    def _cut(self, end: int) -> None:
        if self._file.seek(0, os.SEEK_END) > end:
            self._file.truncate(end)
        self._size = end

    def _note(self, entry: dict[str, object]) -> None:
        self._journal.write(progress_line(entry))

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OutputError:
            raise
        except OSError as error:
            raise OutputError(
                f"{self.path} can't be written ({error.strerror or error}): free some space or "
                "choose another place; rows of finished files are kept"
            ) from error


def file_key(path: str | Path) -> str:
    """Give the absolute path of a file, links not followed."""
    return os.path.abspath(path)  # noqa: PTH100


def _beside(path: Path, ending: str) -> Path:
    return path.with_name(path.name + ending)


# FOLD affectkit.prediction_progress: """The file beside an output that says which files are finished, and where their rows end.
#
# The first line is `{"settings": {...}}`, each further one `{"file": PATH, "end": BYTES}`.
# """
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
