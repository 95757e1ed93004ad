"""`affectkit doctor`."""

from __future__ import annotations

import typer
from rich.console import Console


def run() -> None:
    """Check Python, packages, Jupyter kernel and more, and say what to do."""
    from affectkit.doctor import check_environment, print_report

    raise typer.Exit(print_report(check_environment(), Console()))
