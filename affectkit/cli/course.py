"""`affectkit course`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from affectkit.cli.console import tell, tell_left_out
from affectkit.cli.options import (
    Dataset,
    Epochs,
    FollowLinks,
    Labels,
    Limit,
    Profile,
    Root,
    Seed,
    Weights,
)


def run(
    dataset: Dataset = "affectfaces",
    root: Root = None,
    profile: Profile = "quick",
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="Run folder; runs/<date>_<time> if omitted. A run in it that was killed goes on.",
        ),
    ] = None,
    start: Annotated[
        int,
        typer.Option(
            "--from", min=0, max=99, help="Go on in --output with this notebook's number."
        ),
    ] = 0,
    everything: Annotated[
        bool, typer.Option("--all", help="Run the notebooks after 04, too.")
    ] = False,
    seed: Seed = 0,
    limit: Limit = 0,
    epochs: Epochs = 0,
    weights: Weights = "",
    labels: Labels = "",
    follow_links: FollowLinks = False,
    cell_timeout: Annotated[
        int, typer.Option(min=0, help="Seconds that one cell may take; 0 for the profile's own.")
    ] = 0,
    student: Annotated[
        Path | None, typer.Option(help="Only write the notebooks for students to this folder.")
    ] = None,
    teacher: Annotated[
        Path | None,
        typer.Option(help="Only write them with solutions, as nbgrader's source, to this folder."),
    ] = None,
) -> None:
    """Run the numbered notebooks and write summary.json and report.html."""
    if student or teacher:
        from affectkit.course.exercises import write_set

        for folder, solved in ((student, False), (teacher, True)):
            if folder:
                tell(f"{len(write_set(folder, solved))} notebooks in {folder}")
        return
    from affectkit.course.runner import run_course
    from affectkit.course.summary import CourseSettings
    from affectkit.data.skipped import left_out, read_skipped

    if dataset == "folder" and root and not _gives_boxes(Path(root)):
        tell(
            "No face boxes are given, so whole pictures are taken as faces. If they show more "
            f"than a face, run first: affectkit faces find --root {root}"
        )
    settings = CourseSettings(
        dataset, root or "", profile, seed, limit, epochs, weights, labels, follow_links
    )
    result = run_course(
        settings, output or "", start, cell_timeout=cell_timeout, everything=everything
    )
    failed = result.summary["failed"]
    if failed:
        place = failed["notebook"] + (f", cell [{failed['cell']}]" if failed["cell"] else "")
        tell(Text.assemble((f"Failed in {place}: ", "bold red"), failed["error"]))
        tell(
            "Once it is mended, go on with: affectkit course (same options) "
            f"--output {result.folder} --from {failed['notebook'][:2]}"
        )
    for model, metrics in result.summary["metrics"].items():
        for name in ("accuracy", "valence_ccc", "arousal_ccc"):
            if metrics and (entry := metrics["metrics"].get(name)):
                value = "undefined" if entry["value"] is None else f"{entry['value']:.3f}"
                tell(f"{model} {name.replace('_', ' ')}: {value}")
    tell(f"Report: {result.report}")
    tell_left_out(left_out(read_skipped(listed := result.folder / "skipped_rows.csv")), listed)
    raise typer.Exit(result.exit_code)


def _gives_boxes(root: Path) -> bool:
    """Tell whether a folder's labels.csv has face boxes."""
    file = root / "labels.csv"
    if not file.is_file():
        return False
    with file.open(encoding="utf-8", errors="replace") as lines:
        return "face_x" in lines.readline(10_000).lower()
