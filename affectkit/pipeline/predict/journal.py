"""The journal of `affectkit predict`: an SQLite file that gets the rows of a file in one step.

Beside `rows.csv` lies `rows.csv.progress.sqlite`; the table is made from it at the end. SQLite runs
with a write-ahead log in exclusive mode and `synchronous=NORMAL`: a killed process loses nothing
that was committed, a loss of power at most the last files, never the file as a whole, and hardly a
picture waits for the disk. The exclusive mode needs no shared memory, so that this works on network
drives, and its lock keeps a second writer out on every system.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from shlex import quote
from subprocess import list2cmdline
from types import TracebackType

from affectkit.pipeline.predict.rows import COLUMNS, TEXT, WHOLE, Row, check_format, write_table

APPLICATION, VERSION = 0x41464B50, 1
"""`application_id` ("AFKP") and `user_version` of the file."""

SCHEMA = (
    "CREATE TABLE settings (json)",
    "CREATE TABLE files (path)",
    f"CREATE TABLE rows ({', '.join(COLUMNS)})",
)
"""Columns have no type, as SQLite would make 0.0 of -0.0 in one of type REAL."""

_INSERT = f"INSERT INTO rows VALUES (CAST(? AS TEXT){', ?' * (len(COLUMNS) - 1)})"
_KINDS = dict.fromkeys(WHOLE, "'integer', 'null'") | dict.fromkeys(TEXT, "'text', 'null'")
_STRANGE = "SELECT EXISTS (SELECT 1 FROM rows WHERE {} OR file IS NULL)".format(
    " OR ".join(
        f"typeof({name}) NOT IN ({_KINDS.get(name, repr('real') + ', ' + repr('null'))})"
        for name in COLUMNS
    )
)
_SUPER_JOURNAL = b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7"
_FORMER_START = b'{"settings": '
_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
_UNWRITABLE = (
    *(sqlite3.SQLITE_PERM, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL),
    *(sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_NOLFS),
)


class OutputError(OSError):
    """The rows can't be written: no reason to try the next file."""


