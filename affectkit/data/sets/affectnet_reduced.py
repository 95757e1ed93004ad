"""AffectNet's reduced release (2021): one image and a few tiny .npy files a face."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from itertools import chain, islice
from pathlib import Path

import numpy as np
import pandas as pd

from affectkit.data.image_files import (
    FOLLOW,
    LINK,
    NO_TEXT,
    check_not_linked,
    is_clutter,
    list_folder,
)
from affectkit.data.label_files import LINE
from affectkit.data.row_checks import RowChecks, affectnet_code
from affectkit.data.skipped import SkippedRows
from affectkit.files.arrays import check_text, header_place, parse_header

SPLIT_FOLDERS = {"train_set": "train", "val_set": "test"}
_VALUES = {"exp": "expression", "val": "valence", "aro": "arousal"}
_THREADS = 8
_WAITING = 4096
"""Names that are handed to the threads at a time: each that waits for its turn takes a kB."""


def is_reduced_layout(root: Path) -> bool:
    """Tell whether a folder holds `train_set/annotations` or `val_set/annotations`."""
    return any((root / name / "annotations").is_dir() for name in SPLIT_FOLDERS)


def read_reduced(root: Path, skipped: SkippedRows, follow_links: bool = False) -> pd.DataFrame:
    """Read the annotations of the reduced release; its images are crops, so there are no boxes."""
    note_absent_annotations(root, SPLIT_FOLDERS, skipped)
    parts = [
        _read_part(root, folder, split, skipped, follow_links)
        for folder, split in SPLIT_FOLDERS.items()
        if (root / folder / "annotations").is_dir()
    ]
    return pd.concat(parts, ignore_index=True)


def note_absent_annotations(root: Path, folders: Iterable[str], skipped: SkippedRows) -> None:
    """Refuse (ValueError) a split whose annotations/ is no folder, and name one that lacks it."""
    for folder in folders:
        annotations = root / folder / "annotations"
        if os.path.lexists(annotations) and not annotations.is_dir():
            raise ValueError(
                f"expected a folder at {annotations}, found a file or a link that leads nowhere; "
                "restore the link or the folder, or move its split away"
            )
        if (root / folder).is_dir() and not annotations.is_dir():
            skipped.add(root / folder, "", "split without annotations", "restore annotations/")


def read_scalar(path: Path) -> str:
    """Read a .npy file of one number or one string, as text; never unpickles.

    Headers repeat, so parsing is cached: this is several times faster than numpy.load. A ValueError
    if the file is missing or holds anything else.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ValueError(f"{path.name} can't be read ({error.strerror})") from None
    try:
        first, end = header_place(content[:12], path.name)
        if len(content) < end:
            raise ValueError(f"{path.name} is not a .npy file")
        dtype, _, shape = parse_header(content[first:end])
        if dtype.kind == "b" or math.prod(shape) != 1 or len(content) != end + dtype.itemsize:
            raise ValueError(f"{path.name} does not hold one number or one string")
        value = check_text(np.frombuffer(content, dtype, 1, end))[0]
        text = value.decode("latin-1") if isinstance(value, bytes) else str(value)
    except ValueError as error:
        reason = str(error)
        raise ValueError(reason if path.name in reason else f"{path.name}: {reason}") from None
    return text


def read_all(
    read: Callable[[str], object], names: Iterable[str], description: str
) -> tuple[list[object], dict[int, str]]:
    """Read many small files in threads, with a progress bar.

    Gives the value of each name, None where `read` raised ValueError, and its messages by position.
    """
    from tqdm.auto import tqdm

    names, problems = list(names), {}

    def guarded(item: tuple[int, str]) -> object:
        try:
            return read(item[1])
        except ValueError as error:
            problems[item[0]] = str(error)
            return None

    with ThreadPoolExecutor(_THREADS) as pool:
        waiting = iter(enumerate(names))
        chunks = iter(lambda: list(islice(waiting, _WAITING)), [])
        results = chain.from_iterable(pool.map(guarded, chunk) for chunk in chunks)
        bar = tqdm(results, description, len(names), unit="face", leave=False, mininterval=0.5)
        return list(bar), problems


def paired_names(
    root: Path, folder: str, suffix: str, skipped: SkippedRows, follow_links: bool
) -> tuple[list[str], dict[str, str]]:
    """Pair annotations (NUMBER + suffix) with images; what has no partner is skipped.

    Gives the numbers in order, and the image file name of each. Of the two folders neither may be a
    link out of the root, unless such are followed.
    """
    places = f"{folder}/images", f"{folder}/annotations"
    check_not_linked(root, *places, follow_links=follow_links)
    image_files, annotations = (list_folder(root, place, follow_links) for place in places)
    linked = {Path(name).stem for name in image_files.links}
    linked |= {name.removesuffix(suffix) for name in annotations.links if name.endswith(suffix)}
    for name in sorted(linked):
        skipped.add(root / folder, name, LINK, FOLLOW)
    for name in sorted(image_files.undecodable):
        skipped.add(root / places[0] / name, "", *NO_TEXT)
    images = {Path(name).stem: name for name in sorted(image_files.files) if not is_clutter(name)}
    images = {stem: name for stem, name in images.items() if stem not in linked}
    labelled = {
        name.removesuffix(suffix)
        for name in annotations.files
        if name.endswith(suffix) and not is_clutter(name)
    } - linked
    for name in sorted(labelled - set(images)):
        skipped.add(root / folder, name, "has an annotation but no image", "restore the image")
    for name in sorted(set(images) - labelled):
        skipped.add(root / folder, name, "has an image but no annotation", "restore its annotation")
    paired = sorted(labelled & set(images), key=lambda name: (len(name), name))
    return paired, images


def _read_part(
    root: Path, folder: str, split: str, skipped: SkippedRows, follow_links: bool
) -> pd.DataFrame:
    numbers, images = paired_names(root, folder, "_exp.npy", skipped, follow_links)
    base = root / folder / "annotations"

    def read(number: str) -> list[str]:
        return [read_scalar(base / f"{number}_{name}.npy") for name in _VALUES]

    rows, problems = read_all(read, numbers, f"reading {folder}")
    frame = pd.DataFrame(index=range(len(rows)))
    for position, name in enumerate(_VALUES.values()):
        values = [row[position] if row else "" for row in rows]
        frame[name] = pd.Series(values, dtype="str")
    del rows
    frame[LINE] = numbers
    checks = RowChecks(base, frame, skipped)
    bad = np.isin(np.arange(len(frame)), list(problems))
    checks.reject(bad, problems.__getitem__, "restore the file from the release")
    checks.expression("expression", affectnet_code)
    checks.valence_arousal()
    ids = f"{folder}/images/" + pd.Series([images[number] for number in numbers], dtype="str")
    return checks.table(image_id=ids, path=str(root) + "/" + ids, split=split)
