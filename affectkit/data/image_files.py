"""Find the image files of a data set: those that label files name, and all below a folder.

Each folder is listed once. Links are followed inside the root, others only when that is asked for.
"""

from __future__ import annotations

import errno
import os
import posixpath
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from affectkit.data.row_checks import RowChecks
from affectkit.files.kinds import FileKind, file_kind, name_kind

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"})
"""Files that end so are pictures without a look inside; of others the content tells."""

LINK = "behind a link out of the root folder, which is not followed"
FOLLOW = "give --follow-links (in Python follow_links=True), or copy what it leads to"
_STUB = "below a file, where a folder is expected (a link that a copy made a text of?)"
BROKEN = "link that leads nowhere"
_OBSTACLES = {
    LINK: FOLLOW,
    f"behind a {BROKEN}": "restore what it leads to",
    _STUB: "restore the folder, or the link",
}
NO_TEXT = ("with a name that is not UTF-8", "rename it")

_UNSAFE = re.compile(r"^$|^/|^~|^[A-Za-z]:|(?:^|/)\.\.(?:/|$)|[\x00-\x1f]")
_CLUTTER = frozenset({"__macosx", "@eadir", "thumbs.db", "desktop.ini", "icon\r"})


@dataclass(frozen=True)
class Listing:
    """Names in a folder: files, folders, and what is not read: links, and names that are no UTF-8.

    Companions that macOS writes beside files (`._a.jpg`) are in none of them.
    """

    files: frozenset[str] = frozenset()
    folders: frozenset[str] = frozenset()
    links: frozenset[str] = frozenset()
    broken: frozenset[str] = frozenset()
    undecodable: frozenset[str] = frozenset()


def is_clutter(name: str) -> bool:
    """Tell whether a name is a dot file, or one of those that systems leave in folders."""
    return name.startswith(".") or name.lower() in _CLUTTER


def relative_names(names: pd.Series, root: str | Path | None = None) -> pd.Series:
    """Give file names with "/" between folders, without outer blanks or a leading "./".

    With a root, absolute names inside it become relative to it.
    """
    texts = [_relative_name(name) for name in names.tolist()]
    if root is not None and any(name[:1] == "/" for name in texts):
        inside = _InsideNames(Path(root))
        texts = [inside.relative(name) if name[:1] == "/" else name for name in texts]
    return pd.Series(texts, names.index, dtype="str")


def _relative_name(name: str) -> str:
    name = name.strip().replace("\\", "/")
    return name if name[:1] != "." else re.sub(r"^(?:\./+)+", "", name)


class _InsideNames:
    """Makes absolute names relative to a root, also where links lead to it."""

    def __init__(self, root: Path) -> None:
        self.base = os.path.realpath(root)
        self.prefixes = {f"{os.path.abspath(root)}/", f"{self.base}/"}  # noqa: PTH100
        self.folders: dict[str, str] = {}

    def relative(self, name: str) -> str:
        if "\0" in name:
            return name
        path = "/" + posixpath.normpath(name).lstrip("/")
        for prefix in self.prefixes:
            if path.startswith(prefix):
                return path[len(prefix) :]
        folder, _, file = path.rpartition("/")
        if folder not in self.folders:
            self.folders[folder] = os.path.realpath(folder or "/")
        real = f"{self.folders[folder]}/{file}"
        return real[len(self.base) + 1 :] if real.startswith(f"{self.base}/") else name


def unsafe(names: pd.Series) -> np.ndarray:
    """Tell which relative names are empty, absolute, or climb with ".."; bool, shape (n,)."""
    return np.array([_is_unsafe(name) for name in names.tolist()], bool)


def _is_unsafe(name: str) -> bool:
    suspect = ".." in name or name[:1] in ("", "/", "~") or name[1:2] == ":"
    # cheap, so that the pattern is tried on few of AffectNet's 400,000 names
    return (suspect or not name.isprintable()) and _UNSAFE.search(name) is not None


def list_files(
    root: Path, folder: str, suffix: str = "", follow_links: bool = False
) -> frozenset[str]:
    """List the files of a folder under a root, "" for the root itself, whose names end so."""
    files = list_folder(root, folder, follow_links).files
    return frozenset(name for name in files if name.endswith(suffix)) if suffix else files


def list_folder(root: Path, folder: str, follow_links: bool = False) -> Listing:
    """List a folder under a root, "" for the root itself.

    There is nothing in one that does not exist, or leads out of the root by a link that is not
    followed.
    """
    base = os.path.realpath(root)
    directory = Path(base) / folder
    if not (follow_links or _is_within(base, directory)):
        return Listing()
    files, folders, links, broken, undecodable = set(), set(), set(), set(), set()
    try:
        with os.scandir(directory) as entries:
            for entry in entries:
                if entry.name.startswith("._"):
                    continue
                if not _is_text(entry.name):
                    undecodable.add(entry.name)
                elif entry.is_symlink() and not (follow_links or _is_within(base, entry.path)):
                    links.add(entry.name)
                elif _is(entry.is_file):
                    files.add(entry.name)
                elif _is(entry.is_dir):
                    folders.add(entry.name)
                elif entry.is_symlink():
                    broken.add(entry.name)
    except (FileNotFoundError, NotADirectoryError):
        return Listing()
    except OSError as error:
        if error.errno not in (errno.ENAMETOOLONG, errno.ELOOP):
            raise
    return Listing(*map(frozenset, (files, folders, links, broken, undecodable)))


