"""Executed notebooks as HTML pages, for those who only want to read."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from affectkit.files.atomic import write_atomically

SHOWN = (
    *("image/svg+xml", "image/png", "image/jpeg"),
    *("text/html", "text/markdown", "text/latex", "text/plain"),
)
"""What an output is shown as, best first: no live widget, which is dead without its kernel."""


def write_pages(notebooks: Iterable[Path]) -> None:
    """Write `NN_name.html` beside each executed notebook that is newer than its page.

    Pictures are inside, code that the notebook folds is left out. Only formulas need something
    from elsewhere: MathJax, which the page asks the network for.
    """
    import nbformat
    from nbconvert import HTMLExporter
    from traitlets.config import Config

    config = Config({"NbConvertBase": {"display_data_priority": list(SHOWN)}})
    exporter = HTMLExporter(config=config, require_js_url="")
    for path in notebooks:
        page = path.with_suffix(".html")
        if page.is_file() and page.stat().st_mtime_ns > path.stat().st_mtime_ns:
            continue
        notebook = nbformat.read(path, as_version=4)
        notebook.metadata.pop("widgets", None)
        for cell in notebook.cells:
            if cell.metadata.get("jupyter", {}).get("source_hidden"):
                cell.metadata["transient"] = {"remove_source": True}
        html, _ = exporter.from_notebook_node(notebook, {"metadata": {"name": path.stem}})
        write_atomically(page, html.replace('<script src=""></script>', ""))
