"""Named evaluation protocols: which rows count, so that only like is compared with like."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import pandas as pd

from affectkit.labels import NUM_EXPRESSIONS


@dataclass(frozen=True)
class Protocol:
    """Which rows of a data set count, for training and evaluation alike.

    Of a `dataset` (None for any), those with one of AffectNet's codes in `expressions` (empty for
    all) and, where `valence_arousal` is set, with both of these. `test_rows` is the number of the
    published test split.
    """

    name: str
    description: str
    dataset: str | None
    expressions: tuple[int, ...] = tuple(range(NUM_EXPRESSIONS))
    valence_arousal: bool = False
    test_rows: int | None = None

    def keeps(self, table: pd.DataFrame) -> pd.Series:
        """Tell which rows of a table count; a bool a row."""
        keep = pd.Series(True, index=table.index)
        if self.expressions:
            keep &= table["expression"].isin(self.expressions).astype(bool)
        if self.valence_arousal:
            keep &= table[["valence", "arousal"]].notna().all(axis=1)
        return keep


PROTOCOLS: dict[str, Protocol] = {
    protocol.name: protocol
    for protocol in (
        Protocol(
            "affectnet-4000",
            "AffectNet's original validation split, 8 expressions of 500 rows each",
            "affectnet",
            test_rows=4000,
        ),
        Protocol(
            "affectnet-3999",
            "validation split of AffectNet's reduced release, 8 expressions (contempt 499)",
            "affectnet",
            test_rows=3999,
        ),
        Protocol(
            "affectnet-4500-va",
            "rows with valence and arousal of AffectNet's validation split: 8 expressions and None",
            "affectnet",
            expressions=tuple(range(NUM_EXPRESSIONS + 1)),
            valence_arousal=True,
            test_rows=4500,
        ),
        Protocol(
            "affectnet-3500-7class",
            "AffectNet's validation split without contempt, which is dropped and never remapped",
            "affectnet",
            expressions=tuple(range(NUM_EXPRESSIONS - 1)),
            test_rows=3500,
        ),
        Protocol(
            "ferplus-majority",
            "FER+ rows where one of the 8 expressions has the majority, as Microsoft's code counts",
            "ferplus",
        ),
        Protocol("affectfaces", "all bundled synthetic faces, 8 expressions", "affectfaces"),
        Protocol("folder", "rows of a folder with one of the 8 expressions", "folder"),
        Protocol("all", "every usable row, also without an expression", None, expressions=()),
    )
}
"""The protocols by name."""


def get_protocol(name: str, dataset: str | None = None) -> Protocol:
    """Look a protocol up; a ValueError if there is none, or it belongs to another data set."""
    usable = {
        key: protocol
        for key, protocol in PROTOCOLS.items()
        if dataset is None or protocol.dataset in (None, dataset)
    }
    if name not in PROTOCOLS:
        raise ValueError(f"expected a protocol of {', '.join(usable)}; got {name!r}")
    if name not in usable:
        raise ValueError(
            f"protocol {name!r} belongs to data set {PROTOCOLS[name].dataset!r}, the table is of "
            f"{dataset!r}; use one of {', '.join(usable)}"
        )
    return PROTOCOLS[name]


def apply_protocol(table: pd.DataFrame, name: str) -> pd.DataFrame:
    """Keep the rows that count under a protocol and note its name in `attrs`.

    Warns if the published test split has another number of rows than the one found: the copy is
    then a subset, damaged, or of another release.
    """
    dataset = table.attrs.get("dataset")
    protocol = get_protocol(name, dataset)
    kept = table[protocol.keeps(table)].reset_index(drop=True)
    kept.attrs["protocol"] = name
    found = int((kept["split"] == "test").sum())
    if protocol.test_rows is not None and found not in (0, protocol.test_rows):
        warnings.warn(
            f"protocol {name} has {protocol.test_rows} test rows, {found} were found: this is a "
            "subset, a damaged copy or another release. Results are not comparable with published "
            "ones; check the copy, or choose the protocol of your release",
            UserWarning,
            stacklevel=2,
        )
    return kept


def default_protocol(dataset: str, table: pd.DataFrame) -> str:
    """Choose a data set's protocol; for AffectNet that of the release which `table` is."""
    if dataset != "affectnet":
        names = [key for key, protocol in PROTOCOLS.items() if protocol.dataset == dataset]
        return names[0] if names else "all"
    test = table.loc[table["split"] == "test", "image_id"]
    reduced = test.str.startswith("val_set/").any()
    return "affectnet-3999" if reduced or len(test) == 3999 else "affectnet-4000"
