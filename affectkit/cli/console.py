"""What commands say: text as it is, without markup, in lines that the terminal breaks."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text


def tell(text: str | Text, style: str = "", error: bool = False) -> None:
    """Print to standard output, or to standard error."""
    text = text if isinstance(text, Text) else Text(text, style=style)
    Console(stderr=error).print(text, soft_wrap=True)
