"""`affectkit faces`: render them, or find them in pictures."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Literal

import typer

from affectkit.cli.console import is_quiet, tell
from affectkit.cli.options import FollowLinks, Labels, Processes, complete_detector

MOST_STEPS = 10_000

app = typer.Typer(
    no_args_is_help=True, help="Render synthetic faces, or find the faces in your pictures."
)


@app.command("render")
def render(
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder; gets AffectNet's original layout.")
    ],
    count: Annotated[int, typer.Option(min=1, help="Number of faces, five a person.")] = 100,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same faces.")] = 0,
    size: Annotated[int, typer.Option(min=16, help="Side of an image in pixels.")] = 112,
    split: Annotated[
        Literal["training", "validation", "test"], typer.Option(help="Of which people.")
    ] = "training",
    workers: Processes = 0,
    vary: Annotated[
        list[str] | None,
        typer.Option(
            help="NAME=LOW:HIGH[:STEPS] or NAME=A,B,C: render every face with each value "
            "(5 steps if omitted), e.g. yaw=-30:30. Repeatable."
        ),
    ] = None,
    fix: Annotated[
        list[str] | None,
        typer.Option(help="NAME=VALUE for all faces, e.g. light_strength=1. Repeatable."),
    ] = None,
) -> None:
    """Render faces with expression, valence and arousal, CC0."""
    varied = dict(parse_variation(text) for text in vary or [])
    fixed = {name: parse_value(value) for name, value in map(split_assignment, fix or [])}
    if both := sorted(set(varied) & set(fixed)):
        raise ValueError(f"{', '.join(both)} is both varied and fixed; choose one")
    from affectkit.faces.dataset import render_dataset

    folder = render_dataset(
        output, count, seed, size,
        vary=varied, fix=fixed, workers=workers or None, split=split, progress=not is_quiet(),
    )  # fmt: skip
    tell(f"Faces: {folder}")


@app.command("find")
def find(
    root: Annotated[
        Path,
        typer.Option(help="Folder with labels.csv, or with a sub-folder an expression."),
    ],
    detector: Annotated[
        str,
        typer.Option(
            help="As for predict: blazeface, blazeface-tiled, haar, FILE.onnx.",
            autocompletion=complete_detector,
        ),
    ] = "blazeface",
    labels: Labels = "",
    follow_links: FollowLinks = False,
) -> None:
    """Write the box of each picture's largest face to the folder's labels.csv.

    Training and evaluation then cut out the faces instead of taking whole pictures. An old
    labels.csv is kept as labels_before_boxes.csv.
    """
    from affectkit.pipeline.detect.boxes import write_face_boxes
    from affectkit.pipeline.detect.detectors import load_detector

    file, with_box, rows = write_face_boxes(root, load_detector(detector), labels, follow_links)
    tell(f"{with_box} of {rows} pictures have a face box: {file}")


def parse_variation(text: str) -> tuple[str, list[object]]:
    """Read NAME=LOW:HIGH[:STEPS] or NAME=A,B,C: name and values, evenly spaced for a range."""
    name, value = split_assignment(text)
    if ":" not in value:
        return name, [parse_value(part.strip()) for part in value.split(",")]
    try:
        low, high, *steps = (float(part) for part in value.split(":"))
        number = int(steps[0]) if steps else 5
    except (ValueError, OverflowError) as error:
        raise ValueError(
            f"expected NAME=LOW:HIGH or NAME=LOW:HIGH:STEPS with numbers, got {text!r:.200}"
        ) from error
    if not 2 <= number <= MOST_STEPS or len(steps) > 1:
        raise ValueError(
            f"expected at least 2 steps, at most {MOST_STEPS}, in NAME=LOW:HIGH:STEPS, got "
            f"{text!r:.200}"
        )
    if not math.isfinite(high - low):
        raise ValueError(f"expected finite numbers in NAME=LOW:HIGH, got {text!r:.200}")
    return name, [low + (high - low) * step / (number - 1) for step in range(number)]


def split_assignment(text: str) -> tuple[str, str]:
    """Split NAME=VALUE."""
    name, _, value = (part.strip() for part in text.partition("="))
    if not name or not value:
        raise ValueError(f"expected NAME=VALUE, got {text!r:.200}")
    return name, value


def parse_value(text: str) -> object:
    """Read a number, true or false, or else text."""
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
