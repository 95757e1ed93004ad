"""`affectkit evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from affectkit.cli.options import Dataset, Limit, Protocol, Root, Seed


def run(
    model: Annotated[Path, typer.Argument(help="A .keras file with its .json card beside it.")],
    output: Annotated[Path, typer.Option(help="Folder for metrics, predictions and plots.")],
    dataset: Dataset = "affectfaces",
    root: Root = None,
    split: Annotated[
        str | None,
        typer.Option(help="train, validation, test or all (default: all of a folder, else test)."),
    ] = None,
    protocol: Protocol = None,
    limit: Limit = 0,
    seed: Seed = 0,
    bootstrap: Annotated[
        int, typer.Option(min=0, help="Resamples behind each interval; 0 for none.")
    ] = 1000,
) -> None:
    """Evaluate a model; writes metrics.json, predictions.csv, skipped_rows.csv and plots/."""
    import matplotlib

    matplotlib.use("Agg")
    from affectkit.course.metric_tables import metric_table
    from affectkit.model_evaluation import evaluate_run

    result = evaluate_run(
        model, dataset, output, root, split, protocol, limit or None, seed, bootstrap
    )
    console = Console()
    header, rows = metric_table(result)
    title = f"{result['name']} on {result['dataset']}, {result['split']}, {result['rows']:,} faces"
    table = Table(title=title, caption=f"protocol {result['protocol']}")
    for position, name in enumerate(header):
        table.add_column(name, justify="right" if position else "left", overflow="fold")
    for row in rows:
        table.add_row(*row)
    console.print(table)
    if result.get("derived_rows"):
        console.print(
            f"Valence and arousal of {result['derived_rows']:,} faces were derived from "
            "expressions, not rated: no evidence about people's ratings.",
            highlight=False,
        )
    console.print(Text(f"Results: {output}"), soft_wrap=True)
