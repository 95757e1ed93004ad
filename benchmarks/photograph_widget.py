"""Take the README's picture of the camera widget, in JupyterLab, with the drawn sample clip.

Usage::

    python benchmarks/photograph_widget.py data_cards/camera_widget.webp
"""

from __future__ import annotations

import argparse
import io
import tempfile
from pathlib import Path

from lab_browser import LabNotebook, chromium, lab_server, new_context, write_notebook
from PIL import Image

CELL = """from affectkit.widgets import AffectCamera

camera = AffectCamera()
camera"""
EXPRESSION = "Surprise"
ROUNDS = 2
"""The clip has passed so often, so that the trail is long and the times are those of a run."""


def main(path: Path) -> None:
    """Play the clip, wait for the expression, and write what JupyterLab shows."""
    with tempfile.TemporaryDirectory() as name:
        write_notebook(Path(name) / "camera.ipynb", [CELL])
        with lab_server(Path(name)) as server, chromium() as browser:
            page = new_context(browser).new_page()
            notebook = LabNotebook(page, server, "camera.ipynb")
            notebook.run_cell(0)
            page.get_by_role("button", name="Play the sample clip").click()
            for _ in range(ROUNDS):
                for expression in ("Neutral", EXPRESSION):
                    page.wait_for_function(
                        "name => document.querySelector('.affect-camera').dataset.expression"
                        " === name",
                        arg=expression,
                    )
            page.wait_for_timeout(350)  # from the weak to the strong expression
            root = page.locator(".affect-camera")
            box = root.bounding_box()
            clip = {
                "x": box["x"] - 6,
                "y": box["y"],
                "width": 710,
                "height": box["height"],
            }
            picture = page.screenshot(clip=clip)
    Image.open(io.BytesIO(picture)).convert("RGB").save(path, quality=90, method=6)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("path", type=Path)
    main(parser.parse_args().path)
