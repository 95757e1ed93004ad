"""Render and pack the bundled data set: ``python -m affectkit.faces.shard``."""

from __future__ import annotations

import argparse
import zipfile
from pathlib import Path

from affectkit.faces.dataset import render_dataset
from affectkit.faces.schedule import SPLITS
from affectkit.files.atomic import atomic_path, write_atomically
from affectkit.files.hashes import file_hash

SHARD_SEED = 2026
SHARD_COUNTS = {"training": 8000, "validation": 1600, "test": 1600}
SHARD_SIZE = 112


def pack(directory: Path, archive: Path) -> str:
    """Zip a rendered directory byte-reproducibly, and write its hash beside it.

    Entries are sorted and carry a fixed time; images are stored, tables deflated.

    Parameters
    ----------
    directory : Path
        From `render_dataset`.
    archive : Path
        Is written in one step, and a file that ends in .sha256.

    Returns
    -------
    str
        SHA-256 of the archive, 64 hexadecimal digits.

    Raises
    ------
    OSError
        If it can't be written.
    """
    with atomic_path(archive) as partial, zipfile.ZipFile(partial, "w") as target:
        for path in sorted(path for path in directory.rglob("*") if path.is_file()):
            name = path.relative_to(directory).as_posix()
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            entry.external_attr = 0o644 << 16
            stored = path.suffix == ".webp"
            entry.compress_type = zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED
            target.writestr(entry, path.read_bytes(), compresslevel=9)
    digest = file_hash(archive)
    write_atomically(archive.with_suffix(".sha256"), f"{digest}  {archive.name}\n")
    return digest


def main() -> None:
    """Render the three splits and write the archive with its hash."""
    parser = argparse.ArgumentParser(description=__doc__)
    assets = Path(__file__).resolve().parents[1] / "assets"
    parser.add_argument("--output", type=Path, default=assets / "affectfaces.zip")
    parser.add_argument("--directory", type=Path, default=Path("affectfaces"))
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    for split in SPLITS:
        render_dataset(arguments.directory, SHARD_COUNTS[split], SHARD_SEED, SHARD_SIZE,
                       split=split, workers=arguments.workers)  # fmt: skip
    print(pack(arguments.directory, arguments.output))


if __name__ == "__main__":
    main()
