"""Options that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

MODEL_HELP = (
    "A checkpoint (affectkit-real, -int8, -float16; affectkit-synthetic ...), a .keras file, a "
    "course's run folder, or the manifest of an exported model."
)

DatasetName = Literal["affectfaces", "affectnet", "ferplus", "folder", "shards"]
FormatName = Literal[
    "tflite-int8", "tflite-float16", "saved-model", "onnx-int8", "onnx-float16", "onnx",
    "frozen-graph", "nano", "page",
]  # fmt: skip
ProfileName = Literal["quick", "standard", "full", "seed"]
"""Names are written out here, so that help and completion need not load what they name."""


def complete_model(incomplete: str) -> list[str]:
    """Give the checkpoints that begin so; for other models, shells complete names of files."""
    from affectkit.models.cards import checkpoint_names

    return [name for name in checkpoint_names() if name.startswith(incomplete)]


def check_model(name: str) -> str:
    """Refuse a name that is no checkpoint's, as typer does a choice; paths are looked at later."""
    from affectkit.models.cards import checkpoint_names

    path = Path(name)
    if name in checkpoint_names() or path.suffix or path.name != name or path.exists():
        return name
    names = ", ".join(map(repr, checkpoint_names()))
    raise typer.BadParameter(f"{name!r} is no file or folder that exists, and not one of {names}.")


def complete_detector(incomplete: str) -> list[str]:
    """Give the built-in detectors that begin so."""
    from affectkit.pipeline.detect.detectors import DETECTORS

    return [name for name in DETECTORS if name.startswith(incomplete)]


Dataset = Annotated[DatasetName, typer.Option(help="Which data.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs to read.")]
Root = Annotated[
    Path | None, typer.Option(help="Folder of the data set; not needed for affectfaces.")
]
Labels = Annotated[
    str,
    typer.Option(
        help="What numbers mean as labels of a folder: affectnet (0..7), rafdb, ferplus, ckplus or "
        "fer2013."
    ),
]
FollowLinks = Annotated[
    bool, typer.Option("--follow-links", help="Follow links that lead out of the root, too.")
]
Profile = Annotated[
    ProfileName,
    typer.Option(
        help="How large: minutes, longer, or for AffectNet on a GPU; seed is the older recipe."
    ),
]
Seed = Annotated[int, typer.Option(min=0, help="Of everything random.")]
Limit = Annotated[int, typer.Option(min=0, help="At most so many faces a split; 0 for all.")]
Epochs = Annotated[int, typer.Option(min=0, help="Epochs; 0 for the profile's own.")]
Protocol = Annotated[
    str | None, typer.Option(help="Which rows count; the data set's usual protocol if omitted.")
]
Weights = Annotated[
    str,
    typer.Option(
        help="Start of the classifier: none, affectfaces, imagenet or a .weights.h5 file; the "
        "profile's own if omitted."
    ),
]
Processes = Annotated[int, typer.Option(min=0, help="Processes; 0 for one a CPU.")]
ModelName = Annotated[
    str, typer.Option(help=MODEL_HELP, autocompletion=complete_model, callback=check_model)
]
ModelArgument = Annotated[
    str, typer.Argument(help=MODEL_HELP, autocompletion=complete_model, callback=check_model)
]
DetectorName = Annotated[
    str | None,
    typer.Option(
        autocompletion=complete_detector,
        help="blazeface, blazeface-all (far faces beside near ones), blazeface-tiled (small ones), "
        "blazeface-near (quickest), haar, or YuNet's .onnx file. Default: blazeface-tiled for "
        "pictures, else blazeface.",
    ),
]
Threads = Annotated[int, typer.Option(min=1, help="Of the networks.")]
Smoothing = Annotated[
    float,
    typer.Option(min=0, max=0.99, help="Share of a face's earlier answers that is kept, 0..0.99."),
]
Prior = Annotated[
    Literal["trained", "balanced"],
    typer.Option(help="How frequent expressions are thought to be: as in training, or all alike."),
]
Workers = Annotated[
    int,
    typer.Option(
        min=1,
        help="Processes on this machine; more than one need Dask. One that ends is replaced.",
    ),
]
Scheduler = Annotated[
    str | None,
    typer.Option(
        help="Address of a Dask scheduler, tcp://host:port, whose workers are taken instead. They "
        "have to see the same files, and have to be trusted."
    ),
]
