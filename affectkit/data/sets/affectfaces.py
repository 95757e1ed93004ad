"""The bundled synthetic faces: unpacked once into the user's cache, then read like AffectNet."""

from __future__ import annotations

import os
import re
import shutil
import stat
import zipfile
from importlib.resources import files
from pathlib import Path

import pandas as pd

from affectkit.data.image_files import unsafe
from affectkit.data.label_files import LINE, read_label_csv
from affectkit.data.row_checks import slice_values
from affectkit.data.sets.affectnet import NAME_COLUMN, find_label_file, read_original
from affectkit.data.skipped import SkippedRows
from affectkit.data.table import STANDARD_COLUMNS
from affectkit.files.arrays import DAMAGED, FREE_BYTES, MOST_COMPRESSED
from affectkit.files.atomic import atomic_path, remove_partials
from affectkit.labels import NO_FACE

LAYOUT = (
    "training.csv, validation.csv or test.csv, extras.csv and Manually_Annotated_Images/, as "
    "`affectkit faces render` writes them"
)
SPLIT_FILES = {"training.csv": "train", "validation.csv": "validation", "test.csv": "test"}


def load_affectfaces(
    root: str | Path | None, skipped: SkippedRows, follow_links: bool = False
) -> pd.DataFrame:
    """Load the bundled faces, or a rendered folder of the same form.

    Further columns come from extras.csv: `gender`, `age`, `skin_tone`, `yaw` ... to slice by,
    `expression_clean` (what was rendered, before the simulated annotator erred) and
    `expression_second` (a second annotator) as codes.
    """
    root = bundled_faces() if root is None else Path(root)
    if not any(find_label_file(root, name) for name in SPLIT_FILES):
        found = ", ".join(sorted(path.name for path in root.iterdir())[:8]) or "nothing"
        raise FileNotFoundError(f"expected {LAYOUT} in {root}; found {found}")
    table = read_original(root, skipped, SPLIT_FILES, follow_links=follow_links)
    return table.join(_read_extras(root / "extras.csv", skipped), on="image_id")


def _read_extras(file: Path, skipped: SkippedRows) -> pd.DataFrame:
    extras = read_label_csv(file, [NAME_COLUMN, "subject"], skipped)
    if taken := sorted(({*STANDARD_COLUMNS, "image"} - {"subject", "split"}) & set(extras)):
        raise ValueError(
            f"{file} line 1: the column {', '.join(taken)} belongs into the label files; rename it"
        )
    extras = extras.drop(columns=[LINE, "split"], errors="ignore").drop_duplicates(NAME_COLUMN)
    extras = extras.set_index(NAME_COLUMN).apply(slice_values)
    extras["subject"] = extras["subject"].astype("str")
    for name in {"expression_clean", "expression_second"} & set(extras):
        codes = pd.to_numeric(extras[name], errors="coerce").astype(float)
        if not (codes.isin(range(NO_FACE + 1)) == extras[name].notna()).all():
            raise ValueError(f"{file}: expected AffectNet's codes 0..{NO_FACE} in column {name}")
        extras[name] = codes.astype("Int64")
    return extras


def bundled_faces() -> Path:
    """Unpack the bundled archive into the user's cache, unless it is there, and give the folder.

    The cache is the environment variable AFFECTKIT_CACHE, or the system's folder for caches. The
    archive is unpacked beside its place and moved there whole, so that neither an interruption nor
    a second process at the same time leaves half a data set.
    """
    assets = Path(str(files("affectkit"))) / "assets"
    cache = os.environ.get("AFFECTKIT_CACHE")
    if not cache:
        import pooch

        cache = pooch.os_cache("affectkit")
    return unpack(assets / "affectfaces.zip", Path(cache).expanduser())


def unpack(archive: Path, cache: Path) -> Path:
    """Unpack a zip, its SHA-256 in a .sha256 file beside it, into a folder named by its hash."""
    import pooch

    hash_file = archive.with_suffix(".sha256")
    if not archive.is_file() or not hash_file.is_file():
        raise FileNotFoundError(
            f"expected the bundled faces at {archive} with {hash_file.name}; reinstall affectkit, "
            "or name a folder rendered by `affectkit faces render` as root"
        )
    expected = hash_file.read_text("utf-8", "replace")[:64].lower()
    if not re.fullmatch("[0-9a-f]{64}", expected):
        raise ValueError(f"{hash_file} does not begin with a SHA-256; reinstall affectkit")
    target = cache / f"{archive.stem}-{expected[:16]}"
    if _is_complete(target, archive):
        return target
    shutil.rmtree(target, ignore_errors=True)  # damaged since: it was moved there whole
    found = pooch.file_hash(str(archive), alg="sha256")
    if found != expected:
        raise ValueError(
            f"{archive} is damaged: expected SHA-256 {expected}, got {found}; reinstall affectkit"
        )
    cache.mkdir(parents=True, exist_ok=True)
    remove_partials(cache)
    try:
        with atomic_path(target) as partial:
            _extract(archive, partial)
    except OSError:
        if not _is_complete(target, archive):  # else another process was first
            raise
    return target


def _is_complete(folder: Path, archive: Path) -> bool:
    """Tell whether every file of a zip is in a folder, in its full size."""
    if not folder.is_dir():
        return False
    try:
        with zipfile.ZipFile(archive) as source:
            members = [member for member in source.infolist() if not member.is_dir()]
            return all((folder / m.filename).stat().st_size == m.file_size for m in members)
    except OSError:
        return False
    except DAMAGED as error:
        raise ValueError(f"{archive} is damaged ({error}); reinstall affectkit") from None


def _extract(archive: Path, folder: Path) -> None:
    from tqdm.auto import tqdm

    try:
        with zipfile.ZipFile(archive) as source:
            members = source.infolist()
            _check_members(members, archive)
            for member in tqdm(members, desc=f"unpacking {archive.stem}", unit="file", leave=False):
                source.extract(member, folder)
    except (FileNotFoundError, PermissionError):
        raise
    except OSError as error:
        raise OSError(error.errno, f"{archive} can't be unpacked: {error.strerror}") from error
    except DAMAGED as error:
        raise ValueError(f"{archive} can't be unpacked ({error}); reinstall affectkit") from error


def _check_members(members: list[zipfile.ZipInfo], archive: Path) -> None:
    """Refuse members that are no plain files inside the folder, or far larger than packed."""
    names = [member.filename.rstrip("/") for member in members]
    repeated = len(set(names)) < len(names)
    odd = unsafe(pd.Series(names, dtype=object)).any() or any("\\" in name for name in names)
    linked = any(stat.S_ISLNK(member.external_attr >> 16) for member in members)
    if repeated or odd or linked:
        raise ValueError("it has links, two members of one name, or paths that leave the folder")
    total = sum(member.file_size for member in members)
    if total > max(FREE_BYTES, MOST_COMPRESSED * archive.stat().st_size):
        raise ValueError(f"it would unpack to {total} bytes")
