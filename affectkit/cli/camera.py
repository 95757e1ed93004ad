"""`affectkit camera`."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from affectkit.cli.options import DetectorName, ModelName, Smoothing, Threads

if TYPE_CHECKING:
    from affectkit.pipeline.answers import FaceAffect
    from affectkit.pipeline.predict.journal import Journal
    from affectkit.pipeline.stage_timer import StageTimer
    from affectkit.pipeline.video.camera import CameraSummary


def run(
    source: Annotated[
        str, typer.Option("--source", "-c", help="Number or device of a camera, or a video file.")
    ] = "0",
    model: ModelName = "affectkit-real-int8",
    detector: DetectorName = None,
    mirror: Annotated[
        bool, typer.Option("--mirror/--no-mirror", help="Show it as in a mirror.")
    ] = True,
    smoothing: Smoothing = 0.8,
    threads: Threads = 1,
    record: Annotated[
        Path | None,
        typer.Option(help="Write the rows of all faces to this .csv, .parquet or .jsonl file."),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the file of --record.")
    ] = False,
    headless: Annotated[
        bool, typer.Option("--headless", help="Without a window: for servers and tests.")
    ] = False,
    seconds: Annotated[
        float | None, typer.Option(min=0.1, help="Stop after so long; else q in the window ends.")
    ] = None,
) -> None:
    """Show expression, valence and arousal of the faces before a camera; q quits.

    Everything runs on this machine, and no picture is stored; rows only with --record.

    Always the newest frame is used. At the lower left: what each stage of it took.
    """
    from affectkit.pipeline.pipeline import AffectPipeline
    from affectkit.pipeline.predict.journal import Journal
    from affectkit.pipeline.video.camera import CameraWindow, run_camera
    from affectkit.pipeline.video.open import parse_source
    from affectkit.pipeline.video.read import read_video

    number = parse_source(source)
    pipeline = AffectPipeline(model, detector or "blazeface", threads, smoothing, track=True)
    name = f"camera {number}" if isinstance(number, int) else source
    journal = on_faces = None
    with ExitStack() as stack:
        reader = stack.enter_context(read_video(number, newest_only=isinstance(number, int)))
        window = None if headless else stack.enter_context(CameraWindow())
        if record is not None:
            session = {"source": name, "started": datetime.now(UTC).isoformat()}
            journal = stack.enter_context(Journal(record, session, overwrite))
            on_faces = _keep_rows(journal, name)
        summary = run_camera(pipeline, reader, window, mirror, seconds, on_faces)
    if journal is not None:
        journal.forget()
    _print_summary(Console(), summary, pipeline.timer)


def _keep_rows(journal: Journal, name: str) -> Callable[[int, float, list[FaceAffect]], None]:
    """Give what writes rows as they come; should the process be killed, the last second is lost."""
    from affectkit.pipeline.predict.rows import face_rows

    kept = time.monotonic()

    def write(index: int, seconds: float, faces: list[FaceAffect]) -> None:
        nonlocal kept
        journal.write(face_rows(name, faces, index, seconds))
        if time.monotonic() - kept >= 1:
            journal.finish(name)
            kept = time.monotonic()

    return write


def _print_summary(console: Console, summary: CameraSummary, timer: StageTimer) -> None:
    from affectkit.pipeline.stage_timer import summarise

    rate = summary.frames / summary.duration if summary.duration else 0.0
    console.print(
        f"{summary.frames:,} frames in {summary.duration:.1f} s ({rate:.1f} a second), "
        f"{summary.faces:,} faces",
        highlight=False,
    )
    if not timer.frames:
        return
    table = Table("stage", title="milliseconds a frame")
    for column in ("mean", "p50", "p90"):
        table.add_column(column, justify="right")
    for row in summarise(timer.table()).itertuples():
        table.add_row(row.Index, f"{row.mean:.2f}", f"{row.p50:.2f}", f"{row.p90:.2f}")
    console.print(table)
