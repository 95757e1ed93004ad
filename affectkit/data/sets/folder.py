"""A folder of images: with a `labels.csv`, or with one sub-folder an expression."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from affectkit.data.image_files import (
    BROKEN,
    FOLLOW,
    LINK,
    NO_TEXT,
    Listing,
    check_image_files,
    is_clutter,
    list_folder,
    picture_kind,
    relative_names,
)
from affectkit.data.label_files import LINE, read_label_csv
from affectkit.data.row_checks import (
    RowChecks,
    check_numbers,
    expression_or_nothing,
    slice_values,
)
from affectkit.data.skipped import SkippedRows
from affectkit.data.table import BOX_COLUMNS, SOFT_LABEL_COLUMNS, SPLITS
from affectkit.files.kinds import FileKind
from affectkit.labels import EXPRESSIONS, expression_code, label_number, label_order

LABEL_COLUMNS = ("file", "expression", "valence", "arousal", "subject", "split", *BOX_COLUMNS)
LAYOUT = (
    "labels.csv with the columns file,expression[,valence,arousal,subject,split,face_x,face_y,"
    "face_width,face_height, and any others to slice by], or sub-folders named by expression "
    f"({', '.join(EXPRESSIONS)} or codes 0..7; of other numbers --labels gives the order), perhaps "
    "below train/, validation/ and test/; a folder in between is the subject"
)
_SPLIT_NAMES = {
    **dict.fromkeys(("train", "training", "trn"), "train"),
    **dict.fromkeys(("validation", "validate", "valid", "val", "dev", "devel"), "validation"),
    **dict.fromkeys(("development", "publictest"), "validation"),
    **dict.fromkeys(("test", "testing", "tst", "privatetest"), "test"),
    **dict.fromkeys(("eval", "evaluation"), "eval"),
}
"""What people call splits, without blanks, dashes and a "set" at the end. "eval" is the one of
validation and test that is not there."""
_RESERVED = frozenset({"image_id", "path", "row", "image", "derived_valence_arousal",
                       *SOFT_LABEL_COLUMNS})  # fmt: skip


def load_folder(
    root: str | Path, skipped: SkippedRows, labels: str = "", follow_links: bool = False
) -> pd.DataFrame:
    """Load a folder of labelled images; no image is read.

    Expressions are names, or numbers: AffectNet's codes 0..7, or those of `labels`, a key of
    `affectkit.labels.LABEL_ORDERS`. A row must have an expression, or valence and arousal. `split`
    is "" throughout if the folder gives none, see `affectkit.data.datasets`. Links that leave the
    root are followed if `follow_links`.
    """
    root, order = Path(root), labels or None
    label_order(labels or "affectnet")
    file = find_labels(root)
    if file is not None:
        return _read_labels(root, file, skipped, order, follow_links)
    return _read_tree(root, skipped, order, follow_links)


def find_labels(root: Path) -> Path | None:
    """Find a folder's labels.csv, in capitals or not."""
    if (root / "labels.csv").is_file():
        return root / "labels.csv"
    named = (path for path in sorted(root.iterdir()) if path.name.lower() == "labels.csv")
    return next((path for path in named if path.is_file()), None)


def split_name(text: str) -> str | None:
    """Give the split that a name means: train, validation, test or eval; None if it is none."""
    return _SPLIT_NAMES.get(re.sub(r"[\s_-]", "", text.lower()).removesuffix("set"))


def _read_labels(
    root: Path, file: Path, skipped: SkippedRows, order: str | None, follow_links: bool
) -> pd.DataFrame:
    frame = read_label_csv(file, ["file", "expression"], skipped, documented=LABEL_COLUMNS)
    checks = RowChecks(file, frame, skipped)
    names = relative_names(frame.pop("file"), root)
    frame["expression"] = frame["expression"].str.strip()
    check_numbers(pd.unique(frame["expression"]), order, file)
    checks.expression("expression", partial(expression_or_nothing, order=order or "affectnet"))
    columns: dict[str, object] = {"split": ""}
    if {"valence", "arousal"} & set(frame):
        for name in {"valence", "arousal"} - set(frame):
            frame[name] = ""
        checks.valence_arousal()
    missing = np.full(len(frame), np.nan)
    pair = [checks.values.get(name, missing) for name in ("valence", "arousal")]
    unlabelled = checks.values["expression"].isna().to_numpy() & np.isnan(pair).any(axis=0)
    checks.reject(
        unlabelled,
        lambda row: "there is neither an expression nor valence and arousal",
        "label the image or remove its row",
    )
    if "split" in frame:
        columns["split"] = _read_splits(checks)
        del frame["split"]
    paths = check_image_files(checks, names, root, follow_links)
    checks.unique(names, paths)
    _read_boxes(checks, paths)
    if "subject" in frame:
        subject = frame.pop("subject").str.strip()
        columns["subject"] = subject.where(subject != "", None)
    for name in frame.columns:
        if name not in {LINE, *BOX_COLUMNS, *_RESERVED}:
            columns[name] = slice_values(frame[name])
    return checks.table(image_id=names, path=paths, **columns)


