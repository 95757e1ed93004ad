"""The snapshot table of a data card: counts of a data set as Markdown, written by a command."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd

from affectkit import __version__
from affectkit.data.overview import dataset_overview

START, END = "<!-- snapshot -->", "<!-- /snapshot -->"


def snapshot_markdown(table: pd.DataFrame) -> str:
    """Describe a table as Markdown: rows, and mean valence and arousal, by split and expression.

    Parameters
    ----------
    table : pandas.DataFrame
        As in `affectkit.data.table`.

    Returns
    -------
    str
        Two Markdown tables below a line that says how they were made.
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
    return "\n".join(parts)


def write_snapshot(card: str | Path, markdown: str) -> Path:
    """Put Markdown between the snapshot markers of a data card.

    Raises
    ------
    FileNotFoundError
        If there is no such card.
    ValueError
        If it does not have the two markers, once each and in order.
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