class Journal:
    """Keeps rows by file, and makes the table of them when it is left; a context manager.

    `finished` are the keys (see `file_key`) of the files whose rows are in it. `settings`, which
    JSON can hold, are what shapes the rows: with others, going on is refused (ValueError), as it is
    with a damaged or foreign file. Without settings, there must be a journal, whatever its own are.
    """

    def __init__(
        self,
        output: str | Path,
        settings: dict[str, object] | None = None,
        overwrite: bool = False,
    ) -> None:
        self.output = check_format(output)
        self.path = journal_path(self.output)
        self._former = self.output.with_name(f"{self.output.name}.progress")
        self.finished: set[str] = set()
        self._check_beside(overwrite, settings is not None)
        try:
            self.output.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise self._unwritable(error) from error
        self._connect()
        try:
            self._begin(settings, overwrite)
        except BaseException:
            self._connection.close()
            raise

    def write(self, rows: Iterable[Row]) -> None:
        """Add rows of the file at hand; they stay only if `finish` follows."""
        lines = [(_encoded(row["file"]), *(row[name] for name in COLUMNS[1:])) for row in rows]
        with self._telling():
            if not self._connection.in_transaction:
                self._connection.execute("BEGIN")
            self._connection.executemany(_INSERT, lines)

    def finish(self, path: str | Path) -> None:
        """Keep the rows of the file at hand."""
        key = file_key(path)
        self.write([])
        with self._telling():
            self._connection.execute("INSERT INTO files VALUES (CAST(? AS TEXT))", (_encoded(key),))
            self._connection.execute("COMMIT")
        self.finished.add(key)

    def drop(self) -> None:
        """Forget the rows of the file at hand."""
        with self._telling():
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")

    def close(self) -> None:
        """Write the table, with the rows of an interrupted file, which the journal then forgets."""
        try:
            with self._telling():
                rows = self._connection.execute("SELECT * FROM rows ORDER BY rowid")
                write_table(rows, self.output)
        finally:
            self._connection.close()

    def forget(self) -> None:
        """Remove the journal; after `close`."""
        self.path.unlink(missing_ok=True)

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _check_beside(self, overwrite: bool, may_begin: bool) -> None:
        """Refuse what lies where the files go, before anything is opened."""
        if self.path.exists() and not self.path.is_file():
            raise ValueError(f"{self.path} is a folder, pipe or device: choose another name")
        rollback = self.path.with_name(self.path.name + "-journal")
        if rollback.is_file() and rollback.read_bytes()[-8:] == _SUPER_JOURNAL:
            # such a one names a file, which SQLite removes
            raise ValueError(f"{rollback} is not from affectkit: move it away")
        has_journal = self.path.exists() and self.path.stat().st_size > 0
        if overwrite or has_journal:
            return
        if not may_begin:
            raise ValueError(f"there is no {self.path}: name the output of an interrupted run")
        if _is_former(self._former):
            raise ValueError(
                f"{self.output} was begun by an older affectkit, and can't be gone on with: finish "
                f"it with that one, which reads {self._former.name}, choose another name, or "
                "--overwrite it"
            )
        if self.output.exists():
            raise ValueError(
                f"{self.output} exists, and can't be gone on with (there is no {self.path.name} "
                "beside it): choose another name, or --overwrite it"
            )

    def _connect(self) -> None:
        """Open the file and lock it; a damaged one is told here or when it is read."""
        with self._telling():
            self._connection = sqlite3.connect(self.path, timeout=0, isolation_level=None)
            self._connection.text_factory = _decoded
            for pragma in ("trusted_schema=OFF", "cell_size_check=ON", "mmap_size=0"):
                self._connection.execute(f"PRAGMA {pragma}")
            self._connection.execute("PRAGMA locking_mode=EXCLUSIVE")

    def _begin(self, settings: dict[str, object] | None, overwrite: bool) -> None:
        text = json.dumps(settings)
        if overwrite:
            self._make_empty()
        with self._telling():
            self._connection.execute("BEGIN EXCLUSIVE")
            if self._facts() == (0, 0, []):
                self._create(text)
            else:
                self._check(None if settings is None else json.loads(text))
            self._connection.execute("COMMIT")
            self._connection.execute("PRAGMA journal_mode=WAL")
            self._connection.execute("PRAGMA synchronous=NORMAL")

    def _facts(self) -> tuple[int, int, list[str]]:
        """Give application, version and schema."""
        return (
            self._connection.execute("PRAGMA application_id").fetchone()[0],
            self._connection.execute("PRAGMA user_version").fetchone()[0],
            [sql for (sql,) in self._connection.execute("SELECT sql FROM sqlite_master")],
        )

    def _create(self, settings: str) -> None:
        for statement in SCHEMA:
            self._connection.execute(statement)
        self._connection.execute("INSERT INTO settings VALUES (?)", (settings,))
        self._connection.execute(f"PRAGMA application_id={APPLICATION}")
        self._connection.execute(f"PRAGMA user_version={VERSION}")

    def _make_empty(self) -> None:
        """Remove what was there, whatever it was, unless another process is writing it."""
        try:
            self._connection.execute("BEGIN EXCLUSIVE")
            self._connection.execute("ROLLBACK")
        except sqlite3.Error as error:
            if _code(error) in _BUSY:
                raise self._busy() from error
        self._connection.close()
        with self._telling():
            self.output.unlink(missing_ok=True)
            if _is_former(self._former):
                self._former.unlink()
            for ending in ("-wal", "-shm", "-journal", ""):
                self.path.with_name(self.path.name + ending).unlink(missing_ok=True)
        self._connect()

    def _check(self, settings: dict[str, object] | None) -> None:
        """Refuse a file that is not whole, not ours or of other settings; else read `finished`."""
        if self._facts() != (APPLICATION, VERSION, list(SCHEMA)):
            raise self._damaged("it is no journal of this version of affectkit")
        if (found := self._connection.execute("PRAGMA quick_check(1)").fetchone()) != ("ok",):
            raise self._damaged(str(found[0]))
        if self._connection.execute(_STRANGE).fetchone()[0]:
            raise self._damaged("its rows hold other kinds of values")
        try:
            ((text,),) = self._connection.execute("SELECT json FROM settings")
            known = dict(json.loads(text))
            self.finished = {
                str(path) for (path,) in self._connection.execute("SELECT path FROM files")
            }
        except (ValueError, TypeError, RecursionError) as error:
            raise self._damaged(str(error)) from error
        if settings is not None and known != settings:
            names = sorted(name for name in settings if settings[name] != known.get(name))
            raise ValueError(
                f"{self.output} was begun with other settings "
                f"({', '.join(f'{name} {known.get(name)!r:.80}' for name in names)}): use the "
                f"same, choose another name, or --overwrite it; `{recover_command(self.output)}` "
                "writes the rows that are there"
            )

    @contextmanager
    def _telling(self) -> Iterator[None]:
        """Turn what SQLite and the system raise into errors that say what to do."""
        try:
            yield
        except (sqlite3.Error, UnicodeError) as error:  # the latter of text that is no UTF-8
            if _code(error) in _BUSY:
                raise self._busy() from error
            if _code(error) in _UNWRITABLE:
                raise self._unwritable(error) from error
            raise self._damaged(str(error)) from error
        except OSError as error:
            raise self._unwritable(error) from error

    def _busy(self) -> ValueError:
        return ValueError(
            f"another process is writing {self.output}: wait for it, or choose another name"
        )

    def _damaged(self, reason: str) -> ValueError:
        return ValueError(
            f"{self.output} can't be gone on with: {self.path} is damaged or not from affectkit "
            f"({' '.join(reason.split()):.200}); choose another name, or --overwrite both"
        )

    def _unwritable(self, error: Exception) -> OutputError:
        return OutputError(
            f"{self.output} can't be written ({getattr(error, 'strerror', None) or error}): free "
            "some space or choose another place; rows of finished files are kept, and "
            f"`{recover_command(self.output)}` writes them"
        )


def recover_table(output: str | Path) -> int:
    """Write the table of an interrupted run from its journal; gives the number of its files."""
    with Journal(output) as journal:
        return len(journal.finished)


def recover_command(output: str | Path) -> str:
    """Give the command line that does `recover_table`."""
    name = str(output)
    return f"affectkit predict --output {list2cmdline([name]) if os.name == 'nt' else quote(name)}"


def journal_path(output: Path) -> Path:
    """Give where the journal of an output lies."""
    return output.with_name(f"{output.name}.progress.sqlite")


def file_key(path: str | Path) -> str:
    """Give the absolute path of a file, links not followed."""
    return os.path.abspath(path)  # noqa: PTH100


def _is_former(path: Path) -> bool:
    """Tell a progress file of affectkit before it used SQLite: lines of JSON, settings first."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(_FORMER_START)) == _FORMER_START


def _code(error: Exception) -> int:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def _encoded(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")  # names of files need not be UTF-8


def _decoded(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")
