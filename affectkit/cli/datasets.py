"""`affectkit datasets`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from affectkit.cli.console import tell_left_out
from affectkit.cli.options import AsJson, DatasetName, FollowLinks, Labels, Protocol, Root


def run(
    name: Annotated[DatasetName | None, typer.Argument(help="Count this data set.")] = None,
    root: Root = None,
    protocol: Protocol = None,
    labels: Labels = "",
    follow_links: FollowLinks = False,
    card: Annotated[
        Path | None, typer.Option(help="Write the counts into this data card's snapshot.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List the data sets and how to get them; with NAME: count its faces."""
    from affectkit.data.datasets import DATASETS, dataset_overview, load_table
    from affectkit.data.skipped import SkippedRows

    console = Console()
    if name is None:
        if root or card or protocol or labels or follow_links:
            raise ValueError("name the data set that the options are about")
        if as_json:
            names = ("name", "description", "layout", "licence", "obtain", "bundled")
            sets = [{name: getattr(one, name) for name in names} for one in DATASETS.values()]
            print(json.dumps(sets, indent=2, ensure_ascii=False))
            return
        table = Table("data set", Column("about it", overflow="fold"), show_lines=True)
        for dataset in DATASETS.values():
            about = {
                "": dataset.description,
                "Folder: ": dataset.layout,
                "Licence: ": dataset.licence,
                "Get it: ": dataset.obtain,
            }
            lines = [Text.assemble((label, "bold"), text) for label, text in about.items()]
            table.add_row(Text(dataset.name, style="bold"), Text("\n").join(lines))
        console.print(table)
        return
    skipped = SkippedRows()
    rows = load_table(
        name, root, protocol=protocol, skipped=skipped, labels=labels, follow_links=follow_links
    )
    if card is not None:
        from affectkit.data.snapshot import snapshot_markdown, write_snapshot

        write_snapshot(card, snapshot_markdown(rows))
    overview = dataset_overview(rows)
    if as_json:
        facts = {"name": name, "protocol": rows.attrs["protocol"], "left_out": len(skipped)}
        counts = json.loads(overview.to_json(orient="records"))  # NaN becomes null
        print(json.dumps(facts | {"counts": counts}, indent=2))
        return
    table = Table(title=f"{name}, protocol {rows.attrs['protocol']}")
    for column in overview.columns:
        numeric = column not in ("split", "expression")
        table.add_column(column, justify="right" if numeric else "left")
    for row in overview.itertuples(index=False):
        numbers = [row.share * 100, row.valence, row.arousal]
        share, valence, arousal = (
            "–" if number != number else form.format(number)
            for number, form in zip(numbers, ("{:.1f} %", "{:.2f}", "{:.2f}"), strict=True)
        )
        table.add_row(
            row.split,
            row.expression,
            f"{row.rows:,}",
            share,
            valence,
            arousal,
            f"{row.subjects:,}" if row.subjects else "–",
            end_section=row.expression == "all",
        )
    console.print(table)
    tell_left_out(skipped.summary())
