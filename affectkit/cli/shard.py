"""`affectkit shard`."""

from __future__ import annotations

from typing import Annotated

import typer

from affectkit.cli.console import tell, tell_left_out
from affectkit.cli.options import (
    Dataset,
    FollowLinks,
    Labels,
    Limit,
    Processes,
    Protocol,
    Root,
    Seed,
)


def run(
    output: Annotated[
        str,
        typer.Option(
            "--output",
            "-o",
            help="Folder, or an address that TensorFlow can write to, such as gs://...",
        ),
    ],
    dataset: Dataset = "affectfaces",
    root: Root = None,
    shard_size: Annotated[int, typer.Option(min=1, help="Faces a shard, at most.")] = 2048,
    workers: Processes = 0,
    limit: Limit = 0,
    seed: Seed = 0,
    protocol: Protocol = None,
    labels: Labels = "",
    follow_links: FollowLinks = False,
) -> None:
    """Write a data set as TFRecord shards; use them as --dataset shards --root OUTPUT.

    An interrupted command goes on where it was, and a finished one checks every shard by its
    SHA-256: run it again with the same options.
    """
    import os

    from affectkit.data.datasets import load_table
    from affectkit.data.shards.writer import write_shards
    from affectkit.data.skipped import SkippedRows
    from affectkit.files import places

    skipped = SkippedRows()
    table = load_table(
        dataset,
        root,
        "all",
        protocol,
        skipped,
        limit or None,
        seed,
        labels=labels,
        follow_links=follow_links,
    )
    index = write_shards(table, output, shard_size, workers or os.cpu_count() or 1, seed, skipped)
    shards = index.shards()
    size = sum(shard["bytes"] for shard in shards)
    tell(f"{index.rows():,} faces in {len(shards)} shards, {size / 1e6:,.1f} MB")
    if len(skipped):
        file = places.join(index.folder, "skipped_rows.csv")
        places.write_whole(skipped.as_csv().encode(), file)
    tell(f"Shards: {index.folder}")
    if len(skipped):
        tell_left_out(skipped.summary(), file)
