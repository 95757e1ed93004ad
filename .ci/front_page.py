"""Renew what README shows of a whole course: a picture of each notebook's end.

    affectkit course --all --output runs/front_page
    python .ci/front_page.py runs/front_page

It writes notebooks/pictures/. `make front-page` does both.
"""

from __future__ import annotations

import base64
import io
import sys
from itertools import takewhile
from pathlib import Path

import nbformat
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
PICTURES = ROOT / "notebooks" / "pictures"
WIDTH, LARGEST = 480, 60_000
"""Pixels, and bytes of a file."""


def last_picture(notebook: Path) -> Image.Image | None:
    """Give the last figure of an executed notebook before its exercises."""
    cells = nbformat.read(notebook, as_version=4).cells
    cells = list(takewhile(lambda cell: "## Exercises" not in cell.source, cells))
    outputs = [output for cell in cells for output in cell.get("outputs", [])]
    found = [
        output.data["image/png"] for output in outputs if "image/png" in output.get("data", {})
    ]
    return Image.open(io.BytesIO(base64.b64decode(found[-1]))) if found else None


def write_pictures(notebooks: list[Path]) -> None:
    """Write `NN_name.webp` for each notebook that has a figure; older pictures are removed."""
    PICTURES.mkdir(exist_ok=True)
    for old in PICTURES.glob("*.webp"):
        old.unlink()
    for notebook in notebooks:
        picture = last_picture(notebook)
        if picture is None:
            continue
        picture = picture.convert("RGB")
        picture.thumbnail((WIDTH, WIDTH))
        path = PICTURES / f"{notebook.stem}.webp"
        for quality in (85, 70, 50, 30):
            picture.save(path, quality=quality, method=6)
            if path.stat().st_size <= LARGEST:
                break


if __name__ == "__main__":
    write_pictures(sorted((Path(sys.argv[1]) / "notebooks").glob("*.ipynb")))
