"""The rows that the networks which ship with the package learn from: FER+ and AffectFaces."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from affectkit.data.datasets import load_splits, load_table
from affectkit.data.splitting import limit_rows
from affectkit.data.table import SOFT_LABEL_COLUMNS, STANDARD_COLUMNS
from affectkit.labels import UNCERTAIN

DRAWN_ROWS = 4000
"""So many of AffectFaces' training faces join FER+'s 24,000: enough to learn valence from."""

RAISE_BOX = 0.055
"""AffectFaces' boxes are moved up by this share of their side: FER2013 cuts its faces like that.

By YuNet, the median height of the eyes is 0.39 of the side there and 0.32 in a box of AffectFaces.
"""

HELD_OUT = 0.05
"""Share of FER+'s training rows that temperatures are fitted on."""


def mixed_splits(
    root: str | Path | None, seed: int = 0, limit: int | None = None
) -> dict[str, pd.DataFrame]:
    """Give FER+'s training rows, a twentieth of them held out, and some of AffectFaces'.

    Without `root`, FER+'s folder, AffectFaces alone. `limit` rows of each split at most, and a
    sixth as many of AffectFaces. Gives train, validation and "test": rows that must not be trained
    on, nor copies of them. AffectFaces' expressions are the clean ones.
    """
    drawn = load_splits("affectfaces", limit=limit, seed=seed)
    for table in drawn.values():
        table["expression"] = table["expression_clean"].astype("Int64")
        side = table[["face_width", "face_height"]].max(axis=1)
        table["face_y"] -= RAISE_BOX * side
    if root is None:
        return drawn
    photographs = load_splits("ferplus", root, limit=limit, seed=seed, validation_fraction=HELD_OUT)
    drawn["train"] = limit_rows(
        drawn["train"], DRAWN_ROWS if limit is None else max(8, min(DRAWN_ROWS, limit // 6)), seed
    )
    columns = [*STANDARD_COLUMNS, *(["image"] if "image" in photographs["train"] else [])]
    train = pd.concat([photographs["train"], drawn["train"]], ignore_index=True)
    train = train.reindex(columns=columns)
    train.attrs = {"dataset": "ferplus+affectfaces", "protocol": "ferplus-majority"}
    return {**photographs, "train": train}


def drop_copies(
    table: pd.DataFrame, faces: np.ndarray, others: np.ndarray
) -> tuple[pd.DataFrame, np.ndarray]:
    """Leave out the rows and faces whose pixels are those of one of the other faces.

    Faces are uint8 (n, size, size, 3). FER2013 holds the same picture more than once, also across
    its splits.
    """
    known = {face.tobytes() for face in others}
    keep = np.array([face.tobytes() not in known for face in faces])
    kept = table[keep].reset_index(drop=True)
    kept.attrs = dict(table.attrs)
    return kept, faces[keep]


def undecided_rows(root: str | Path, limit: int | None = None, seed: int = 0) -> pd.DataFrame:
    """Give FER+'s Training faces whose raters gave none of the eight expressions a majority.

    Their votes are soft labels as good as any other's; the protocol of the published accuracies
    leaves them out of testing only because they have no right answer. Expression 9, split "train";
    faces that most raters could not name at all are not among them.
    """
    table = load_table("ferplus", root, "all", "all")
    table = table[table["split"] != "test"].assign(split="train")
    votes = table[list(SOFT_LABEL_COLUMNS)].notna().all(axis=1)
    rows = (table["expression"] == UNCERTAIN) & votes & (table["agreement"] <= 0.5)
    kept = table[rows].reset_index(drop=True)
    kept.attrs = {"dataset": "ferplus", "protocol": "all"}
    return kept if limit is None else limit_rows(kept, limit, seed)
