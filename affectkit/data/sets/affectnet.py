"""AffectNet (Mollahosseini et al., 2017): three layouts, told apart by what the folder holds."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from affectkit.data.sets.affectnet_original import is_original_layout, read_original
from affectkit.data.skipped import SkippedRows

LAYOUT = (
    "one of AffectNet's layouts: training.csv and validation.csv with Manually_Annotated_Images/ "
    "(original); train_set/ and val_set/ with images/ and annotations/ (reduced, 2021); or "
    "human_annotated/train_set/ and human_annotated/validation_set/ (AffectNet+)"
)


def load_affectnet(root: str | Path, skipped: SkippedRows, automatic: bool = False) -> pd.DataFrame:
    """Load AffectNet; no image is read. The published validation split is called "test".

    Parameters
    ----------
    root : str or Path
        A folder in one of the three layouts.
    skipped : SkippedRows
        Gets the rows left out.
    automatic : bool
        Original layout only: also read automatically_annotated.csv into the training split.

    Returns
    -------
    pandas.DataFrame
        Columns of the documented table, every class (also 8, 9 and 10).

    Raises
    ------
    FileNotFoundError
        If the folder has none of the layouts.
    ValueError
        If a label file can't be read, or `automatic` is asked of another layout.
    """
    from affectkit.data.sets import affectnet_plus, affectnet_reduced

    root = Path(root)
    if is_original_layout(root):
        return read_original(root, skipped, automatic=automatic)
    if automatic:
        raise ValueError(f"automatic=True needs AffectNet's original layout; {root} has another")
    if affectnet_plus.is_plus_layout(root):
        return affectnet_plus.read_plus(root, skipped)
    if affectnet_reduced.is_reduced_layout(root):
        return affectnet_reduced.read_reduced(root, skipped)
    found = ", ".join(sorted(path.name for path in root.iterdir())[:8]) or "nothing"
    raise FileNotFoundError(f"expected {LAYOUT} in {root}; found {found}")
