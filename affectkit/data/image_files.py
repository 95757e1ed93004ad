"""Find the image files that label files name: one listing a folder, never out of the root."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from affectkit.data.row_checks import RowChecks

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"})


_UNSAFE = re.compile(r"^$|^/|^~|^[A-Za-z]:|(?:^|/)\.\.(?:/|$)|[\x00-\x1f]")


def relative_names(names: pd.Series) -> pd.Series:
    """Give file names with "/" between folders, without outer blanks or a leading "./"."""
    return pd.Series([_relative_name(name) for name in names.tolist()], names.index, dtype="str")


def _relative_name(name: str) -> str:
    name = name.strip().replace("\\", "/")
    return name if name[:1] != "." else re.sub(r"^(?:\./+)+", "", name)


def unsafe(names: pd.Series) -> np.ndarray:
    """Tell which relative names are empty, absolute, or climb with ".."; bool, shape (n,)."""
    return np.array([_is_unsafe(name) for name in names.tolist()], bool)


def _is_unsafe(name: str) -> bool:
    suspect = ".." in name or name[:1] in ("", "/", "~") or name[1:2] == ":"
    # cheap, so that the pattern is tried on few of AffectNet's 400,000 names
    return (suspect or not name.isprintable()) and _UNSAFE.search(name) is not None


def list_files(root: Path, folder: str, suffix: str = "") -> frozenset[str]:
    """List the files of a folder under a root, "" for the root itself, whose names end so.

    Links that leave the root and names that are not UTF-8 are left out. There is none in a folder
    that does not exist or leads out of the root.
    """
    return frozenset(_inside(os.path.realpath(root), folder, suffix))


def _inside(base: str, folder: str, suffix: str) -> Iterator[str]:
    directory = Path(base) / folder
    if not _is_within(base, directory):
        return
    try:
        with os.scandir(directory) as entries:
            for entry in entries:
                if not entry.name.endswith(suffix):
                    continue
                if entry.is_symlink() and not _is_within(base, entry.path):
                    continue
                if _is_file(entry) and _is_text(entry.name):
                    yield entry.name
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        if error.errno not in (errno.ENAMETOOLONG, errno.ELOOP):
            raise


def _is_within(base: str, path: str | Path) -> bool:
    real = os.path.realpath(path)
    return real == base or real.startswith(base.rstrip(os.sep) + os.sep)


def _is_file(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file()
    except OSError:  # a link to itself
        return False


def _is_text(name: str) -> bool:
    """Tell whether a name is Unicode; others can't be written to a table."""
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def check_image_files(checks: RowChecks, names: pd.Series, root: Path) -> pd.Series:
    """Skip rows whose image is missing or outside the root; give the paths of all rows.

    `names` are relative to `root`, one a row, as from `relative_names`.
    """
    bad = unsafe(names)
    checks.reject(
        bad,
        lambda row: f"{names.iloc[row][:80]!r} is not a path inside the root folder",
        "write the file's path relative to the root folder, without '..'",
    )
    checks.reject(
        ~_are_there(names.mask(bad, "") if bad.any() else names, root),
        lambda row: f"there is no image {names.iloc[row][:80]!r} in {root}",
        "restore the image, or remove its row",
    )
    return f"{root}{os.sep}" + names


def _are_there(names: pd.Series, root: Path) -> np.ndarray:
    """Tell which files exist; each folder is listed once."""
    listed: dict[str, frozenset[str]] = {}
    found = []
    for name in names.tolist():
        folder, _, file = name.rpartition("/")
        if folder not in listed:
            listed[folder] = list_files(root, folder)
        found.append(file in listed[folder])
    return np.array(found, bool)
