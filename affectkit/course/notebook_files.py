"""Find the numbered notebooks of the course."""

from __future__ import annotations

from pathlib import Path

from affectkit import __file__ as package_file


def find_notebooks(folder: str | Path | None = None) -> list[Path]:
    """List the notebooks `NN_name.ipynb` of a folder by number.

    Parameters
    ----------
    folder : str or Path, optional
        Default: `notebooks` inside the installed package, else beside it (source checkout).

    Returns
    -------
    list of Path
        Absolute, at least one.

    Raises
    ------
    FileNotFoundError
        If there is none.
    """
    package = Path(package_file).resolve().parent
    places = [Path(folder)] if folder else [package / "notebooks", package.parent / "notebooks"]
    for place in places:
        found = sorted(place.resolve().glob("[0-9][0-9]_*.ipynb"))
        if found:
            return found
    raise FileNotFoundError(
        f"expected notebooks named NN_name.ipynb in {' or '.join(map(str, places))}, found none; "
        "install affectkit again or run it from its source folder"
    )


def notebook_number(notebook: str | Path) -> int:
    """Give the number that a notebook's file name starts with."""
    return int(Path(notebook).name[:2])
