"""Options that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

MODEL_HELP = (
    "A checkpoint (affectkit-real, -int8, -float16; affectkit-synthetic ...), a .keras file, a "
    "course's run folder, or the manifest of an exported model."
)

Dataset = Annotated[str, typer.Option(help="affectfaces, affectnet, ferplus, folder or shards.")]
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
    str,
    typer.Option(
        help="quick (minutes), standard (larger, longer), full (AffectNet on a GPU) or seed (the "
        "recipe of the older system)."
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
ModelName = Annotated[str, typer.Option(help=MODEL_HELP)]
DetectorName = Annotated[
    str | None,
    typer.Option(
        help="blazeface, blazeface-all (far faces beside near ones), blazeface-tiled (small ones), "
        "blazeface-near (quickest), haar, or YuNet's .onnx file. Default: blazeface-tiled for "
        "pictures, else blazeface."
    ),
]
Threads = Annotated[int, typer.Option(min=1, help="Of the networks.")]
Smoothing = Annotated[
    float,
    typer.Option(min=0, max=0.99, help="Share of a face's earlier answers that is kept, 0..0.99."),
]
Prior = Annotated[
    str,
    typer.Option(
        help="How frequent expressions are thought to be: trained, or balanced (all about alike)."
    ),
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
