"""The data sets by name, and the two functions that load them: `load_table`, `load_splits`."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from affectkit.data.protocols import apply_protocol, default_protocol, get_protocol
from affectkit.data.sets import affectfaces, affectnet, ferplus, folder
from affectkit.data.shards.table import LAYOUT, load_shards
from affectkit.data.skipped import SkippedRows
from affectkit.data.snapshot import dataset_overview
from affectkit.data.splitting import assign_splits, hold_out_validation, limit_rows
from affectkit.data.table import SPLITS, derive_valence_arousal, make_table
from affectkit.files import places

__all__ = ["DATASETS", "Dataset", "dataset_overview", "get_dataset", "load_splits", "load_table"]


@dataclass(frozen=True)
class Dataset:
    """A data set that affectkit can load.

    `layout` is what its folder must hold, `obtain` how to get it, `load` its loader (root, skipped,
    **options), `bundled` whether it comes with affectkit, so that no root is needed.
    """

    name: str
    description: str
    layout: str
    licence: str
    obtain: str
    load: Callable[..., pd.DataFrame]
    bundled: bool = False


DATASETS: dict[str, Dataset] = {
    dataset.name: dataset
    for dataset in (
        Dataset(
            "affectfaces",
            "bundled synthetic faces with expression, valence and arousal",
            affectfaces.LAYOUT,
            "CC0 1.0",
            "It comes with affectkit; `affectkit faces render` makes more.",
            affectfaces.load_affectfaces,
            bundled=True,
        ),
        Dataset(
            "affectnet",
            "photographs from the web with expression, valence and arousal (about 420,000)",
            affectnet.LAYOUT,
            "research only, by agreement; not to be passed on",
            "Ask its authors for it: mohammadmahoor.com/pages/databases/affectnet",
            affectnet.load_affectnet,
        ),
        Dataset(
            "ferplus",
            "FER2013's grey 48 x 48 faces with ten raters' votes; valence and arousal are derived",
            ferplus.LAYOUT,
            "labels MIT; images for research only",
            "Labels: github.com/microsoft/FERPlus; images: FER2013 of Kaggle's 2013 challenge.",
            ferplus.load_ferplus,
        ),
        Dataset(
            "folder",
            "your own images with a labels.csv, or one sub-folder an expression",
            folder.LAYOUT,
            "yours",
            "Put your images and a labels.csv into one folder.",
            folder.load_folder,
        ),
        Dataset(
            "shards",
            "any of the others, written as TFRecord shards by `affectkit shard`",
            LAYOUT,
            "as the data set that they were made from",
            "`affectkit shard --dataset NAME --root FOLDER --output SHARDS`",
            load_shards,
        ),
    )
}
"""The data sets by name."""


def load_table(
    dataset: str,
    root: str | Path | None = None,
    split: str = "all",
    protocol: str | None = None,
    skipped: SkippedRows | None = None,
    limit: int | None = None,
    seed: int = 0,
    validation_fraction: float = 0.1,
    **options: object,
) -> pd.DataFrame:
    """Load the annotations of a data set as one table; no image is read.

    Parameters
    ----------
    dataset : str
        A name of `DATASETS`.
    root : str or Path, optional
        The data set's folder; not needed for a bundled one.
    split : str
        "train", "validation", "test", or "all".
    protocol : str, optional
        A name of `affectkit.data.protocols.PROTOCOLS`, "all" to keep every usable row; the data
        set's usual protocol if omitted.
    skipped : SkippedRows, optional
        Gets the rows that were left out; a warning counts them in any case.
    limit : int, optional
        At most so many rows of each split, drawn with the seed and stratified by expression.
    seed : int
        Of the subset, the held-out rows and a folder's splits.
    validation_fraction : float
        Share of the training rows held out where the data set has no validation split: by subject
        if those are known, else stratified. AffectNet's published validation split is "test".
    **options
        Passed to the data set's loader: ``labels="rafdb"``, whose codes the numbers of a folder are
        (see `affectkit.labels.LABEL_ORDERS`); ``follow_links=True``, also out of the root;
        ``automatic=True`` for AffectNet. Empty ones are the default.

    Returns
    -------
    pandas.DataFrame
        As in `affectkit.data.table`.

    Raises
    ------
    ValueError
        If a name is unknown, no usable row is left, or the split is empty.
    FileNotFoundError
        If the root is missing or not laid out as the data set's is.
    """
    if split not in (*SPLITS, "all"):
        raise ValueError(f"expected a split of {', '.join(SPLITS)} or all, got {split!r}")
    chosen = get_dataset(dataset)
    if protocol is not None:
        get_protocol(protocol, dataset)
    skipped = SkippedRows() if skipped is None else skipped
    before = len(skipped)
    folder_path = check_root(chosen, root)
    options = {name: value for name, value in options.items() if value}
    known = inspect.signature(chosen.load).parameters
    if unknown := [name for name in options if name not in known]:
        raise ValueError(f"data set {dataset!r} takes no {', '.join(unknown)}; leave it out")
    frame = chosen.load(folder_path, skipped, **options)
    skipped.warn(len(frame) + len(skipped) - before, before)
    if frame.empty:
        reasons = "no image was found"
        if new := list(skipped)[before:]:
            reasons = "; ".join(list(dict.fromkeys(row.reason for row in new))[:3])
            reasons += f". {new[0].remedy}"
        raise ValueError(f"no usable row of {dataset!r} in {folder_path}: {reasons}")
    if (frame["split"] == "").all():
        frame["split"] = assign_splits(frame, seed)
    try:
        table = make_table(frame, dataset)
        del frame  # it may be large
    except ValueError as error:
        raise ValueError(f"{folder_path}: {error}") from error
    table = apply_protocol(table, protocol or default_protocol(dataset, table))
    table = hold_out_validation(table, validation_fraction, seed)
    if limit is not None:
        table = limit_rows(table, limit, seed)
    return table if split == "all" else _take_splits(table, [split])[split]


def load_splits(
    dataset: str,
    root: str | Path | None = None,
    protocol: str | None = None,
    skipped: SkippedRows | None = None,
    limit: int | None = None,
    seed: int = 0,
    validation_fraction: float = 0.1,
    **options: object,
) -> dict[str, pd.DataFrame]:
    """Load the three splits of a data set; errors are those of `load_table`.

    Where no row at all has valence and arousal, they are derived from the expressions, marked in
    `derived_valence_arousal` and warned about, so that every notebook runs on such data too.

    Parameters
    ----------
    dataset, root, protocol, skipped, limit, seed, validation_fraction, **options
        Those of `load_table`.

    Returns
    -------
    dict of str to pandas.DataFrame
        Keys train, validation and test, none empty.
    """
    table = load_table(
        dataset, root, "all", protocol, skipped, limit, seed, validation_fraction, **options
    )
    table = derive_valence_arousal(table)
    return _take_splits(table, SPLITS)


def get_dataset(name: str) -> Dataset:
    """Look a data set up; a ValueError lists the names where there is none of that name."""
    if name not in DATASETS:
        raise ValueError(f"expected a data set of {', '.join(DATASETS)}; got {name!r}")
    return DATASETS[name]


def check_root(dataset: Dataset, root: str | Path | None) -> Path | str | None:
    """Give the folder of a data set; a FileNotFoundError if one is needed that is not there."""
    if dataset.name == "shards" and places.is_remote(places.folder_address(root or "")):
        return places.folder_address(root)
    if root is None or root == "":
        if dataset.bundled:
            return None
        raise FileNotFoundError(
            f"data set {dataset.name!r} needs a root folder, got none. It must hold "
            f"{dataset.layout}. {dataset.obtain}"
        )
    path = Path(root).expanduser()
    if not path.is_dir():
        kind = "a file" if path.exists() else "nothing"
        raise FileNotFoundError(
            f"expected the folder of data set {dataset.name!r} at {path}, found {kind}. It must "
            f"hold {dataset.layout}. {dataset.obtain}"
        )
    return path


def _take_splits(table: pd.DataFrame, splits: Sequence[str]) -> dict[str, pd.DataFrame]:
    parts = {name: table[table["split"] == name].reset_index(drop=True) for name in splits}
    for split, part in parts.items():
        if part.empty:
            counts = table["split"].value_counts().items()
            raise ValueError(
                f"the {split} split of {table.attrs['dataset']!r} has no row under protocol "
                f"{table.attrs['protocol']!r} (rows: "
                f"{', '.join(f'{name} {rows}' for name, rows in counts) or 'none'}); add rows, "
                "name another split or protocol"
            )
    return parts
