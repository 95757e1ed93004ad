"""`affectkit doctor`."""

from __future__ import annotations

import json
from dataclasses import asdict

import typer
from rich.console import Console

from affectkit.cli.options import AsJson


def run(as_json: AsJson = False) -> None:
    """Check Python, packages, Jupyter kernel and more, and say what to do."""
    from affectkit.doctor import check_environment, print_report

    checks = check_environment()
    if not as_json:
        raise typer.Exit(print_report(checks, Console()))
    ok = all(check.ok or check.optional for check in checks)
    print(json.dumps({"ok": ok, "checks": [asdict(check) for check in checks]}, indent=2))
    raise typer.Exit(int(not ok))
