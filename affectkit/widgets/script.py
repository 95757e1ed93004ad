"""The page's script: the modules of `page/`, joined into the one that anywidget loads."""

from __future__ import annotations

import re
from pathlib import Path

PAGE = Path(__file__).parent / "page"
MODULES = ("markup", "drawing", "results", "stage", "sources", "kernel", "camera")
"""Each one after those that it imports. No name stands at the top of two of them."""


def join_modules() -> str:
    """Give all modules as one.

    A page loads a widget's script from an address that has no neighbours, so that it can import
    nothing; and a bundler would be another tool to install. The modules' own imports and exports
    are one line each, so leaving them out is enough; the default export is the last one's.
    """
    texts = [(PAGE / f"{name}.js").read_text("utf-8") for name in MODULES]
    return re.sub(r"^(?:import .*;\n|export (?!default))", "", "\n".join(texts), flags=re.MULTILINE)