def _read_boxes(checks: RowChecks, paths: pd.Series) -> None:
    there = [name for name in BOX_COLUMNS if name in checks.frame]
    if len(there) == len(BOX_COLUMNS):
        checks.boxes(paths)
    elif there:
        warnings.warn(
            f"{checks.file} has {', '.join(there)} of {', '.join(BOX_COLUMNS)}; without all four "
            "there are no face boxes, and whole images are taken as faces",
            UserWarning,
            stacklevel=2,
        )


def _read_splits(checks: RowChecks) -> pd.Series:
    text = checks.frame["split"].str.strip().str.lower()
    if (text == "").all():
        return text
    splits = {name: split for name in pd.unique(text) if (split := split_name(name))}
    _settle_eval(splits, checks.file)
    found = text.map(splits)
    checks.reject(
        found.isna().to_numpy(),
        lambda row: f"split {text.iloc[row][:40]!r} is not one of {', '.join(SPLITS)}",
        "write one of these in every row, or drop the column",
    )
    return found


def _settle_eval(splits: dict[str, str], place: Path) -> None:
    """Give those named eval the split that is not there, test before validation, and say so."""
    if "eval" not in splits.values():
        return
    meant = next((split for split in ("test", "validation") if split not in splits.values()), "")
    for name in [name for name, split in splits.items() if split == "eval"]:
        if not meant:
            del splits[name]  # it is named as left out
            continue
        splits[name] = meant
        warnings.warn(
            f"{place}: the split {name!r} is read as {meant}; rename it if it is another",
            UserWarning,
            stacklevel=4,
        )


@dataclass
class _Walk:
    """Reads the folders below a root once each, and keeps what is in them.

    `rows` are (path, folder's expression, split, subject) of each picture. Whatever else is there
    goes to `skipped`.
    """

    root: Path
    skipped: SkippedRows
    order: str
    follow_links: bool
    rows: list[tuple[str, str, str, str | None]] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)
    kinds: dict[str, FileKind] = field(default_factory=dict)

    def list(self, folder: str) -> Listing:
        return list_folder(self.root, folder, self.follow_links)

    def leave_out(self, name: str, reason: str, remedy: str) -> None:
        self.skipped.add(self.root / name, "", reason, remedy)

    def is_expression(self, name: str) -> bool:
        try:
            expression_code(name, self.order)
        except ValueError:
            return False
        return True

    def note_unread(self, folder: str, listing: Listing) -> None:
        """Name links and names that are not read, in a folder ("" or with a / at its end)."""
        for name in sorted(listing.links):
            self.leave_out(folder + name, LINK, FOLLOW)
        for name in sorted(listing.broken):
            self.leave_out(folder + name, BROKEN, "restore what it leads to, or remove it")
        for name in sorted(listing.undecodable):
            self.leave_out(folder + name, *NO_TEXT)

    def pictures(self, folder: str, files: Iterable[str], quiet: bool = False) -> list[str]:
        """Give the names of pictures; other files are named as left out, unless `quiet`."""
        found = []
        for name in sorted(files):
            if is_clutter(name):
                continue
            kind = picture_kind(f"{self.root}/{folder}{name}")
            if kind is None or (kind.role == "picture" and not kind.remedy):
                found.append(name)
            elif not quiet:
                suffix = Path(name).suffix.lower() or "without a suffix"
                remedy = kind.remedy or "no picture"
                self.leave_out(folder + name, suffix, remedy)
        return found

    def leave_out_below(self, folder: str, reason: str, remedy: str) -> None:
        """Name all pictures in a folder and below, or the folder itself if there is none."""
        before = len(self.skipped)
        waiting = [folder]
        while waiting:
            place = waiting.pop()
            listing = self._enter(place)
            if listing is None:
                continue
            self.note_unread(place, listing)
            for name in self.pictures(place, listing.files, quiet=True):
                self.leave_out(place + name, reason, remedy)
            waiting += [f"{place}{name}/" for name in listing.folders if not is_clutter(name)]
        if len(self.skipped) == before:
            self.leave_out(folder, reason, remedy)

    def read_expression(self, folder: str, label: str, split: str, between: tuple = ()) -> None:
        """Read the pictures of a folder that an expression names, and of those deeper in it."""
        listing = self._enter(folder)
        if listing is None:
            return
        self.note_unread(folder, listing)
        subject = between[0] if len(between) == 1 else None
        self.rows += [
            (folder + name, label, split, subject) for name in self.pictures(folder, listing.files)
        ]
        for name in sorted(listing.folders):
            below = f"{folder}{name}/"
            if is_clutter(name):
                continue
            if label_number(name) is None and self.is_expression(name):
                self.leave_out_below(
                    below, f"in {below}, which names two expressions", "rename one of the folders"
                )
            elif not split and not between and split_name(name):
                self.read_expression(below, label, name)
            else:
                self.read_expression(below, label, split, (*between, name))

    def _enter(self, folder: str) -> Listing | None:
        """List a folder; None if it was listed before, under another name or by a link."""
        real = os.path.realpath(self.root / folder)
        if real in self.seen:
            self.leave_out(folder, "read already under another name", "remove the link")
            return None
        self.seen.add(real)
        return self.list(folder)


