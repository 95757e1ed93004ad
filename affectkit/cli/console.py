"""What commands say: text as it is, without markup, in lines that the terminal breaks."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import typer
from rich.console import Console
from rich.text import Text

from affectkit.files.safe_text import terminal_text

USER_ERROR = 2
"""Exit code when the user can mend what went wrong."""


def tell(text: str | Text, style: str = "", error: bool = False) -> None:
    """Print to standard output, or to standard error."""
    text = text if isinstance(text, Text) else Text(text, style=style)
    Console(stderr=error).print(text, soft_wrap=True)


def tell_left_out(summary: str, file: str | Path = "") -> None:
    """Print what `SkippedRows.summary` gives, and where the list of it is."""
    if summary:
        text = summary[:1].upper() + terminal_text(summary[1:])
        tell(f"{text}{f'; listed in {file}' if file else ''}", "yellow")


@contextmanager
def told_errors(debug: bool = False) -> Iterator[None]:
    """Print warnings and errors within a block, and end it with `USER_ERROR` after an error."""
    with warnings.catch_warnings():
        warnings.showwarning = lambda message, *_, **__: _tell("Note: ", "yellow", str(message))
        try:
            yield
        except BrokenPipeError:
            raise
        except (ValueError, OSError, ImportError) as error:
            if debug:
                raise
            _tell("Error: ", "bold red", str(error) or type(error).__name__)
            tell("`affectkit --debug ...` shows where it arose.", "dim", error=True)
            raise typer.Exit(USER_ERROR) from error


def _tell(label: str, style: str, message: str) -> None:
    tell(Text.assemble((label, style), terminal_text(message)), error=True)
