"""SHA-256 of files, by which cards, manifests and bundles tell their files apart."""

from __future__ import annotations

import hashlib
from pathlib import Path


def file_hash(path: str | Path) -> str:
    """Give the SHA-256 of a file.

    Parameters
    ----------
    path : str or Path
        Of a local file; `affectkit.files.places.file_sha256` takes remote addresses, too.

    Returns
    -------
    str
        64 hexadecimal digits.

    Raises
    ------
    OSError
        If it can't be read.
    """
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def describe_files(path: str | Path, folder: str | Path) -> list[dict[str, object]]:
    """List a file, or every file of a folder.

    Parameters
    ----------
    path : str or Path
        A file or folder in `folder`.
    folder : str or Path
        What names are relative to.

    Returns
    -------
    list of dict
        name (with "/"), bytes and sha256, in the order of the paths.

    Raises
    ------
    OSError
        If one can't be read.
    """
    path = Path(path)
    files = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
    return [
        {
            "name": file.relative_to(folder).as_posix(),
            "bytes": file.stat().st_size,
            "sha256": file_hash(file),
        }
        for file in files
    ]
