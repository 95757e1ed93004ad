"""What the cards of models and the manifests of exports have in common, read and checked."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from affectkit.json_files import NUMBER, read_json
from affectkit.preprocess import Preprocessing

LONGEST_NAME = 255
"""Bytes that file systems take."""

SHARED = {
    "preprocessing": {"image_size": int, "crop_margin": NUMBER},
    "temperature": NUMBER,
}
"""What each of them tells; a form of `affectkit.json_files`."""


def read_card(
    path: Path, what: str, remedy: str, form: dict[str, object]
) -> tuple[dict[str, object], Preprocessing, float]:
    """Read a card or manifest.

    Parameters
    ----------
    path : Path
        The JSON file.
    what, remedy : str
        See `affectkit.json_files.read_json`.
    form : dict
        What it must hold besides `SHARED`.

    Returns
    -------
    tuple of (dict, Preprocessing, float)
        All of it; how the network's input is made; what divides the logits of the expressions.

    Raises
    ------
    OSError
        If it can't be read.
    ValueError
        If something in it is missing or impossible.
    """
    content = read_json(path, what, remedy, SHARED | form)
    try:
        preprocessing = Preprocessing(**content["preprocessing"])
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path} is not {what} ({error}); {remedy}") from error
    temperature = float(content["temperature"])
    if not 1e-6 < temperature < 1e6:
        raise ValueError(
            f"{path} is not {what}: its temperature is {temperature}, expected a number above 0; "
            f"{remedy}"
        )
    return content, preprocessing, temperature


def file_beside(path: Path, name: object) -> Path:
    """Give the file that a card names; it must lie beside the card or in folders below.

    Raises
    ------
    ValueError
        If the name leads elsewhere.
    """
    parts = PurePosixPath(name).parts if isinstance(name, str) else ()
    strange = any(part == ".." or len(part.encode()) > LONGEST_NAME for part in parts)
    if strange or not parts or name.startswith("/") or "\\" in name or not name.isprintable():
        raise ValueError(
            f"{path} names the file {str(name)[:80]!r}, expected one beside it or in folders "
            "below; get both anew"
        )
    return path.parent / name
