"""`affectkit evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.table import Table

from affectkit.cli.console import tell, tell_left_out
from affectkit.cli.options import (
    Dataset,
    FollowLinks,
    Labels,
    Limit,
    ModelArgument,
    Protocol,
    Root,
    Seed,
)


def run(
    model: ModelArgument,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder for metrics, predictions and plots.")
    ],
    dataset: Dataset = "affectfaces",
    root: Root = None,
    split: Annotated[
        Literal["train", "validation", "test", "all"] | None,
        typer.Option(help="Which rows (default: all of a folder, else test)."),
    ] = None,
    protocol: Protocol = None,
    labels: Labels = "",
    follow_links: FollowLinks = False,
    limit: Limit = 0,
    seed: Seed = 0,
    bootstrap: Annotated[
        int, typer.Option(min=0, help="Resamples behind each interval; 0 for none.")
    ] = 1000,
    flip: Annotated[
        bool, typer.Option(help="Average the answers for each face and its mirror image.")
    ] = False,
    find_faces: Annotated[
        bool | None,
        typer.Option(
            "--find-faces/--whole-images",
            help="Where the data has no face boxes, find the faces or take whole images as faces "
            "(default: find them in a folder).",
        ),
    ] = None,
) -> None:
    """Evaluate a model; writes metrics.json, predictions.csv, skipped_rows.csv and plots/.

    Of two networks, these are about expressions; valence_arousal/ has the same about the other
    where the data has valence and arousal.
    """
    import matplotlib

    matplotlib.use("Agg")
    from affectkit.evaluation.run import EvaluationSettings, NoLabelsError, evaluate_run
    from affectkit.evaluation.tables import metric_table
    from affectkit.models.opening import open_model
    from affectkit.plots.results import save_result_figures

    opened = open_model(model)
    name = Path(model).stem or opened.name
    settings = EvaluationSettings(
        *(dataset, root, split, protocol, limit or None, seed, bootstrap, flip, find_faces),
        labels=labels,
        follow_links=follow_links,
    )
    left_out = "", output
    for task in opened.tasks:
        second = len(opened.tasks) > 1 and task == "regression"
        folder = output / "valence_arousal" if second else output
        try:
            evaluated = evaluate_run(opened.for_task(task), name, folder, settings)
        except NoLabelsError:
            if not second:
                raise
            continue  # the data is about expressions only
        result, left_out = evaluated.result, (evaluated.left_out, folder)
        save_result_figures(result, evaluated.predictions, evaluated.table, folder / "plots")
        _print_result(*metric_table(result), result)
    tell(f"Results: {output}")
    tell_left_out(left_out[0], left_out[1] / "skipped_rows.csv")


def _print_result(header: list[str], rows: list[list[str]], result: dict) -> None:
    title = f"{result['name']} on {result['dataset']}, {result['split']}, {result['rows']:,} faces"
    caption = f"protocol {result['protocol']}"
    if temperature := result.get("calibration", {}).get("temperature"):
        after = result["calibration"]["after"]["ece"]["value"]
        caption += f"; with temperature {temperature:.2f} for these rows, ECE {after:.3f}"
    table = Table(title=title, caption=caption)
    for position, name in enumerate(header):
        table.add_column(name, justify="right" if position else "left", overflow="fold")
    for row in rows:
        table.add_row(*row)
    tell(table)
    if result.get("derived_rows"):
        tell(
            f"Valence and arousal of {result['derived_rows']:,} faces were derived from "
            "expressions, not rated: no evidence about people's ratings."
        )
