"""TODO."""

from __future__ import annotations

import hashlib
from pathlib import Path


def file_hash(path: Path) -> str:
    """Give the SHA-256 of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def describe_files(path: Path, folder: Path) -> list[dict[str, object]]:
    """List a file, or every file of a folder.

    Returns
    -------
    list of dict
        name (relative to `folder`, with "/"), bytes and sha256.
    """
    files = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
    return [
        {
            "name": file.relative_to(folder).as_posix(),
            "bytes": file.stat().st_size,
            "sha256": file_hash(file),
        }
        for file in files
    ]