def _read_tree(
    root: Path, skipped: SkippedRows, order: str | None, follow_links: bool
) -> pd.DataFrame:
    walk = _Walk(root, skipped, order or "affectnet", follow_links)
    labelled, others = [], []  # folder, expression, split; folder
    for folder, split in [("", ""), *((f"{name}/", name) for name in _split_folders(walk))]:
        listing = walk.list(folder)
        walk.seen.add(os.path.realpath(root / folder))
        for name in sorted(listing.folders):
            if walk.is_expression(name):
                labelled.append((f"{folder}{name}/", name, split))
            elif not is_clutter(name) and (folder or not split_name(name)):
                others.append(f"{folder}{name}/")
    if not labelled:
        _refuse(root, walk.list(""))
    for folder in ("", *(f"{name}/" for name in _split_folders(walk))):
        listing = walk.list(folder)
        walk.note_unread(folder, listing)
        for name in walk.pictures(folder, listing.files, quiet=True):
            walk.leave_out(folder + name, "beside the folders that are named by expression",
                           "move it into one of them")  # fmt: skip
    for folder, label, split in labelled:
        walk.read_expression(folder, label, split)
    for folder in others:
        walk.leave_out_below(
            folder,
            f"in {folder}, which names neither an expression nor a split",
            "rename the folder: an expression, or train, validation or test",
        )
    return _tree_table(walk, order, [Path(folder).name for folder in others])


def _split_folders(walk: _Walk) -> list[str]:
    return [name for name in sorted(walk.list("").folders) if split_name(name)]


def _refuse(root: Path, listing: Listing) -> None:
    found = ", ".join(sorted(path.name for path in root.iterdir())[:8]) or "nothing"
    linked = f" ({', '.join(sorted(listing.links)[:8])}: {LINK}; {FOLLOW})" if listing.links else ""
    raise FileNotFoundError(f"expected {LAYOUT} in {root}; found {found}{linked}")


def _tree_table(walk: _Walk, order: str | None, others: list[str]) -> pd.DataFrame:
    columns = ["image_id", "expression", "split", "subject"]
    table = pd.DataFrame(walk.rows, columns=columns).astype({"image_id": "str", "split": "str"})
    used = list(dict.fromkeys(table["expression"]))
    if any(label_number(name) is not None for name in used):  # then 0 and 8 are of the same order
        used_or_not = [*used, *(name for name in others if name in ("0", "8"))]
        check_numbers(used_or_not, order, walk.root)
    codes = {name: expression_code(name, walk.order) for name in used}
    table["expression"] = table["expression"].map(codes).astype("Int64")
    splits = {name: split for name in pd.unique(table["split"]) if (split := split_name(name))}
    _settle_eval(splits, walk.root)
    if splits:
        placed = table["split"].isin(list(splits))
        for name in table.loc[~placed, "image_id"]:
            top = name.partition("/")[0]
            walk.leave_out(
                name, f"in {top}/, in no split while others are", "move it below train/, "
                "validation/ or test/",
            )  # fmt: skip
        table = table[placed].reset_index(drop=True)
        table["split"] = table["split"].map(splits)
    if table["subject"].isna().all():
        del table["subject"]
    table["path"] = f"{walk.root}{os.sep}" + table["image_id"]
    return table
