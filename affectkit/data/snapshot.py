"""Count a table by split and expression, and write the counts into a data card as Markdown."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd

from affectkit.data.table import SPLITS, slice_columns
from affectkit.labels import EXPRESSIONS, NON_EXPRESSIONS
from affectkit.version import __version__

START, END = "<!-- snapshot -->", "<!-- /snapshot -->"
MAXIMUM_GROUPS = 12
"""Slice columns of words with more values than this are not counted."""


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


def snapshot_markdown(table: pd.DataFrame) -> str:
    """Describe a table as Markdown, below a line that says how it was made.

    Rows, mean valence and arousal by split and expression, rows of every group of the slice
    columns, and percentiles of numeric ones.
    """
    overview = dataset_overview(table)
    order = list(dict.fromkeys(overview.loc[overview["expression"] != "all", "expression"]))
    columns = [*order, "all"]
    splits = list(dict.fromkeys(overview["split"]))
    cells = overview.set_index(["split", "expression"])

    def line(split: str, form: str) -> list[str]:
        found = {name: cells.loc[(split, name)] for name in columns if (split, name) in cells.index}
        if form == "rows":
            return [f"{int(found[name]['rows']):,}" if name in found else "0" for name in columns]
        return [
            f"{found[name]['valence']:.2f}, {found[name]['arousal']:.2f}"
            if name in found and pd.notna(found[name]["valence"])
            else "–"
            for name in columns
        ]

    attrs = table.attrs
    parts = [
        f"Counted by `affectkit datasets {attrs['dataset']} --card FILE` (affectkit {__version__}, "
        f"protocol `{attrs['protocol']}`).",
        "",
        *_markdown(
            ["rows", *columns, "subjects"],
            [
                [split, *line(split, "rows"), f"{int(cells.loc[(split, 'all')]['subjects']):,}"]
                for split in splits
            ],
        ),
    ]
    if table["valence"].notna().any():
        means = [[split, *line(split, "means")] for split in splits]
        parts += ["", *_markdown(["mean valence, arousal", *columns], means)]
    for block in (_group_counts(table, splits), _percentiles(table)):
        parts += ["", *block] if block else []
    return "\n".join(parts)


def _slices(table: pd.DataFrame, numeric: bool) -> list[str]:
    names = [name for name in slice_columns(table) if not name.startswith("expression_")]
    return [name for name in names if pd.api.types.is_numeric_dtype(table[name]) == numeric]


def _group_counts(table: pd.DataFrame, splits: list[str]) -> list[str]:
    rows = []
    for name in _slices(table, numeric=False):
        counts = pd.crosstab(table[name], table["split"])
        if 2 <= len(counts) <= MAXIMUM_GROUPS:
            rows += [[f"{name}: {group}", *(f"{row[one]:,}" for one in splits)]
                     for group, row in counts.iterrows()]  # fmt: skip
    return _markdown(["rows of each slice", *splits], rows) if rows else []


def _percentiles(table: pd.DataFrame) -> list[str]:
    names = _slices(table, numeric=True)
    found = table[names].astype(float).quantile([0.1, 0.5, 0.9])
    rows = [[name, *(f"{value + 0.0:.3g}" for value in found[name])] for name in names]
    return _markdown(["all rows", "10th percentile", "median", "90th"], rows) if rows else []


def write_snapshot(card: str | Path, markdown: str) -> Path:
    """Put Markdown between the two snapshot markers of a data card.

    A FileNotFoundError if there is no card, a ValueError without the markers, once each, in order.
    """
    card = Path(card)
    text = card.read_text("utf-8")
    blocks = re.findall(f"{START}.*?{END}", text, re.DOTALL)
    if len(blocks) != 1 or text.count(START) != 1 or text.count(END) != 1:
        raise ValueError(
            f"expected one {START} and one {END} after it in {card}; add them where the table "
            "belongs"
        )
    card.write_text(text.replace(blocks[0], f"{START}\n{markdown}\n{END}"), "utf-8")
    return card


def _markdown(header: list[str], rows: list[list[str]]) -> list[str]:
    rule = ["---", *["--:"] * (len(header) - 1)]
    return ["| " + " | ".join(row) + " |" for row in (header, rule, *rows)]
