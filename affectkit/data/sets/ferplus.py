"""FER+ (Barsoum et al., 2016, doi:10.1145/2993148.2993165): ten raters' votes on FER2013's faces.

Three layouts are read, told apart by what the folder holds:

1. `train.npz`, `valid.npz` and `test.npz`, or some of them, each with `images` (uint8,
   N x 48 x 48), `votes` (N x 10, order of `affectkit.labels.FERPLUS_VOTE_COLUMNS`) and `names`;
2. Microsoft's `fer2013new.csv` beside `FER2013Train/`, `FER2013Valid/`, `FER2013Test/` with .png
   files (also below `data/`);
3. `fer2013new.csv` beside FER2013's own `fer2013.csv`, joined row by row.

The expression follows the "majority" mode of Microsoft's code (github.com/microsoft/FERPlus,
src/ferplus.py), which the published accuracies rest on: single votes are removed as outliers, then
the category with more than half of the votes left wins. So a tie never wins; such a row is
"uncertain" (9), as is one whose majority is "unknown"; a majority of "not a face" gives 10.
The soft label is the share of each expression among all votes for the eight expressions.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from affectkit.data.image_files import check_image_files, check_not_linked
from affectkit.data.images import FER2013_COLUMNS
from affectkit.data.label_files import LINE, read_label_csv
from affectkit.data.row_checks import RowChecks
from affectkit.data.skipped import SkippedRows
from affectkit.data.table import SOFT_LABEL_COLUMNS, expected_valence_arousal
from affectkit.files.arrays import ArrayArchive
from affectkit.labels import (
    EXPRESSIONS,
    FERPLUS_TO_AFFECTNET,
    FERPLUS_VOTE_COLUMNS,
    NO_FACE,
    UNCERTAIN,
)

LAYOUT = (
    "train.npz, valid.npz or test.npz (with images, votes, names), or Microsoft's fer2013new.csv "
    "with FER2013Train/ FER2013Valid/ FER2013Test/ or fer2013.csv beside it"
)
_NPZ_SPLITS = {"train": "train", "valid": "validation", "test": "test"}
_USAGE_SPLITS = {"Training": "train", "PublicTest": "validation", "PrivateTest": "test"}
_USAGE_FOLDERS = {
    "Training": "FER2013Train",
    "PublicTest": "FER2013Valid",
    "PrivateTest": "FER2013Test",
}


def load_ferplus(
    root: str | Path, skipped: SkippedRows, follow_links: bool = False
) -> pd.DataFrame:
    """Load every rated row of FER+ from a folder in one of the layouts above; no image is decoded.

    `agreement` is the share of the largest category among all ten votes. Valence and arousal are
    derived: the mean of AffectNet's class means, weighted by the soft label. Without a PrivateTest
    split ("test") the PublicTest one takes its place, and no row is in "validation":
    `affectkit.data.datasets` then holds some training rows out.
    """
    root = Path(root)
    if any((root / f"{name}.npz").is_file() for name in _NPZ_SPLITS):
        parts = [
            _read_npz(path, split, skipped)
            for name, split in _NPZ_SPLITS.items()
            if (path := root / f"{name}.npz").is_file()
        ]
        table = pd.concat(parts, ignore_index=True)
    elif (root / "fer2013new.csv").is_file():
        table = _read_csv(root, skipped, follow_links)
    else:
        found = ", ".join(sorted(path.name for path in root.iterdir())[:8]) or "nothing"
        raise FileNotFoundError(f"expected {LAYOUT} in {root}, found {found}")
    if not (table["split"] == "test").any():
        table["split"] = table["split"].replace({"validation": "test"})
    return table


def _read_npz(path: Path, split: str, skipped: SkippedRows) -> pd.DataFrame:
    """Read votes and names of an .npz; of the images only the header, which tells their number."""
    what = (
        "a FER+ archive; expected an .npz with images (N, 48, 48), votes (N, 10) and names (N,). "
        "Restore the file"
    )
    with ArrayArchive(path, what) as archive:
        archive.require("images", "votes", "names")
        votes, names = archive.read("votes"), archive.read("names").astype(str)
        _, _, shape = archive.header("images")
        if names.ndim != 1 or len(shape) < 3:
            raise ValueError(f"names of shape {names.shape}, images of shape {shape}")
    if votes.dtype.kind not in "biuf":
        raise ValueError(f"{path}: expected votes in numbers, got {votes.dtype}")
    if votes.ndim != 2 or votes.shape[1] != len(FERPLUS_VOTE_COLUMNS):
        raise ValueError(f"{path}: expected votes of shape (N, 10), got {votes.shape}")
    if not len(votes) == len(names) == shape[0]:
        raise ValueError(
            f"{path}: expected as many images as votes and names, got {shape[0]}, {len(votes)} "
            f"and {len(names)}. Restore the file"
        )
    frame = pd.DataFrame({LINE: np.arange(len(names))})
    checks = RowChecks(path, frame, skipped)
    _check_votes(checks, votes)
    checks.unique(pd.Series(names))
    rows = np.arange(len(names))
    columns = {"image_id": names, "path": str(path), "row": rows, "split": split}
    return checks.table(**columns, **vote_columns(votes))


def _check_votes(checks: RowChecks, votes: np.ndarray) -> None:
    totals = np.asarray(votes, float)
    bad = ~np.isfinite(totals).all(axis=1) | (totals < 0).any(axis=1) | (totals.sum(axis=1) <= 0)
    checks.reject(
        bad,
        lambda row: f"the votes {votes[row].tolist()} are not counts of at least one rater",
        "restore the row from the FER+ release",
    )


def _read_csv(root: Path, skipped: SkippedRows, follow_links: bool) -> pd.DataFrame:
    file = root / "fer2013new.csv"
    frame = read_label_csv(file, ["Usage", "Image name", *FERPLUS_VOTE_COLUMNS], skipped)
    checks = RowChecks(file, frame, skipped)
    usage = frame["Usage"].str.strip()
    checks.reject(
        ~usage.isin(_USAGE_SPLITS).to_numpy(),
        lambda row: f"Usage {usage.iloc[row]!r} is not one of {', '.join(_USAGE_SPLITS)}",
        "restore the row from the FER+ release",
    )
    votes = np.stack([checks.numbers(name) for name in FERPLUS_VOTE_COLUMNS], axis=1)
    names = frame["Image name"].str.strip()
    # Microsoft left the name empty where every rater saw no face.
    unnamed = (names == "").to_numpy()
    votes = np.where(np.isnan(votes), 0, votes)
    _check_votes(checks, votes)
    columns = {"split": usage.map(_USAGE_SPLITS), **vote_columns(votes)}
    base = next((base for base in (root, root / "data") if (base / "FER2013Train").is_dir()), None)
    if base is not None:
        checks.good &= ~unnamed
        folders = usage.map(_USAGE_FOLDERS).fillna("")
        present = folders.isin([name for name in _USAGE_FOLDERS.values() if (base / name).is_dir()])
        checks.good &= present.to_numpy()
        relative = folders + "/" + names
        parts = [name for name in _USAGE_FOLDERS.values() if (base / name).is_dir()]
        check_not_linked(root, *(base.relative_to(root) / name for name in parts),
                         follow_links=follow_links)  # fmt: skip
        paths = check_image_files(checks, relative, base, follow_links)
        checks.unique(relative, paths)
        return checks.table(image_id=relative, path=paths, **columns)
    pixels = root / "fer2013.csv"
    if not pixels.is_file():
        raise FileNotFoundError(
            f"expected FER2013Train/ (and FER2013Valid/, FER2013Test/) or fer2013.csv beside "
            f"{file}, found neither; the images come with FER2013, not with FER+"
        )
    _check_join(pixels, frame, usage, skipped)
    ids = names.where(~unnamed, [f"row{row:07d}" for row in range(len(names))])
    checks.unique(ids)
    return checks.table(image_id=ids, path=str(pixels), row=np.arange(len(frame)), **columns)


def _check_join(pixels: Path, frame: pd.DataFrame, usage: pd.Series, skipped: SkippedRows) -> None:
    """Check that both files hold the same rows in the same order (no pixel is parsed)."""
    images = read_label_csv(pixels, FER2013_COLUMNS, skipped)
    same = len(images) == len(frame) and (images["Usage"].str.strip() == usage).all()
    if not same:
        raise ValueError(
            f"{pixels} has {len(images)} rows, fer2013new.csv {len(frame)}; expected the same rows "
            "in the same order (equal Usage). Use the unchanged files of both releases"
        )


def majority_expression(votes: np.ndarray) -> np.ndarray:
    """Give the expression of Microsoft's "majority" mode.

    From counts (n, 10), order of `FERPLUS_VOTE_COLUMNS`, AffectNet's code 0..7; 9 for no majority
    or "unknown", 10 for no face.

    Examples
    --------
    >>> clear, tie = [6, 1, 1, 2, 0, 0, 0, 0, 0, 0], [5, 5, 0, 0, 0, 0, 0, 0, 0, 0]
    >>> majority_expression(np.array([clear, tie])).tolist()
    [0, 9]
    """
    counts = np.where(votes > 1, votes, 0).astype(float)
    codes = np.array([*(FERPLUS_TO_AFFECTNET[i] for i in range(8)), UNCERTAIN, NO_FACE])
    wins = counts.max(axis=1) > 0.5 * counts.sum(axis=1)
    return np.where(wins, codes[counts.argmax(axis=1)], UNCERTAIN)


def vote_columns(votes: np.ndarray) -> dict[str, np.ndarray]:
    """Give a table's labels of votes (n, 10): expression, valence, arousal, soft labels, agreement.

    Soft labels, valence and arousal are NaN where nobody voted for an expression.
    """
    votes = np.asarray(votes, float)
    soft = np.zeros((len(votes), len(EXPRESSIONS)))
    for position, code in FERPLUS_TO_AFFECTNET.items():
        soft[:, code] = votes[:, position]
    with np.errstate(invalid="ignore", divide="ignore"):
        soft /= soft.sum(axis=1, keepdims=True)
        agreement = votes.max(axis=1) / votes.sum(axis=1)
    valence, arousal = expected_valence_arousal(soft).T
    return {
        "expression": majority_expression(votes),
        "valence": valence,
        "arousal": arousal,
        **dict(zip(SOFT_LABEL_COLUMNS, soft.T, strict=True)),
        "agreement": agreement,
        "derived_valence_arousal": np.ones(len(votes), bool),
    }