def check_not_linked(root: Path, *folders: str, follow_links: bool) -> None:
    """Refuse (ValueError) folders of a data set that lead out of its root by a link."""
    base = os.path.realpath(root)
    for folder in folders:
        if not (follow_links or _is_within(base, root / folder)):
            raise ValueError(f"{root / folder} is {LINK}; {FOLLOW}")


def _is_within(base: str, path: str | Path) -> bool:
    real = os.path.realpath(path)
    return real == base or real.startswith(base.rstrip(os.sep) + os.sep)


def _is(kind: Callable[[], bool]) -> bool:
    try:
        return kind()
    except OSError:  # a link to itself
        return False


def _is_text(name: str) -> bool:
    """Tell whether a name is Unicode; others can't be written to a table."""
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def picture_kind(path: str) -> FileKind | None:
    """Tell what a file of a data set is; None if its name is a picture's, of `IMAGE_SUFFIXES`."""
    if os.path.splitext(path)[1].lower() in IMAGE_SUFFIXES:  # noqa: PTH122 - four times as fast
        return None
    try:
        return file_kind(path)
    except OSError:
        return name_kind(path)


def check_image_files(
    checks: RowChecks, names: pd.Series, root: Path, follow_links: bool = False
) -> pd.Series:
    """Skip rows whose image is missing or outside the root; give the paths of all rows.

    `names` are relative to `root`, one a row, as from `relative_names`. Forms of Unicode (é of one
    or two characters) are the same; the path has the file's own.
    """
    bad = unsafe(names)
    checks.reject(
        bad,
        lambda row: f"{names.iloc[row][:80]!r} is not a path inside the root folder",
        "write the file's path relative to the root folder, without '..'",
    )
    checks.reject(
        np.array([name.rpartition("/")[2].startswith("._") for name in names.tolist()], bool),
        lambda row: f"{names.iloc[row][:80]!r} is a companion file of macOS, no picture",
        "remove its row",
    )
    finder = _Finder(root, follow_links)
    found = [finder.find(name) for name in (names.mask(bad, "") if bad.any() else names).tolist()]
    missing = np.array([name is None for name in found], bool)
    obstacles = {row: finder.obstacle(names.iloc[row])
                 for row in np.flatnonzero(missing & checks.good)}  # fmt: skip
    for obstacle, remedy in _OBSTACLES.items():
        checks.reject(
            np.array([obstacles.get(row) == obstacle for row in range(len(names))], bool),
            lambda row, obstacle=obstacle: f"{names.iloc[row][:80]!r} is {obstacle}",
            remedy,
        )
    checks.reject(
        missing,
        lambda row: f"there is no image {names.iloc[row][:80]!r} in {root}",
        "restore the image, or remove its row",
    )
    return f"{root}{os.sep}" + pd.Series([name or "" for name in found], names.index, dtype="str")


class _Finder:
    """Finds files below a root; each folder is listed once."""

    def __init__(self, root: Path, follow_links: bool) -> None:
        self.root, self.follow_links = root, follow_links
        self.listed: dict[str, Listing] = {}
        self.composed: dict[str, dict[str, str]] = {}

    def list(self, folder: str) -> Listing:
        if folder not in self.listed:
            self.listed[folder] = list_folder(self.root, folder, self.follow_links)
        return self.listed[folder]

    def find(self, name: str) -> str | None:
        """Give the name as it is on disk, None if there is no such file."""
        folder, _, file = name.rpartition("/")
        if file in self.list(folder).files:
            return name
        return None if name.isascii() else self._find_composed(name)

    def _find_composed(self, name: str) -> str | None:
        """Find a name of which any part is written in another form of Unicode."""
        *parents, file = name.split("/")
        place = ""
        for part in parents:
            same = self._in_composed(place).get(unicodedata.normalize("NFC", part))
            if same is None or same not in self.list(place).folders:
                return None
            place = f"{place}/{same}" if place else same
        same = self._in_composed(place).get(unicodedata.normalize("NFC", file))
        if same is None or same not in self.list(place).files:
            return None
        return f"{place}/{same}" if place else same

    def _in_composed(self, folder: str) -> dict[str, str]:
        if folder not in self.composed:
            listing = self.list(folder)
            names = sorted(listing.files | listing.folders, reverse=True)
            self.composed[folder] = {unicodedata.normalize("NFC", name): name for name in names}
        return self.composed[folder]

    def obstacle(self, name: str) -> str:
        """Tell what is in the way to a missing file: a key of `_OBSTACLES`, or "" if nothing is."""
        place = ""
        for part in name.split("/"):
            listing = self.list(place)
            if part in listing.links:
                return LINK
            if part in listing.broken:
                return f"behind a {BROKEN}"
            if part in listing.files:
                return _STUB
            if part not in listing.folders:
                return ""
            place = f"{place}/{part}" if place else part
        return ""
