"""The Face Research Lab London Set: fetched from figshare when asked for, never shipped."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from affectkit.files.atomic import atomic_path

if TYPE_CHECKING:
    import pooch

SOURCE = "doi:10.6084/m9.figshare.5047666.v5/"
ARCHIVES = {"neutral_front.zip": "Neutral", "smiling_front.zip": "Happy"}
"""Files of the set, and the expression that their pictures were taken for."""


def fetch_london_faces(source: pooch.Pooch | None = None) -> Path:
    """Fetch the front portraits of the Face Research Lab London Set, neutral and smiling, once.

    DeBruine and Jones (2017), doi:10.6084/m9.figshare.5047666.v5, CC BY 4.0: 102 people who signed
    their consent. About 90 MB; figshare gives the MD5 that each file is checked against.

    Parameters
    ----------
    source : pooch.Pooch, optional
        Where the two zip files come from, with their hashes; default: figshare, into the user's
        cache.

    Returns
    -------
    Path
        A folder for ``load_table("folder", PATH)``: 1350 x 1350 px JPEG files and a labels.csv.

    Raises
    ------
    OSError
        If figshare can't be reached.
    ValueError
        If a file is missing there, or is not what its hash says.
    """
    import pooch

    figshare = source is None
    if source is None:
        source = pooch.create(pooch.os_cache("affectkit") / "london_faces", SOURCE)
    folder = Path(source.abspath)
    labels = folder / "labels.csv"
    if labels.is_file():
        return folder
    if figshare:
        source.load_registry_from_doi()
    rows = []
    for archive, expression in ARCHIVES.items():
        files = source.fetch(archive, pooch.Unzip(), progressbar=figshare)
        pictures = [path for path in sorted(map(Path, files)) if path.suffix == ".jpg"]
        rows += [(path.relative_to(folder), expression, path.name[:3]) for path in pictures]
    with atomic_path(labels) as partial:
        pd.DataFrame(rows, columns=["file", "expression", "subject"]).to_csv(partial, index=False)
    return folder
