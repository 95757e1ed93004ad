"""Count a table: rows, valence and arousal by split and expression."""

from __future__ import annotations

import pandas as pd

from affectkit.data.table import SPLITS
from affectkit.labels import EXPRESSIONS, NON_EXPRESSIONS


def dataset_overview(table: pd.DataFrame) -> pd.DataFrame:
    """Count rows and average valence and arousal, by split and expression.

    Parameters
    ----------
    table : pandas.DataFrame
        As in `affectkit.data.table`.

    Returns
    -------
    pandas.DataFrame
        A row a split and expression (and one "all" a split): split, expression (name), rows,
        share (of the split's rows), valence, arousal (means, NaN if not annotated), subjects
        (0 if not known).
    """
    names = dict(enumerate(EXPRESSIONS)) | NON_EXPRESSIONS | {-1: "not annotated"}
    rows = []
    for split in SPLITS:
        part = table[table["split"] == split]
        if part.empty:
            continue
        groups = list(part.groupby(part["expression"].fillna(-1).astype(int)))
        for name, group in [*((names[code], group) for code, group in groups), ("all", part)]:
            rows.append(
                {
                    "split": split,
                    "expression": name,
                    "rows": len(group),
                    "share": len(group) / len(part),
                    "valence": group["valence"].mean(),
                    "arousal": group["arousal"].mean(),
                    "subjects": group["subject"].nunique(),
                }
            )
    return pd.DataFrame(rows)
